//! Contacts, as calls and webhooks show them.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value, json};

use super::{ApiVersion, instant};
use crate::records::{Contact, CustomValue};

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
        // Not documented but for the last; seen where there are any.
        let further = [
            ("additionalEmails", &contact.additional_emails),
            ("additionalPhones", &contact.additional_phones),
            ("attachments", &contact.attachments),
        ];
        for (key, rows) in further.into_iter().filter(|(_, rows)| !rows.is_empty()) {
            map.serialize_entry(key, rows)?;
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
        map.serialize_entry("additionalEmails", &contact.additional_emails)?;
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
