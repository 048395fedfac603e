//! A record field by field, as changes name them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{FieldChange, Record};

/// The content of a record by field, dotted where a part of a field counts by itself (`custom_fields.<id>`). What is null is left out.
pub type Fields = BTreeMap<String, Value>;

/// The field whose parts count one by one.
const BY_PART: &str = "custom_fields";

/// Says what kind of record it is, which is no content.
const KIND: &str = "kind";

/// A record as it is written: fields within fields.
pub(crate) fn written(record: &Record) -> Map<String, Value> {
    match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

pub(crate) fn fields(record: &Record) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in written(record) {
        if name == BY_PART
            && let Value::Object(parts) = value
        {
            fields.extend(parts.into_iter().map(|(part, value)| (format!("{name}.{part}"), value)));
        } else if name != KIND {
            fields.insert(name, value);
        }
    }
    fields.retain(|_, value| !value.is_null());
    fields
}

/// What differs, by name of the field.
pub(crate) fn changes(before: &Fields, after: &Fields) -> Vec<FieldChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |fields: &Fields, name: &String| fields.get(name).cloned().unwrap_or_default();
    let differs = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differs.map(|name| FieldChange { field: name.clone(), before: value(before, name), after: value(after, name) }).collect()
}

/// Whether a question about `asked` is one about `field`: the field itself, or a part of what was asked for.
pub fn field_within(field: &str, asked: &str) -> bool {
    field.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The id of the custom field that a field is, where it is one.
pub fn custom_field(field: &str) -> Option<&str> {
    field.strip_prefix(BY_PART)?.strip_prefix('.')
}
