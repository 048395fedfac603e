//! A contact, as the by-id answer and as a search row show it.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Contact, ContactId, LocationId, Record, Shown};
use serde_json::Value;

use super::fields::{Fields, ID, first_text, flag, object, text, unwrap};
use super::further;
use super::reader::Reader;
use super::shape::Shape;
use crate::Zone;
use crate::json::Unreadable;

/// The contact as GHL shows it by its id; none where GHL marks it as deleted.
pub(crate) fn contact(body: Value, id: &ContactId, location_id: &LocationId, zone: &Zone) -> Result<Option<Shown>, String> {
    let fields = object(unwrap(body, "contact"))?;
    if first_text(&fields, ID).as_deref() != Some(id.as_str()) {
        return Err("not the contact that was asked for".to_owned());
    }
    if text(&fields, "locationId").is_some_and(|of| of != location_id.as_str()) {
        return Err("a contact of another location".to_owned());
    }
    let deleted = flag(&fields, "deleted").unwrap_or(false);
    Ok((!deleted).then(|| shown(&fields, Shape::ContactById, zone)))
}

pub(super) fn shown(fields: &Fields, shape: Shape, zone: &Zone) -> Shown {
    let (contact, read) = read(fields, shape, zone);
    read.shown(Record::Contact(Box::new(contact)))
}

pub(super) fn read<'f>(fields: &'f Fields, shape: Shape, zone: &'f Zone) -> (Contact, Reader<'f>) {
    let mut read = Reader::new(fields, shape, zone);
    let contact = Contact {
        // Search rows have been seen with lower-cased names beside the raw ones, which are as typed.
        first_name: read.text("first_name", &["firstNameRaw", "firstName"]),
        last_name: read.text("last_name", &["lastNameRaw", "lastName"]),
        email: read.text("email", &["email"]),
        phone: read.text("phone", &["phone"]),
        company: company(&mut read, fields),
        street: read.text("street", &["address1", "address"]),
        city: read.text("city", &["city"]),
        state: read.text("state", &["state"]),
        postal_code: read.text("postal_code", &["postalCode"]),
        country: read.text("country", &["country"]),
        website: read.text("website", &["website"]),
        time_zone: read.text("time_zone", &["timezone", "timeZone"]),
        source: read.text("source", &["source"]),
        date_of_birth: read.day("date_of_birth", &["dateOfBirth"]),
        do_not_disturb: read.flag("do_not_disturb", &["dnd"]),
        do_not_disturb_channels: read.read("do_not_disturb_channels", &["dndSettings"], further::channels).unwrap_or_default(),
        additional_emails: read.read("additional_emails", &["additionalEmails"], further::emails).unwrap_or_default(),
        additional_phones: read.read("additional_phones", &["additionalPhones"], further::phones).unwrap_or_default(),
        attachments: read.read("attachments", &["attachments"], further::attachments).unwrap_or_default(),
        assigned_to: read.reference("assigned_to", &["assignedTo"]),
        business_id: read.reference("business_id", &["businessId"]),
        tags: read.read("tags", &["tags"], tags).unwrap_or_default(),
        custom_fields: read.read("custom_fields", &["customFields", "customField"], custom_fields).unwrap_or_default(),
        added_at: read.moment("added_at", &["dateAdded", "createdAt"]),
        updated_at: read.moment("updated_at", &["dateUpdated", "updatedAt"]),
        name: None,
    };
    let name = name(&mut read, &contact);
    (Contact { name, ..contact }, read)
}

/// The company. Rows have been seen with it as `businessName`, which says nothing where it is null.
fn company(read: &mut Reader<'_>, fields: &Fields) -> Option<String> {
    let company = read.text("company", &["companyName"]);
    company.or_else(|| {
        let business = text(fields, "businessName")?;
        read.said("company");
        Some(business)
    })
}

/// The whole name, as typed. By id it has been seen missing, in rows in lower case, and in the older list as the e-mail of the nameless:
/// where its parts make the same name, they are what was typed.
fn name(read: &mut Reader<'_>, contact: &Contact) -> Option<String> {
    let told = read.text("name", &["name", "contactName"]);
    let parts: Vec<&str> = [&contact.first_name, &contact.last_name].into_iter().flatten().map(String::as_str).collect();
    let parts = parts.join(" ");
    let folded = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    match told {
        Some(told) if parts.is_empty() && Some(&told) == contact.email.as_ref() => None,
        Some(told) if folded(&told) == folded(&parts) => Some(parts),
        Some(told) => Some(told),
        None if parts.is_empty() || read.is_silent_about("first_name") || read.is_silent_about("last_name") => None,
        None => {
            read.said("name");
            Some(parts)
        }
    }
}

/// Names of tags; GHL gives strings, objects with a name are understood too.
pub(super) fn tags(value: &Value) -> Result<Option<BTreeSet<String>>, Unreadable> {
    let name = |tag: &Value| match tag {
        Value::String(name) => Ok(name.clone()),
        Value::Object(tag) => text(tag, "name").ok_or(Unreadable),
        Value::Null => Ok(String::new()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err(Unreadable),
    };
    let several = match value {
        Value::Null => return Ok(None),
        Value::String(_) => std::slice::from_ref(value),
        Value::Array(several) => several,
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => return Err(Unreadable),
    };
    let names: BTreeSet<String> = several.iter().map(name).collect::<Result<_, _>>()?;
    Ok(Some(names.into_iter().filter(|name| !name.is_empty()).collect()))
}

/// Values by field id, with the JSON type they came with. No value and an empty one are the same.
fn custom_fields(value: &Value) -> Result<Option<BTreeMap<String, Value>>, Unreadable> {
    let rows = match value {
        Value::Null => return Ok(None),
        Value::Array(rows) => rows,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => return Err(Unreadable),
    };
    let read = |row: &Value| {
        let row = row.as_object().ok_or(Unreadable)?;
        let id = first_text(row, ID).ok_or(Unreadable)?;
        let value = ["value", "fieldValue", "field_value"].iter().find_map(|key| row.get(*key));
        Ok((id, value.cloned().unwrap_or_default()))
    };
    let values: BTreeMap<String, Value> = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Some(values.into_iter().filter(|(_, value)| !value.is_null() && value.as_str() != Some("")).collect()))
}
