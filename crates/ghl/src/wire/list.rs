//! The records of one contact.

use domain::{RecordId, RecordKind, Shown};
use serde_json::Value;

use super::fields::{flag, object, plural};
use super::record::{of_contact, shown};
use super::unreadable::{UnreadableRow, identified};
use crate::Zone;

/// Records of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub records: Vec<(RecordId, Shown)>,
    /// Whether these are all there are. A listing with an unreadable row, or one that GHL cut off, proves no absence.
    pub complete: bool,
    pub unreadable: Vec<UnreadableRow>,
}

pub(crate) fn list(body: Value, kind: RecordKind, zone: &Zone) -> Result<Listed, String> {
    let mut body = object(body)?;
    let rows = match body.remove(plural(kind)) {
        Some(Value::Array(rows)) => Some(rows),
        Some(Value::Null) | None => None,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            return Err(format!("{} is not a list", plural(kind)));
        }
    };
    let mut listed =
        Listed { records: Vec::new(), complete: rows.is_some() && !flag(&body, "hasMore").unwrap_or(false), unreadable: Vec::new() };
    for (place, row) in rows.iter().flatten().enumerate() {
        match identified(row, place, None) {
            // GHL shows some deleted records in lists and says so.
            Ok((fields, _)) if flag(fields, "deleted").unwrap_or(false) => {}
            Ok((fields, id)) => listed.records.push((id, shown(fields, of_contact(kind), zone))),
            Err(unreadable) => listed.unreadable.push(unreadable),
        }
    }
    listed.complete &= listed.unreadable.is_empty();
    Ok(listed)
}
