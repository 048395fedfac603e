//! GHL's JSON read into records of `domain`: both spellings, `id` or `_id`, and whatever is missing, null, empty or of another type.
//!
//! Answers are read field by field, so that one strange value costs itself and not the record, and one strange record not the listing.

mod contact;
mod reader;
mod rows;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use domain::{Appointment, Contact, ContactId, LocationId, Moment, Note, Record, RecordId, RecordKind, Task};
use serde_json::{Map, Value};

use self::reader::Reader;
pub use self::rows::{RecordPage, RecordRow};
pub(crate) use self::rows::{event, records};
pub(crate) use self::written::{as_task, failed, found_contact, tags_left, written_contact, written_record};
use crate::client::{Business, Page, Row};
use crate::{Zone, time};

/// Records of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub records: Vec<(RecordId, Record)>,
    /// Whether these are all there are. A listing with an unreadable row, or one that GHL cut off, proves no absence.
    pub complete: bool,
    /// Rows without a usable id.
    pub unreadable: usize,
}

/// What is asked of a location itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    pub zone: Zone,
    pub company_id: Option<String>,
}

type Fields = Map<String, Value>;

pub(crate) fn contact(body: Value, id: &ContactId, location_id: &LocationId, zone: &Zone) -> Result<Contact, String> {
    let fields = object(unwrap(body, "contact"))?;
    if first_text(&fields, ID).as_deref() != Some(id.as_str()) {
        return Err("another contact than asked for".to_owned());
    }
    if text(&fields, "locationId").is_some_and(|of| of != location_id.as_str()) {
        return Err("a contact of another location".to_owned());
    }
    Ok(contact::read(&fields, zone).0)
}

pub(crate) fn list(body: Value, kind: RecordKind, zone: &Zone) -> Result<Listed, String> {
    let mut body = object(body)?;
    let rows = match body.remove(plural(kind)) {
        Some(Value::Array(rows)) => Some(rows),
        Some(Value::Null) | None => None,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            return Err(format!("{} is no list", plural(kind)));
        }
    };
    let mut listed = Listed { records: Vec::new(), complete: rows.is_some() && !flag(&body, "hasMore").unwrap_or(false), unreadable: 0 };
    for row in rows.unwrap_or_default() {
        let Value::Object(fields) = row else {
            listed.unreadable += 1;
            continue;
        };
        match first_text(&fields, ID).map(RecordId::new) {
            // GHL shows some deleted records in lists and says so.
            Some(Ok(_)) if flag(&fields, "deleted").unwrap_or(false) => {}
            Some(Ok(id)) => listed.records.push((id, record(&fields, kind, zone).0)),
            Some(Err(_)) | None => listed.unreadable += 1,
        }
    }
    listed.complete &= listed.unreadable == 0;
    Ok(listed)
}

pub(crate) fn single(body: Value, kind: RecordKind, zone: &Zone) -> Result<Record, String> {
    let fields = object(unwrap(body, kind.as_str()))?;
    if first_text(&fields, ID).is_none() {
        return Err(format!("a {kind} without an id"));
    }
    Ok(record(&fields, kind, zone).0)
}

pub(crate) fn page(body: Value, zone: &Zone) -> Result<Page, String> {
    let mut body = object(body)?;
    let Some(Value::Array(rows)) = body.remove("contacts") else { return Err("contacts is no list".to_owned()) };
    let next = rows.last().and_then(|row| row.get("searchAfter")).filter(|next| !next.is_null()).cloned();
    let mut page = Page { rows: Vec::with_capacity(rows.len()), unreadable: 0, total: count(&Value::Object(body)), next };
    for row in rows {
        let Value::Object(fields) = row else {
            page.unreadable += 1;
            continue;
        };
        let Some(Ok(contact_id)) = first_text(&fields, ID).map(ContactId::new) else {
            page.unreadable += 1;
            continue;
        };
        let (contact, silent) = contact::read(&fields, zone);
        page.rows.push(Row { contact_id, contact, silent });
    }
    Ok(page)
}

/// A page of the deprecated list: where the next one begins is told in `meta`.
pub(crate) fn legacy_page(body: Value, zone: &Zone) -> Result<Page, String> {
    let meta = body.get("meta").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut page = page(body, zone)?;
    let cursor: Fields = ["startAfter", "startAfterId"]
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), meta.get(*key).filter(|value| !value.is_null())?.clone())))
        .collect();
    let last = page.rows.is_empty() || meta.get("nextPage").is_some_and(Value::is_null);
    page.next = (cursor.len() == 2 && !last).then_some(Value::Object(cursor));
    page.total = meta.get("total").and_then(Value::as_u64).or(page.total);
    Ok(page)
}

pub(crate) fn businesses(body: Value) -> Result<Vec<Business>, String> {
    let Some(Value::Array(rows)) = object(body)?.remove("businesses") else { return Err("businesses is no list".to_owned()) };
    let read = |row: &Value| {
        let row = row.as_object()?;
        Some(Business { id: first_text(row, ID)?, name: text(row, "name"), updated_at: moment(row, "updatedAt", &Zone::UNKNOWN) })
    };
    Ok(rows.iter().filter_map(read).collect())
}

pub(crate) fn location(body: &Value) -> Result<Location, String> {
    let fields = body.get("location").unwrap_or(body).as_object().ok_or_else(|| "no location".to_owned())?;
    let zone = first_text(fields, &["timezone", "timeZone"]).map_or(Zone::UNKNOWN, |name| Zone::named(&name));
    Ok(Location { zone, company_id: text(fields, "companyId") })
}

/// Names by id from a list; of a person without `name` the first and last name.
pub(crate) fn names(body: &Value, list: &str) -> BTreeMap<String, String> {
    let rows = body.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = |row: &Value| {
        let row = row.as_object()?;
        let parts = || [text(row, "firstName"), text(row, "lastName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let name = text(row, "name").unwrap_or_else(parts);
        Some((first_text(row, ID)?, name)).filter(|(_, name)| !name.is_empty())
    };
    rows.iter().filter_map(named).collect()
}

pub(crate) fn count(body: &Value) -> Option<u64> {
    body.get("total").or_else(|| body.get("count")).and_then(Value::as_u64)
}

/// The record, and the names of its fields that the answer does not mention at all.
fn record(fields: &Fields, kind: RecordKind, zone: &Zone) -> (Record, BTreeSet<String>) {
    let mut read = Reader::new(fields, zone);
    let record = match kind {
        RecordKind::Contact => {
            let (contact, silent) = contact::read(fields, zone);
            return (Record::Contact(Box::new(contact)), silent);
        }
        RecordKind::Task => Record::Task(Task {
            title: read.text("title", &["title"]),
            body: read.text("body", &["body", "description"]),
            due_at: read.moment("due_at", &["dueDate"]),
            done: read.flag("done", &["completed"]).unwrap_or(false),
            assigned_to: read.reference("assigned_to", &["assignedTo"]),
        }),
        RecordKind::Note => Record::Note(Note {
            title: read.text("title", &["title"]),
            body: read.text("body", &["body"]),
            user_id: read.reference("user_id", &["userId"]),
            color: read.text("color", &["color"]),
            pinned: read.flag("pinned", &["pinned"]).unwrap_or(false),
            added_at: read.moment("added_at", &["dateAdded"]),
        }),
        RecordKind::Appointment => Record::Appointment(Appointment {
            title: read.text("title", &["title"]),
            // The list of a contact's appointments gives whole seconds, that of a calendar's more: both are to read the same.
            starts_at: read.moment("starts_at", &["startTime"]).map(time::whole_second),
            ends_at: read.moment("ends_at", &["endTime"]).map(time::whole_second),
            time_zone: read.zone().name().map(str::to_owned),
            // The second spelling is the vendor's, in older answers.
            status: read.text("status", &["appointmentStatus", "appoinmentStatus", "status"]),
            place: read.text("place", &["address"]),
            // Not `description`, which only the list of a calendar's has.
            notes: read.text("notes", &["notes"]),
            calendar_id: read.text("calendar_id", &["calendarId"]),
            assigned_to: read.reference("assigned_to", &["assignedUserId"]),
            added_at: read.moment("added_at", &["dateAdded"]).map(time::whole_second),
            updated_at: read.moment("updated_at", &["dateUpdated"]).map(time::whole_second),
        }),
    };
    (record, read.silent)
}

const ID: &[&str] = &["id", "_id"];

fn plural(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Contact => "contacts",
        RecordKind::Task => "tasks",
        RecordKind::Note => "notes",
        RecordKind::Appointment => "events",
    }
}

/// What an envelope holds, or the body itself where the envelope is missing.
fn unwrap(mut body: Value, envelope: &str) -> Value {
    match body.get_mut(envelope) {
        Some(inner) if inner.is_object() => inner.take(),
        Some(_) | None => body,
    }
}

fn object(body: Value) -> Result<Fields, String> {
    match body {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err("not an object".to_owned()),
    }
}

/// Text, also of a number or a truth value. Empty is none; lists and objects are no text.
fn text(fields: &Fields, key: &str) -> Option<String> {
    match fields.get(key)? {
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn first_text(fields: &Fields, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| text(fields, key))
}

/// An id, alone, first of several or inside an object.
fn reference(fields: &Fields, key: &str) -> Option<String> {
    match fields.get(key)? {
        Value::Object(inner) => first_text(inner, ID),
        Value::Array(several) => several.first().and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text(fields, key),
    }
}

fn flag(fields: &Fields, key: &str) -> Option<bool> {
    match fields.get(key)? {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        },
        Value::Number(number) => number.as_i64().map(|number| number != 0),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn moment(fields: &Fields, key: &str, zone: &Zone) -> Option<Moment> {
    fields.get(key).and_then(|value| time::moment(value, zone))
}

#[cfg(test)]
mod tests;
