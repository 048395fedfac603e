//! Rows of lists that are no records.

use domain::{LocationId, RecordId};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::fields::{Fields, ID, as_text, first_text, text};

/// A row that is no record, told without its content: it is left alone, and all others are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRow {
    /// Its place in the answer, from 0.
    pub place: usize,
    /// The same whenever this row is met: its id, or a hash where it has none that can be told.
    pub key: String,
    pub why: &'static str,
}

/// The fields of a row and its id, as the id of any kind of record.
pub(super) fn identified<'r>(
    row: &'r Value,
    place: usize,
    location_id: Option<&LocationId>,
) -> Result<(&'r Fields, RecordId), UnreadableRow> {
    let unreadable = |why| UnreadableRow { place, key: key(row), why };
    let fields = row.as_object().ok_or_else(|| unreadable("it is not an object"))?;
    if location_id.is_some_and(|here| text(fields, "locationId").is_some_and(|of| of != here.as_str())) {
        return Err(unreadable("it is of another location"));
    }
    let id = first_text(fields, ID).ok_or_else(|| unreadable("it has no id"))?;
    let id = RecordId::new(id).map_err(|_| unreadable("its id cannot be one"))?;
    Ok((fields, id))
}

/// How much of a hash tells rows apart.
const HASH_BYTES: usize = 8;

fn key(row: &Value) -> String {
    let is_plain = |id: &str| id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let id = ID.iter().find_map(|key| row.get(*key)).and_then(|id| as_text(id).ok().flatten()).filter(|id| is_plain(id));
    id.unwrap_or_else(|| {
        let hash = Sha256::digest(row.to_string());
        hash.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
    })
}
