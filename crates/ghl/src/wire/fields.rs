//! Single fields, whichever way they are spelled and whatever type they have.

use domain::RecordKind;
use serde_json::{Map, Value};

use crate::json::Unreadable;

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

/// Text, also from a number or a truth value. Empty text counts as none; lists and objects are not text.
pub(super) fn as_text(value: &Value) -> Result<Option<String>, Unreadable> {
    match value {
        Value::String(text) => Ok((!text.is_empty()).then(|| text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(truth) => Ok(Some(truth.to_string())),
        Value::Null => Ok(None),
        Value::Array(_) | Value::Object(_) => Err(Unreadable),
    }
}

pub(super) fn text(fields: &Fields, key: &str) -> Option<String> {
    fields.get(key).and_then(|value| as_text(value).unwrap_or_default())
}

pub(super) fn first_text(fields: &Fields, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| text(fields, key))
}

/// An id, alone, first of several or inside an object.
pub(super) fn as_reference(value: &Value) -> Result<Option<String>, Unreadable> {
    match value {
        Value::Object(inner) if inner.is_empty() => Ok(None),
        Value::Object(inner) => first_text(inner, ID).map(Some).ok_or(Unreadable),
        Value::Array(several) => several.first().map_or(Ok(None), as_text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => as_text(value),
    }
}

pub(super) fn as_flag(value: &Value) -> Result<Option<bool>, Unreadable> {
    match value {
        Value::Bool(truth) => Ok(Some(*truth)),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Some(true)),
            "false" | "no" | "0" => Ok(Some(false)),
            "" => Ok(None),
            _ => Err(Unreadable),
        },
        Value::Number(number) => number.as_i64().map(|number| Some(number != 0)).ok_or(Unreadable),
        Value::Null => Ok(None),
        Value::Array(_) | Value::Object(_) => Err(Unreadable),
    }
}

pub(super) fn flag(fields: &Fields, key: &str) -> Option<bool> {
    fields.get(key).and_then(|value| as_flag(value).unwrap_or_default())
}
