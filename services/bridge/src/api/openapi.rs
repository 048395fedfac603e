//! The OpenAPI document, made from the table of routes and the table of fields.

use std::sync::Arc;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::{MethodRouter, get};
use serde_json::{Map, Value, json};

use super::routes::{Route, routes};
use super::schemas::schemas;
use crate::app::App;
use crate::config::Limits;
use crate::object::Kind;

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

fn operation_id(route: Route) -> String {
    let one = |verb: &str, kind: Kind| format!("{verb}_{}", kind.as_str());
    match route {
        Route::ListWorkspaces => "list_workspaces".to_owned(),
        Route::PutWorkspace => "put_workspace".to_owned(),
        Route::GetWorkspace => "get_workspace".to_owned(),
        Route::RetireWorkspace => "retire_workspace".to_owned(),
        Route::ListDigests => "list_digests".to_owned(),
        Route::EraseContact => "erase_contact".to_owned(),
        Route::Outdate => "outdate".to_owned(),
        Route::ListAliases => "list_aliases".to_owned(),
        Route::PutAlias => "put_alias".to_owned(),
        Route::GetAlias => "get_alias".to_owned(),
        Route::RemoveAlias => "remove_alias".to_owned(),
        Route::WriteBatch => "write_batch".to_owned(),
        Route::GetDigest => "get_digest".to_owned(),
        Route::ListChanges => "list_changes".to_owned(),
        Route::GetContactDigest => "get_contact_digest".to_owned(),
        Route::ListAllObjects => "list_objects".to_owned(),
        Route::ListObjects(kind) => format!("list_{}", kind.plural()),
        Route::PutObject(kind) => one("put", kind),
        Route::GetObject(kind) => one("get", kind),
        Route::RemoveObject(kind) => one("remove", kind),
    }
}

fn summary(route: Route) -> String {
    match route {
        Route::ListWorkspaces => "List the workspaces".to_owned(),
        Route::PutWorkspace => "Create a workspace; does nothing when it is there".to_owned(),
        Route::GetWorkspace => "Read the head of a workspace".to_owned(),
        Route::RetireWorkspace => {
            "Remove a workspace with everything in it: it disappears at once, its rows go in batches; repeating it goes on".to_owned()
        }
        Route::ListDigests => {
            "List the digests of the contacts that have mirrored objects, in the order of their keys (as bytes)".to_owned()
        }
        Route::EraseContact => {
            "Forget what is about a contact: contents, titles, digests and remembered answers. Keys and positions stay, as tombstones; \
             nothing about the contact that is not newer than the revision is taken any more"
                .to_owned()
        }
        Route::Outdate => {
            "Take objects for older than any write: of those whose stored revision is newer than the one given beside their key, those \
             for which it is the one given as stored; the others are listed and left as they are. For what was written here with a \
             revision that no source ever gave"
                .to_owned()
        }
        Route::ListAliases => "List the aliases".to_owned(),
        Route::PutAlias => "Point an alias at a workspace, in one step for everybody who reads by it".to_owned(),
        Route::GetAlias => "Read where an alias points".to_owned(),
        Route::RemoveAlias => "Remove an alias; does nothing when it is not there".to_owned(),
        Route::WriteBatch => "Write many objects in one transaction, each judged by itself".to_owned(),
        Route::GetDigest => {
            "Read the digest of all mirrored objects: SHA-256 over the contacts' digests (32 bytes each) in the order of their keys"
                .to_owned()
        }
        Route::ListChanges => "Read the feed of changes, whose positions have no gaps".to_owned(),
        Route::GetContactDigest => {
            "Read a contact's digest: SHA-256 over the digests (32 bytes each) of its mirrored objects in the order of their keys"
                .to_owned()
        }
        Route::ListAllObjects => "List objects of every kind in the order of their contacts' keys and then of their own".to_owned(),
        Route::ListObjects(kind) => format!("List {} in the order of their keys", kind.plural()),
        Route::PutObject(kind) => format!("Write {}", kind.article()),
        Route::GetObject(kind) => format!("Read {}", kind.article()),
        Route::RemoveObject(kind) => format!("Remove {}; its revision is remembered, so that nothing older brings it back", kind.article()),
    }
}

fn tag(route: Route) -> &'static str {
    match route {
        Route::ListObjects(kind) | Route::PutObject(kind) | Route::GetObject(kind) | Route::RemoveObject(kind) => kind.plural(),
        Route::GetContactDigest | Route::EraseContact => Kind::Contact.plural(),
        Route::ListAliases | Route::PutAlias | Route::GetAlias | Route::RemoveAlias => "aliases",
        Route::ListWorkspaces
        | Route::PutWorkspace
        | Route::GetWorkspace
        | Route::WriteBatch
        | Route::GetDigest
        | Route::ListChanges
        | Route::RetireWorkspace
        | Route::ListDigests
        | Route::Outdate
        | Route::ListAllObjects => "workspaces",
    }
}

fn parameters(route: Route, limits: &Limits) -> Vec<Value> {
    let text = |place: &str, name: &str, bytes_max: usize, required: bool| json!({"in": place, "name": name, "required": required, "schema": {"type": "string", "minLength": 1, "maxLength": bytes_max}});
    let number = |name: &str, required: bool, minimum: u32, maximum: u64| json!({"in": "query", "name": name, "required": required, "schema": {"type": "integer", "minimum": minimum, "maximum": maximum}});
    let workspace = text("path", "workspace", limits.workspace_bytes_max, true);
    let key = text("path", "key", limits.key_bytes_max, true);
    let about = "The next_cursor of the page before; empty or left out for the first page.";
    let cursor = json!({"in": "query", "name": "cursor", "schema": {"type": "string", "description": about}});
    let limit = number("limit", false, 1, limits.page_items_max.get().into());
    let once = text("header", "Idempotency-Key", limits.idempotency_key_bytes_max, false);
    match route {
        Route::ListWorkspaces | Route::ListAliases => vec![cursor, limit],
        Route::PutAlias | Route::GetAlias | Route::RemoveAlias => vec![text("path", "alias", limits.workspace_bytes_max, true)],
        Route::ListDigests => vec![workspace, cursor, limit],
        Route::PutWorkspace | Route::GetWorkspace | Route::RetireWorkspace | Route::WriteBatch | Route::Outdate | Route::GetDigest => {
            vec![workspace]
        }
        Route::ListChanges => vec![workspace, number("after", false, 0, i64::MAX.cast_unsigned()), limit],
        Route::ListAllObjects | Route::ListObjects(_) => {
            vec![workspace, cursor, limit, text("query", "contact", limits.key_bytes_max, false)]
        }
        Route::GetContactDigest | Route::EraseContact | Route::GetObject(_) => vec![workspace, key],
        Route::PutObject(_) => vec![workspace, key, once],
        Route::RemoveObject(_) => {
            let epoch = number("epoch", true, 0, u32::MAX.into());
            vec![workspace, key, epoch, number("seq", true, 0, i64::MAX.cast_unsigned()), once]
        }
    }
}

fn body(route: Route) -> Option<String> {
    match route {
        Route::WriteBatch => Some("Batch".to_owned()),
        Route::EraseContact => Some("Erasure".to_owned()),
        Route::Outdate => Some("Ages".to_owned()),
        Route::PutAlias => Some("Target".to_owned()),
        Route::PutObject(kind) => Some(format!("{}Write", kind.schema())),
        Route::ListWorkspaces
        | Route::PutWorkspace
        | Route::GetWorkspace
        | Route::RetireWorkspace
        | Route::ListDigests
        | Route::ListAliases
        | Route::GetAlias
        | Route::RemoveAlias
        | Route::GetDigest
        | Route::ListChanges
        | Route::GetContactDigest
        | Route::ListAllObjects
        | Route::ListObjects(_)
        | Route::GetObject(_)
        | Route::RemoveObject(_) => None,
    }
}

fn answers(route: Route) -> Value {
    let json = |about: &str, schema: String| {
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        json!({"description": about, "content": {"application/json": {"schema": schema}}})
    };
    let refused = |name: &str| json!({"$ref": format!("#/components/responses/{name}")});
    let (good, about, schema) = match route {
        Route::ListWorkspaces => ("200", "A page of workspaces.", "Workspaces".to_owned()),
        Route::PutWorkspace | Route::GetWorkspace => ("200", "The workspace.", "Workspace".to_owned()),
        Route::RetireWorkspace => ("200", "Everything of it is gone.", "Retired".to_owned()),
        Route::ListDigests => ("200", "A page of digests.", "ContactDigests".to_owned()),
        Route::EraseContact => ("200", "How many objects there were.", "Erased".to_owned()),
        Route::Outdate => ("200", "How many objects and tombstones are concerned.", "Outdated".to_owned()),
        Route::ListAliases => ("200", "A page of aliases.", "Aliases".to_owned()),
        Route::PutAlias | Route::GetAlias => ("200", "Where it points.", "Alias".to_owned()),
        Route::RemoveAlias => ("204", "It is not there any more.", String::new()),
        Route::WriteBatch => ("200", "What each item came to, in the order of the items.", "Results".to_owned()),
        Route::GetDigest => ("200", "The root.", "Root".to_owned()),
        Route::ListChanges => ("200", "A page of the feed.", "Changes".to_owned()),
        Route::GetContactDigest => ("200", "The digest.", "ContactDigest".to_owned()),
        Route::ListAllObjects => ("200", "A page of objects.", "ObjectList".to_owned()),
        Route::ListObjects(kind) => ("200", "A page of objects.", format!("{}List", kind.schema())),
        Route::GetObject(kind) => ("200", "The object.", kind.schema().to_owned()),
        Route::PutObject(_) | Route::RemoveObject(_) => {
            ("200", "It is so now, was so already, or is the user's and was kept.", "Result".to_owned())
        }
    };
    let mut answers = Map::new();
    answers.insert(good.to_owned(), if schema.is_empty() { json!({"description": about}) } else { json(about, schema) });
    match route {
        Route::PutWorkspace => drop(answers.insert("201".to_owned(), json("The workspace, which is new.", "Workspace".to_owned()))),
        Route::PutObject(_) => drop(answers.insert("201".to_owned(), json("It is there now.", "Result".to_owned()))),
        Route::ListChanges => drop(answers.insert("410".to_owned(), refused("Refused"))),
        Route::RetireWorkspace => {
            answers.insert("202".to_owned(), json("Nobody sees it any more; the rest of its rows is being removed.", "Retired".to_owned()));
            drop(answers.insert("409".to_owned(), refused("Refused")));
        }
        Route::ListWorkspaces
        | Route::ListDigests
        | Route::EraseContact
        | Route::Outdate
        | Route::ListAliases
        | Route::PutAlias
        | Route::GetAlias
        | Route::RemoveAlias
        | Route::GetWorkspace
        | Route::WriteBatch
        | Route::GetDigest
        | Route::GetContactDigest
        | Route::ListAllObjects
        | Route::ListObjects(_)
        | Route::GetObject(_)
        | Route::RemoveObject(_) => {}
    }
    if matches!(route, Route::PutObject(_) | Route::RemoveObject(_)) {
        answers.insert("409".to_owned(), json("Something newer is stored; nothing changed.", "Result".to_owned()));
        answers.insert(
            "422".to_owned(),
            json("Not understood, or the key belongs to another kind; nothing changed.", "ResultOrError".to_owned()),
        );
    }
    if !matches!(route, Route::ListWorkspaces | Route::PutWorkspace | Route::ListAliases | Route::RemoveAlias) {
        answers.insert("404".to_owned(), refused("Refused"));
    }
    if body(route).is_some() {
        answers.insert("413".to_owned(), refused("Refused"));
    }
    for status in ["400", "401", "403", "422"] {
        answers.entry(status).or_insert_with(|| refused("Refused"));
    }
    answers.insert("503".to_owned(), refused("Later"));
    Value::Object(answers)
}

fn responses() -> Value {
    let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}});
    let retry_after = json!({"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}});
    json!({
        "Refused": {"description": "Nothing changed; the code says why.", "content": content},
        "Later": {"description": "Overloaded, paused or without its database: try again later.", "headers": {"Retry-After": retry_after}, "content": content},
    })
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
