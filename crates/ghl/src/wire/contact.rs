//! A contact, as the by-id answer and as a search row show it.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Contact, Moment};
use serde_json::Value;

use super::{Fields, ID, first_text, flag, moment, reference, text};
use crate::{Zone, time};

/// The contact, and the names of its fields that the answer does not mention at all. A field that is mentioned as null or empty is
/// known to be empty.
pub(super) fn read(fields: &Fields, zone: &Zone) -> (Contact, BTreeSet<String>) {
    let mut silent = BTreeSet::new();
    let contact = Contact {
        name: first_text(fields, note_silent(fields, &mut silent, "name", &["name", "contactName"])),
        // Search rows have been seen with lower-cased names beside the raw ones, which are as typed.
        first_name: first_text(fields, note_silent(fields, &mut silent, "first_name", &["firstNameRaw", "firstName"])),
        last_name: first_text(fields, note_silent(fields, &mut silent, "last_name", &["lastNameRaw", "lastName"])),
        email: first_text(fields, note_silent(fields, &mut silent, "email", &["email"])),
        phone: first_text(fields, note_silent(fields, &mut silent, "phone", &["phone"])),
        company: first_text(fields, note_silent(fields, &mut silent, "company", &["companyName"])),
        street: first_text(fields, note_silent(fields, &mut silent, "street", &["address1", "address"])),
        city: first_text(fields, note_silent(fields, &mut silent, "city", &["city"])),
        state: first_text(fields, note_silent(fields, &mut silent, "state", &["state"])),
        postal_code: first_text(fields, note_silent(fields, &mut silent, "postal_code", &["postalCode"])),
        country: first_text(fields, note_silent(fields, &mut silent, "country", &["country"])),
        website: first_text(fields, note_silent(fields, &mut silent, "website", &["website"])),
        time_zone: first_text(fields, note_silent(fields, &mut silent, "time_zone", &["timezone", "timeZone"])),
        source: first_text(fields, note_silent(fields, &mut silent, "source", &["source"])),
        date_of_birth: first_value(fields, note_silent(fields, &mut silent, "date_of_birth", &["dateOfBirth"]))
            .and_then(|value| time::day(value, zone)),
        do_not_disturb: first_flag(fields, note_silent(fields, &mut silent, "do_not_disturb", &["dnd"])),
        assigned_to: first_reference(fields, note_silent(fields, &mut silent, "assigned_to", &["assignedTo"])),
        business_id: first_reference(fields, note_silent(fields, &mut silent, "business_id", &["businessId"])),
        tags: first_value(fields, note_silent(fields, &mut silent, "tags", &["tags"])).map(tags).unwrap_or_default(),
        custom_fields: first_value(fields, note_silent(fields, &mut silent, "custom_fields", &["customFields", "customField"]))
            .map(custom_fields)
            .unwrap_or_default(),
        added_at: first_moment(fields, note_silent(fields, &mut silent, "added_at", &["dateAdded", "createdAt"]), zone),
        updated_at: first_moment(fields, note_silent(fields, &mut silent, "updated_at", &["dateUpdated", "updatedAt"]), zone),
    };
    (contact, silent)
}

fn note_silent<'k>(fields: &Fields, silent: &mut BTreeSet<String>, name: &str, keys: &'k [&'k str]) -> &'k [&'k str] {
    if !keys.iter().any(|key| fields.contains_key(*key)) {
        silent.insert(name.to_owned());
    }
    keys
}

fn first_value<'f>(fields: &'f Fields, keys: &[&str]) -> Option<&'f Value> {
    keys.iter().find_map(|key| fields.get(*key))
}

fn first_flag(fields: &Fields, keys: &[&str]) -> Option<bool> {
    keys.iter().find_map(|key| flag(fields, key))
}

fn first_reference(fields: &Fields, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| reference(fields, key))
}

fn first_moment(fields: &Fields, keys: &[&str], zone: &Zone) -> Option<Moment> {
    keys.iter().find_map(|key| moment(fields, key, zone))
}

/// Names of tags; GHL gives strings, objects with a name are understood too.
fn tags(value: &Value) -> BTreeSet<String> {
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
