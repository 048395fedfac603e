//! A record field by field, as changes name them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{FieldChange, Record};

/// The content of a record by field name. Parts of a field that are compared one by one get a dotted name (`custom_fields.<id>`). Null
/// values are left out.
pub type Fields = BTreeMap<String, Value>;

/// The field whose parts are compared one by one.
const BY_PART: &str = "custom_fields";

/// The kind of the record, which is not part of its content.
const KIND: &str = "kind";

/// A record as it is stored, with nested fields.
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

/// The fields that differ, in the order of their names.
pub(crate) fn changes(before: &Fields, after: &Fields) -> Vec<FieldChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |fields: &Fields, name: &String| fields.get(name).cloned().unwrap_or_default();
    let differs = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differs.map(|name| FieldChange { field: name.clone(), before: value(before, name), after: value(after, name) }).collect()
}

/// Whether `field` is `parent` itself or a part of it.
pub fn field_within(field: &str, parent: &str) -> bool {
    field.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The id of the custom field that a field name stands for, if it does.
pub fn custom_field(field: &str) -> Option<&str> {
    field.strip_prefix(BY_PART)?.strip_prefix('.')
}
