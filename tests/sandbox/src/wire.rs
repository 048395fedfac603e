//! The shapes that leave the simulator, as the vendor's OpenAPI files and webhook schemas have them.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value, json};

use crate::{
    records::{Appointment, Business, Calendar, Contact, CustomField, CustomValue, Note, RecurringTask, Task, User},
    state::Premises,
};

/// Which of the API's versions a call asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiVersion {
    /// `2021-07-28`, and `2021-04-15` for calendars.
    V2,
    V3,
}

/// `2021-07-02T05:18:26.704Z`
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// `2023-09-25T16:00:00+05:30`
pub(crate) fn with_offset(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// `2021-07-16 11:00:00`, in the location's zone, without saying so.
fn naive(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `access_token` → `accessToken`, as v3 spells what v2 underscores.
pub(crate) fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for (place, word) in name.split('_').enumerate() {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if place > 0 => camel.extend(first.to_uppercase()),
            first => camel.extend(first),
        }
        camel.extend(letters);
    }
    camel
}

/// `GET /contacts/{id}`.
pub(crate) struct ContactById<'a>(pub(crate) &'a Contact, pub(crate) &'a str, pub(crate) ApiVersion);

/// A row of `POST /contacts/search`: no `dndSettings`, but more besides.
pub(crate) struct ContactRow<'a>(pub(crate) &'a Contact, pub(crate) &'a str, pub(crate) Option<&'a [Value]>);

/// What webhooks tell of a contact.
pub(crate) struct ContactInWebhook<'a>(pub(crate) &'a Contact, pub(crate) &'a str, pub(crate) &'a str, pub(crate) bool);

macro_rules! put {
    ($map:ident, $($key:literal: $value:expr),+ $(,)?) => { $(if let Some(value) = &$value { $map.serialize_entry($key, value)?; })+ };
}

impl Serialize for ContactById<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(contact, location_id, version) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &contact.id)?;
        map.serialize_entry("locationId", location_id)?;
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        put!(map,
            "name": contact.name(),
            "firstName": contact.first_name,
            "lastName": contact.last_name,
            "firstNameLowerCase": lower(&contact.first_name),
            "lastNameLowerCase": lower(&contact.last_name),
            "fullNameLowerCase": lower(&contact.name()),
            "email": contact.email,
            "emailLowerCase": lower(&contact.email),
            "phone": contact.phone,
            "companyName": contact.company_name,
            "address1": contact.address1,
            "city": contact.city,
            "state": contact.state,
            "country": contact.country,
            "postalCode": contact.postal_code,
            "website": contact.website,
            "timezone": contact.time_zone,
            "source": contact.source,
            "type": contact.kind,
            "assignedTo": contact.assigned_to,
            "dateOfBirth": contact.date_of_birth,
            "businessId": contact.business_id,
        );
        map.serialize_entry("dnd", &contact.dnd)?;
        if !contact.dnd_settings.is_empty() {
            map.serialize_entry("dndSettings", &dnd_settings(contact, *version))?;
        }
        map.serialize_entry("tags", &contact.tags)?;
        map.serialize_entry("customFields", &custom_values(&contact.custom_fields))?;
        map.serialize_entry("dateAdded", &instant(contact.date_added))?;
        map.serialize_entry("dateUpdated", &instant(contact.date_updated))?;
        map.end()
    }
}

impl Serialize for ContactRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(contact, location_id, cursor) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &contact.id)?;
        map.serialize_entry("locationId", location_id)?;
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        put!(map,
            "contactName": contact.name(),
            "firstName": contact.first_name,
            "lastName": contact.last_name,
            "firstNameRaw": contact.first_name,
            "lastNameRaw": contact.last_name,
            "firstNameLowerCase": lower(&contact.first_name),
            "lastNameLowerCase": lower(&contact.last_name),
            "email": contact.email,
            "phone": contact.phone,
            "companyName": contact.company_name,
            "address": contact.address1,
            "city": contact.city,
            "state": contact.state,
            "country": contact.country,
            "postalCode": contact.postal_code,
            "website": contact.website,
            "timezone": contact.time_zone,
            "source": contact.source,
            "type": contact.kind,
            "assignedTo": contact.assigned_to,
            "dateOfBirth": contact.date_of_birth,
            "businessId": contact.business_id,
        );
        map.serialize_entry("dnd", &contact.dnd)?;
        map.serialize_entry("tags", &contact.tags)?;
        map.serialize_entry("customFields", &custom_values(&contact.custom_fields))?;
        map.serialize_entry("followers", &contact.followers)?;
        map.serialize_entry("additionalEmails", &[(); 0])?;
        map.serialize_entry("dateAdded", &instant(contact.date_added))?;
        map.serialize_entry("dateUpdated", &instant(contact.date_updated))?;
        put!(map, "searchAfter": cursor);
        map.end()
    }
}

impl Serialize for ContactInWebhook<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(contact, location_id, event, with_dnd) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", event)?;
        map.serialize_entry("locationId", location_id)?;
        map.serialize_entry("id", &contact.id)?;
        put!(map,
            "address1": contact.address1,
            "city": contact.city,
            "state": contact.state,
            "companyName": contact.company_name,
            "country": contact.country,
            "source": contact.source,
        );
        map.serialize_entry("dateAdded", &instant(contact.date_added))?;
        put!(map, "dateOfBirth": contact.date_of_birth.as_ref().map(|day| format!("{day}T00:00:00.000Z")));
        map.serialize_entry("dnd", &contact.dnd)?;
        if *with_dnd {
            map.serialize_entry("dndSettings", &dnd_settings(contact, ApiVersion::V2))?;
        }
        put!(map,
            "email": contact.email,
            "name": contact.name(),
            "firstName": contact.first_name,
            "lastName": contact.last_name,
            "phone": contact.phone,
            "postalCode": contact.postal_code,
        );
        map.serialize_entry("tags", &contact.tags)?;
        put!(map, "website": contact.website);
        // Never filled, as seen in the field.
        map.serialize_entry("attachments", &[(); 0])?;
        put!(map, "assignedTo": contact.assigned_to);
        map.serialize_entry("customFields", &custom_values(&contact.custom_fields))?;
        map.end()
    }
}

fn custom_values(fields: &[CustomValue]) -> Vec<Value> {
    fields.iter().map(|field| json!({"id": field.id, "value": field.value})).collect()
}

fn dnd_settings(contact: &Contact, version: ApiVersion) -> Map<String, Value> {
    let spelled = |name: &str| match (version, name) {
        (ApiVersion::V3, "WhatsApp") => "whatsApp".to_owned(),
        (ApiVersion::V3, other) => other.to_lowercase(),
        (ApiVersion::V2, other) => other.to_owned(),
    };
    contact.dnd_settings.iter().map(|(name, setting)| (spelled(name), setting.clone())).collect()
}

/// Leaves out what is null.
pub(crate) fn present(value: Value) -> Value {
    if let Value::Object(fields) = value {
        Value::Object(fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
    } else {
        value
    }
}

/// A task that hangs on several contacts names the first one everywhere; that is an assumption, nobody published more.
pub(crate) fn task(task: &Task) -> Value {
    present(json!({
        "id": task.id,
        "title": task.title,
        "body": task.body,
        "assignedTo": task.assigned_to,
        "dueDate": task.due_date.map(instant),
        "completed": task.completed,
        "contactId": task.contact_id,
    }))
}

/// A row of the location's task search. Unpublished: `_id` is what is assumed of it.
pub(crate) fn task_row(task: &Task, location_id: &str) -> Value {
    present(json!({
        "_id": task.id,
        "locationId": location_id,
        "title": task.title,
        "body": task.body,
        "assignedTo": task.assigned_to,
        "dueDate": task.due_date.map(instant),
        "completed": task.completed,
        "contactId": task.contact_id,
        "dateAdded": instant(task.date_added),
    }))
}

pub(crate) fn recurring_task(rule: &RecurringTask, location_id: &str) -> Value {
    present(json!({
        "id": rule.id,
        "title": rule.title,
        "description": rule.description,
        "locationId": location_id,
        "updatedAt": instant(rule.updated_at),
        "createdAt": instant(rule.created_at),
        "rruleOptions": rule.rrule_options,
        "totalOccurrence": rule.occurrences,
        "deleted": false,
        "assignedTo": rule.owners.first(),
        "contactId": rule.contact_ids.first(),
    }))
}

pub(crate) fn business(business: &Business, location_id: &str) -> Value {
    present(json!({
        "id": business.id,
        "name": business.name,
        "phone": business.phone,
        "email": business.email,
        "website": business.website,
        "address": business.address,
        "city": business.city,
        "description": business.description,
        "state": business.state,
        "postalCode": business.postal_code,
        "country": business.country,
        "locationId": location_id,
        "createdAt": instant(business.created_at),
        "updatedAt": instant(business.updated_at),
    }))
}

pub(crate) fn note(note: &Note) -> Value {
    present(json!({
        "id": note.id,
        "body": note.body,
        "userId": note.user_id,
        "dateAdded": instant(note.date_added),
        "contactId": note.contact_id,
        "title": note.title,
        "color": note.color,
        "pinned": note.pinned,
    }))
}

/// A row of `GET /contacts/{id}/appointments`.
pub(crate) fn contact_appointment(appointment: &Appointment, premises: &Premises) -> Value {
    let zone = &premises.zone;
    present(json!({
        "id": appointment.id,
        "calendarId": appointment.calendar_id,
        "status": "booked",
        "title": appointment.title,
        "assignedUserId": appointment.assigned_user_id,
        "notes": appointment.notes,
        "startTime": naive(appointment.start, zone),
        "endTime": naive(appointment.end, zone),
        "address": appointment.address,
        "locationId": premises.location_id,
        "contactId": appointment.contact_id,
        "groupId": appointment.group_id,
        "appointmentStatus": appointment.status,
        "users": appointment.assigned_user_id.iter().collect::<Vec<_>>(),
        "dateAdded": naive(appointment.date_added, zone),
        "dateUpdated": naive(appointment.date_updated, zone),
        "assignedResources": [],
    }))
}

/// A row of `GET /calendars/events`.
pub(crate) fn calendar_event(appointment: &Appointment, premises: &Premises, version: ApiVersion) -> Value {
    let zone = &premises.zone;
    present(json!({
        "id": appointment.id,
        "address": appointment.address,
        "title": appointment.title.as_deref().unwrap_or_default(),
        "calendarId": appointment.calendar_id,
        "locationId": premises.location_id,
        "contactId": appointment.contact_id,
        "groupId": appointment.group_id.as_deref().unwrap_or_default(),
        "appointmentStatus": appointment.status,
        "assignedUserId": appointment.assigned_user_id.as_deref().unwrap_or_default(),
        "users": appointment.assigned_user_id.iter().collect::<Vec<_>>(),
        "notes": appointment.notes,
        "description": appointment.description,
        "isRecurring": false,
        "deleted": (version == ApiVersion::V3).then_some(false),
        "startTime": with_offset(appointment.start, zone),
        "endTime": with_offset(appointment.end, zone),
        "dateAdded": with_offset(appointment.date_added, zone),
        "dateUpdated": with_offset(appointment.date_updated, zone),
        "assignedResources": [],
        "createdBy": present(json!({
            "userId": appointment.assigned_user_id,
            "source": appointment.source.as_deref().unwrap_or("calendar_page"),
        })),
    }))
}

/// What creating and updating an appointment answers.
pub(crate) fn written_appointment(appointment: &Appointment, premises: &Premises, version: ApiVersion) -> Value {
    let zone = &premises.zone;
    let dated = |at| (version == ApiVersion::V3).then(|| with_offset(at, zone));
    present(json!({
        "id": appointment.id,
        "calendarId": appointment.calendar_id,
        "locationId": premises.location_id,
        "contactId": appointment.contact_id,
        "startTime": with_offset(appointment.start, zone),
        "endTime": with_offset(appointment.end, zone),
        "title": appointment.title,
        "appointmentStatus": appointment.status,
        "assignedUserId": appointment.assigned_user_id,
        "address": appointment.address,
        "isRecurring": false,
        "dateAdded": dated(appointment.date_added),
        "dateUpdated": dated(appointment.date_updated),
    }))
}

pub(crate) fn user(user: &User, location_id: &str) -> Value {
    json!({
        "id": user.id,
        "name": user.name(),
        "firstName": user.first_name,
        "lastName": user.last_name,
        "email": user.email,
        "phone": user.phone,
        "extension": "",
        "roles": {"type": "account", "role": user.role, "locationIds": [location_id], "restrictSubAccount": false},
        "deleted": false,
        "platformLanguage": "en_US",
    })
}

pub(crate) fn calendar(calendar: &Calendar, location_id: &str) -> Value {
    let members: Vec<Value> = calendar.user_ids.iter().map(|id| json!({"userId": id, "priority": 0.5, "isPrimary": true})).collect();
    json!({
        "id": calendar.id,
        "locationId": location_id,
        "groupId": calendar.group_id,
        "name": calendar.name,
        "description": calendar.description,
        "isActive": true,
        "calendarType": "round_robin",
        "eventType": "RoundRobin_OptimizeForAvailability",
        "eventTitle": "{{contact.name}}",
        "eventColor": "#039be5",
        "slotDuration": calendar.slot_minutes,
        "slotDurationUnit": "mins",
        "slotInterval": calendar.slot_minutes,
        "slotIntervalUnit": "mins",
        "autoConfirm": true,
        "allowReschedule": true,
        "allowCancellation": true,
        "teamMembers": members,
    })
}

pub(crate) fn custom_field(field: &CustomField, location_id: &str) -> Value {
    json!({
        "id": field.id,
        "name": field.name,
        "fieldKey": field.key,
        "placeholder": "",
        "dataType": field.data_type,
        "position": field.position,
        "picklistOptions": field.options,
        "picklistImageOptions": [],
        "isAllowedCustomOption": false,
        "isMultiFileAllowed": field.data_type == "FILE_UPLOAD",
        "maxFileLimit": 4,
        "locationId": location_id,
        "model": "contact",
    })
}

pub(crate) fn location(premises: &Premises) -> Value {
    json!({
        "id": premises.location_id,
        "companyId": premises.company_id,
        "name": premises.name,
        "address": "12 Harbour Street",
        "city": "Portland",
        "state": "ME",
        "country": "US",
        "postalCode": "04101",
        "website": "https://northwind.example/",
        "timezone": premises.zone_name,
        "email": "office@northwind.example",
        "phone": "+12075550100",
        "business": {"name": premises.name, "city": "Portland", "country": "US", "timezone": premises.zone_name},
        "social": {},
        "settings": {
            "allowDuplicateContact": premises.allow_duplicate_contact,
            "allowDuplicateOpportunity": false,
            "allowFacebookNameMerge": false,
            "disableContactTimezone": false,
        },
    })
}

/// The inner part of an appointment's webhook.
pub(crate) fn appointment_in_webhook(appointment: &Appointment, premises: &Premises) -> Value {
    let zone = &premises.zone;
    present(json!({
        "id": appointment.id,
        "address": appointment.address,
        "title": appointment.title,
        "calendarId": appointment.calendar_id,
        "contactId": appointment.contact_id,
        "groupId": appointment.group_id,
        "appointmentStatus": appointment.status,
        "assignedUserId": appointment.assigned_user_id,
        "users": appointment.assigned_user_id.iter().collect::<Vec<_>>(),
        "notes": appointment.notes,
        "source": appointment.source,
        "startTime": with_offset(appointment.start, zone),
        "endTime": with_offset(appointment.end, zone),
        "dateAdded": with_offset(appointment.date_added, zone),
        "dateUpdated": with_offset(appointment.date_updated, zone),
    }))
}
