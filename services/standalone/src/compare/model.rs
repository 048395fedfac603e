//! What is compared: what GHL holds, what the workspace holds, and how they differ.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// What GHL holds, as its API words it, each record with its `id` and `contactId`.
#[derive(Debug, Default)]
pub struct Truth {
    pub contacts: Vec<Value>,
    pub tasks: Vec<Value>,
    pub notes: Vec<Value>,
    pub appointments: Vec<Value>,
    pub names: Names,
    /// IANA name of the location's zone.
    pub time_zone: String,
}

/// Names by id.
#[derive(Debug, Default)]
pub struct Names {
    pub users: BTreeMap<String, String>,
    pub custom_fields: BTreeMap<String, String>,
    pub calendars: BTreeMap<String, String>,
}

/// An object as the bridge serves it.
#[derive(Clone, Debug, Deserialize)]
pub struct Object {
    pub kind: String,
    pub key: String,
    pub contact: String,
    pub content: Value,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub key: String,
    pub problem: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

/// A text field of a record, trimmed; none where it is empty.
pub(super) fn text_of<'a>(record: &'a Value, field: &str) -> Option<&'a str> {
    record.get(field).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}
