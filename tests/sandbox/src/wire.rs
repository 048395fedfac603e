//! The shapes that leave the simulator, as the vendor's OpenAPI files and webhook schemas have them.

mod appointments;
mod contacts;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

pub(crate) use self::{
    appointments::{appointment_in_webhook, calendar_event, contact_appointment, written_appointment},
    contacts::{ContactById, ContactInWebhook, ContactRow},
};
use crate::{
    premises::Premises,
    records::{Business, Calendar, CustomField, Note, RecurringTask, Task, User},
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
