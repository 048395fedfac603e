//! The vendor's OpenAPI files as one, with the places put right where they contradict themselves.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

const FAMILIES: [&str; 6] = ["contacts", "calendars", "locations", "users", "businesses", "oauth"];

/// Writes the files of `v2` or `v3` as one file; gives where it lies.
pub(crate) fn merged(contract: &Path, version: &str) -> PathBuf {
    let suffix = if version == "v3" { "-v3" } else { "" };
    let (mut paths, mut schemas, mut security) = (Map::new(), Map::new(), Map::new());
    add(&contract.join("openapi/common/common-schemas.json"), "common", &mut paths, &mut schemas, &mut security);
    for family in FAMILIES {
        let file = contract.join(format!("openapi/{version}/{family}{suffix}.json"));
        add(&file, family, &mut paths, &mut schemas, &mut security);
    }
    correct(&mut schemas);
    let whole = json!({
        "openapi": "3.0.0", "info": {"title": version, "version": "1"}, "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": security}
    });
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{version}-{}.json", std::process::id()));
    std::fs::write(&file, whole.to_string()).unwrap();
    file
}

fn add(file: &Path, family: &str, paths: &mut Map<String, Value>, schemas: &mut Map<String, Value>, security: &mut Map<String, Value>) {
    let mut part: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    refer(&mut part, family);
    let take = |part: &mut Value, pointer: &str| match part.pointer_mut(pointer).map(Value::take) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    paths.extend(take(&mut part, "/paths"));
    schemas.extend(take(&mut part, "/components/schemas").into_iter().map(|(name, schema)| (format!("{family}.{name}"), schema)));
    security.extend(take(&mut part, "/components/securitySchemes"));
}

/// Families have different schemas of the same name, so each name gets its family before it.
fn refer(value: &mut Value, family: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get_mut("$ref") {
                let (file, name) = target.split_once("#/components/schemas/").unwrap();
                let family = if file.is_empty() { family } else { "common" };
                *target = format!("#/components/schemas/{family}.{name}");
            }
            fields.values_mut().for_each(|value| refer(value, family));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| refer(value, family)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn correct(schemas: &mut Map<String, Value>) {
    // Where an example is not of the type beside it, the example is what GHL takes and gives: dates and numbers that are called objects.
    schemas.values_mut().for_each(believe_examples);
    // The vendor's webhook documents say that a custom field's value is text, a number, a list or an object.
    schemas["contacts.CustomFieldSchema"]["properties"]["value"].as_object_mut().unwrap().remove("type");
    // "An array of arrays" of nothing: the shape of these rows is not published.
    schemas["locations.LocationTaskListSuccessfulResponseDto"]["properties"]["tasks"]["items"] = json!({});
}

fn believe_examples(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("type").is_some_and(|kind| kind == "object") && fields.get("example").is_some_and(|example| !example.is_object())
            {
                fields.remove("type");
            }
            fields.values_mut().for_each(believe_examples);
        }
        Value::Array(values) => values.iter_mut().for_each(believe_examples),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
