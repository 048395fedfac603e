//! GHL's answers to changes.

use std::collections::BTreeSet;

use domain::{Contact, ContactId, LocationId, Record, RecordId, RecordKind, Task};
use serde_json::Value;

use super::contact;
use super::fields::{ID, first_text, flag, object, text, unwrap};
use super::reader::Reader;
use super::record::{of_contact, read_task, shown};
use super::shape::Shape;
use crate::Zone;
use crate::json::Unreadable;

/// A contact as GHL has it after a change.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenContact {
    pub contact_id: ContactId,
    pub contact: Contact,
}

/// A task or a note as GHL has it after a change.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenRecord {
    pub record_id: RecordId,
    pub record: Record,
}

/// Whether the answer says that the change was not made. Deletes of v3 use both spellings, other answers one or neither.
pub(crate) fn failed(body: &Value) -> bool {
    let Some(fields) = body.as_object() else { return false };
    ["succeded", "succeeded"].iter().any(|key| flag(fields, key) == Some(false))
}

pub(crate) fn written_contact(body: Value, location_id: &LocationId, zone: &Zone) -> Result<WrittenContact, String> {
    let fields = object(unwrap(body, "contact"))?;
    let id = first_text(&fields, ID).and_then(|id| ContactId::new(id).ok());
    let contact_id = id.ok_or_else(|| "a contact without an id".to_owned())?;
    if text(&fields, "locationId").is_some_and(|of| of != location_id.as_str()) {
        return Err("a contact of another location".to_owned());
    }
    Ok(WrittenContact { contact_id, contact: contact::read(&fields, Shape::ContactRow, zone).0 })
}

/// The contact that was looked for. GHL answers null, an empty object or nothing when there is none.
pub(crate) fn found_contact(body: Value, location_id: &LocationId, zone: &Zone) -> Result<Option<WrittenContact>, String> {
    let found = match object(body)?.remove("contact") {
        None | Some(Value::Null) => return Ok(None),
        Some(found) => found,
    };
    if found.as_object().is_some_and(serde_json::Map::is_empty) {
        return Ok(None);
    }
    written_contact(found, location_id, zone).map(Some)
}

pub(crate) fn written_record(body: Value, kind: RecordKind, zone: &Zone) -> Result<WrittenRecord, String> {
    let fields = object(unwrap(body, kind.as_str()))?;
    let id = first_text(&fields, ID).and_then(|id| RecordId::new(id).ok());
    let record_id = id.ok_or_else(|| format!("a {kind} without an id"))?;
    Ok(WrittenRecord { record_id, record: shown(&fields, of_contact(kind), zone).record })
}

/// A task as it would be read back, of what is sent.
pub(crate) fn as_task(sent: &Value, zone: &Zone) -> Option<Task> {
    Some(read_task(&mut Reader::new(sent.as_object()?, Shape::TaskOfContact, zone)))
}

pub(crate) fn tags_left(body: &Value) -> Result<BTreeSet<String>, String> {
    let tags = body.get("tags").ok_or_else(|| "no tags".to_owned())?;
    contact::tags(tags).map(Option::unwrap_or_default).map_err(|Unreadable| "tags are not a list".to_owned())
}
