//! A contact, as the by-id answer and as a search row show it.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Contact, ContactId, LocationId};
use serde_json::Value;

use super::fields::{Fields, ID, first_text, object, text, unwrap};
use super::reader::Reader;
use crate::{Zone, time};

pub(crate) fn contact(body: Value, id: &ContactId, location_id: &LocationId, zone: &Zone) -> Result<Contact, String> {
    let fields = object(unwrap(body, "contact"))?;
    if first_text(&fields, ID).as_deref() != Some(id.as_str()) {
        return Err("not the contact that was asked for".to_owned());
    }
    if text(&fields, "locationId").is_some_and(|of| of != location_id.as_str()) {
        return Err("a contact of another location".to_owned());
    }
    Ok(read(&fields, zone).0)
}

/// The contact, and the names of its fields that the answer does not mention at all.
pub(super) fn read(fields: &Fields, zone: &Zone) -> (Contact, BTreeSet<String>) {
    let mut read = Reader::new(fields, zone);
    let contact = Contact {
        name: read.text("name", &["name", "contactName"]),
        // Search rows have been seen with lower-cased names beside the raw ones, which are as typed.
        first_name: read.text("first_name", &["firstNameRaw", "firstName"]),
        last_name: read.text("last_name", &["lastNameRaw", "lastName"]),
        email: read.text("email", &["email"]),
        phone: read.text("phone", &["phone"]),
        company: read.text("company", &["companyName"]),
        street: read.text("street", &["address1", "address"]),
        city: read.text("city", &["city"]),
        state: read.text("state", &["state"]),
        postal_code: read.text("postal_code", &["postalCode"]),
        country: read.text("country", &["country"]),
        website: read.text("website", &["website"]),
        time_zone: read.text("time_zone", &["timezone", "timeZone"]),
        source: read.text("source", &["source"]),
        date_of_birth: read.value("date_of_birth", &["dateOfBirth"]).and_then(|value| time::day(value, zone)),
        do_not_disturb: read.flag("do_not_disturb", &["dnd"]),
        assigned_to: read.reference("assigned_to", &["assignedTo"]),
        business_id: read.reference("business_id", &["businessId"]),
        tags: read.value("tags", &["tags"]).map(tags).unwrap_or_default(),
        custom_fields: read.value("custom_fields", &["customFields", "customField"]).map(custom_fields).unwrap_or_default(),
        added_at: read.moment("added_at", &["dateAdded", "createdAt"]),
        updated_at: read.moment("updated_at", &["dateUpdated", "updatedAt"]),
    };
    (contact, read.silent)
}

/// Names of tags; GHL gives strings, objects with a name are understood too.
pub(super) fn tags(value: &Value) -> BTreeSet<String> {
    let name = |tag: &Value| match tag {
        Value::String(name) => Some(name.clone()),
        Value::Object(tag) => text(tag, "name"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    };
    let several = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    several.iter().filter_map(name).filter(|name| !name.is_empty()).collect()
}

/// Values by field id, with the JSON type they came with. No value and an empty one are the same.
fn custom_fields(value: &Value) -> BTreeMap<String, Value> {
    let rows = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let read = |row: &Value| {
        let row = row.as_object()?;
        let value = ["value", "fieldValue", "field_value"].iter().find_map(|key| row.get(*key))?;
        let empty = value.is_null() || value.as_str() == Some("");
        (!empty).then_some((first_text(row, ID)?, value.clone()))
    };
    rows.iter().filter_map(read).collect()
}
