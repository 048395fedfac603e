//! What each operation takes as its body and what it answers.

use serde_json::{Map, Value, json};

use crate::api::routes::Route;

pub(super) fn body(route: Route) -> Option<String> {
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

pub(super) fn answers(route: Route) -> Value {
    let json = |about: &str, schema: String| {
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        json!({"description": about, "content": {"application/json": {"schema": schema}}})
    };
    let refused = |name: &str| json!({"$ref": format!("#/components/responses/{name}")});
    let (good, about, schema) = success(route);
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

/// The status of the usual answer, what it means and the name of its schema; empty where it has no body.
fn success(route: Route) -> (&'static str, &'static str, String) {
    match route {
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
    }
}

pub(super) fn responses() -> Value {
    let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}});
    let retry_after = json!({"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}});
    json!({
        "Refused": {"description": "Nothing changed; the code says why.", "content": content},
        "Later": {"description": "Overloaded, paused or without its database: try again later.", "headers": {"Retry-After": retry_after}, "content": content},
    })
}
