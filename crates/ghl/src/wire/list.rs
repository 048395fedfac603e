//! The records of one contact.

use domain::{Record, RecordId, RecordKind};
use serde_json::Value;

use super::fields::{ID, first_text, flag, object, plural};
use super::record::record;
use crate::Zone;

/// Records of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub records: Vec<(RecordId, Record)>,
    /// Whether these are all there are. A listing with an unreadable row, or one that GHL cut off, proves no absence.
    pub complete: bool,
    /// Rows without a usable id.
    pub unreadable: usize,
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
