//! Single fields, whichever way they are spelled and whatever type they have.

use domain::{Moment, RecordKind};
use serde_json::{Map, Value};

use crate::{Zone, time};

pub(super) type Fields = Map<String, Value>;

pub(super) const ID: &[&str] = &["id", "_id"];

pub(super) fn plural(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Contact => "contacts",
        RecordKind::Task => "tasks",
        RecordKind::Note => "notes",
        RecordKind::Appointment => "events",
    }
}

pub(crate) fn count(body: &Value) -> Option<u64> {
    body.get("total").or_else(|| body.get("count")).and_then(Value::as_u64)
}

/// The content of an envelope, or the body itself where the envelope is missing.
pub(super) fn unwrap(mut body: Value, envelope: &str) -> Value {
    match body.get_mut(envelope) {
        Some(inner) if inner.is_object() => inner.take(),
        Some(_) | None => body,
    }
}

pub(super) fn object(body: Value) -> Result<Fields, String> {
    match body {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err("not an object".to_owned()),
    }
}

/// Text, also from a number or a truth value. Empty text counts as missing; lists and objects are not text.
pub(super) fn text(fields: &Fields, key: &str) -> Option<String> {
    match fields.get(key)? {
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(super) fn first_text(fields: &Fields, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| text(fields, key))
}

/// An id, alone, first of several or inside an object.
pub(super) fn reference(fields: &Fields, key: &str) -> Option<String> {
    match fields.get(key)? {
        Value::Object(inner) => first_text(inner, ID),
        Value::Array(several) => several.first().and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text(fields, key),
    }
}

pub(super) fn flag(fields: &Fields, key: &str) -> Option<bool> {
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

pub(super) fn moment(fields: &Fields, key: &str, zone: &Zone) -> Option<Moment> {
    fields.get(key).and_then(|value| time::moment(value, zone))
}
