//! The OpenAPI document, made from the table of routes and the table of fields.

mod bodies;
mod names;
mod parameters;

use std::sync::Arc;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::{MethodRouter, get};
use serde_json::{Map, Value, json};

use self::bodies::{answers, body, responses};
use self::names::{operation_id, summary, tag};
use self::parameters::parameters;
use super::routes::{Route, routes};
use super::schemas::schemas;
use crate::app::App;
use crate::config::Limits;

const ABOUT: &str = "A Pagico workspace behind HTTP. Writes carry the revision that caused them: an older one changes nothing, so \
    requests may be repeated, delayed and reordered. Keys in paths are percent-encoded. Reads may name a workspace by an alias: \
    @ALIAS in the place of the workspace.";

pub(super) fn served(document: String) -> MethodRouter<Arc<App>> {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")];
    get(move || {
        let document = document.clone();
        async move { (headers, document) }
    })
}

pub(super) fn document(limits: &Limits) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let operations = paths.entry(route.path()).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(route.method().to_owned(), operation(route, limits));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "pagico-mirror bridge", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key. Reading needs the scope read, everything else write."}},
            "schemas": schemas(limits),
            "responses": responses(),
        },
    })
}

fn operation(route: Route, limits: &Limits) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": summary(route),
        "tags": [tag(route)],
        "parameters": parameters(route, limits),
        "responses": answers(route),
    });
    if let (Some(operation), Some(body)) = (operation.as_object_mut(), body(route)) {
        let content = json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{body}")}}});
        operation.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    operation
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn made() -> Value {
        document(&crate::config::test_limits())
    }

    #[test]
    fn every_route_is_documented_once_and_nothing_else_is() {
        let document = made();
        let documented: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, operations)| operations.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone())))
            .collect();
        let routed: BTreeSet<(String, String)> = routes().into_iter().map(|route| (route.path(), route.method().to_owned())).collect();
        assert_eq!(documented, routed);
        assert_eq!(routed.len(), routes().len());
    }

    #[test]
    fn operation_ids_are_unique_and_path_parameters_complete() {
        let document = made();
        let mut ids = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for operation in operations.as_object().unwrap().values() {
                assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()));
                let parameters = operation["parameters"].as_array().unwrap();
                let named =
                    parameters.iter().filter(|parameter| parameter["in"] == "path").map(|parameter| parameter["name"].as_str().unwrap());
                let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
                assert_eq!(named.collect::<Vec<_>>(), in_path.collect::<Vec<_>>(), "{path}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str));
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = made();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50);
        for reference in found {
            assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
        }
    }
}
