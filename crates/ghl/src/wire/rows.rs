//! Rows of lists over a whole location: each names its own contact.

use domain::{ContactId, LocationId, RecordId, RecordKind, Shown};
use serde_json::Value;

use super::fields::{Fields, ID, count, first_text, flag, object, plural};
use super::record::{of_location, shown};
use super::unreadable::{UnreadableRow, identified};
use crate::Zone;

/// One page of a list over a location.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordPage {
    pub rows: Vec<RecordRow>,
    /// Also rows of another location.
    pub unreadable: Vec<UnreadableRow>,
    /// All rows that GHL gave, usable or not: how far paging by `skip` has come.
    pub given: usize,
    /// How many rows the whole list has, where GHL says so.
    pub total: Option<u64>,
    /// Whether GHL did not say that it held back others.
    pub whole: bool,
}

/// One record of a location.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordRow {
    pub record_id: RecordId,
    /// Its contacts: a task may have none or several, an appointment has one.
    pub contacts: Vec<ContactId>,
    pub shown: Shown,
}

pub(crate) fn records(body: Value, kind: RecordKind, location_id: &LocationId, zone: &Zone) -> Result<RecordPage, String> {
    let mut body = object(body)?;
    let Some(Value::Array(rows)) = body.remove(plural(kind)) else { return Err(format!("{} is not a list", plural(kind))) };
    let mut page = RecordPage {
        rows: Vec::with_capacity(rows.len()),
        unreadable: Vec::new(),
        given: 0,
        whole: !flag(&body, "hasMore").unwrap_or(false),
        total: count(&Value::Object(body)),
    };
    // The specification calls the rows of the task search an "array of array": nested lists are looked into as well.
    let rows = rows.into_iter().flat_map(|row| match row {
        Value::Array(rows) => rows,
        row @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => vec![row],
    });
    for row in rows {
        match identified(&row, page.given, Some(location_id)) {
            // GHL shows some deleted records in lists and says so.
            Ok((fields, _)) if flag(fields, "deleted").unwrap_or(false) => {}
            Ok((fields, record_id)) => {
                page.rows.push(RecordRow { record_id, contacts: contacts(fields), shown: shown(fields, of_location(kind), zone) });
            }
            Err(unreadable) => page.unreadable.push(unreadable),
        }
        page.given += 1;
    }
    Ok(page)
}

/// The contacts of a row, each once: as one id, as several, as objects with an id. How a row names several is not published.
fn contacts(fields: &Fields) -> Vec<ContactId> {
    let mut found = Vec::new();
    for value in ["contactId", "contactIds", "contact", "contacts"].iter().filter_map(|key| fields.get(*key)) {
        for one in value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice) {
            let id = match one {
                Value::String(id) => Some(id.clone()),
                Value::Object(contact) => first_text(contact, ID),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
            };
            let id = id.and_then(|id| ContactId::new(id).ok());
            found.extend(id.filter(|id| !found.contains(id)));
        }
    }
    found
}
