//! A bridge as small as can be: the contract's promises over a map, and faults on demand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use domain::Revision;
use serde_json::{Value, json};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Status(u16),
    /// It writes, and the answer is lost.
    AnswerLost,
}

#[derive(Default)]
pub(crate) struct Held {
    pub(crate) workspaces: BTreeMap<String, BTreeMap<String, Object>>,
    pub(crate) faults: VecDeque<Fault>,
    /// Items with these keys are answered 422.
    pub(crate) refused: BTreeSet<String>,
    /// A request that holds one of these keys is answered 400 as a whole.
    pub(crate) poison: BTreeSet<String>,
    pub(crate) requests: usize,
    /// Items that changed something.
    pub(crate) writes: usize,
    pub(crate) traceparents: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) revision: Revision,
    /// None is a tombstone.
    pub(crate) content: Option<Value>,
}

#[derive(Clone, Default)]
pub(crate) struct Bridge(Arc<Mutex<Held>>);

impl Bridge {
    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }

    /// Serves on a port of its own until the runtime ends; gives its address.
    pub(crate) async fn serve(&self) -> String {
        let app = Router::new()
            .route("/v1/workspaces/{workspace}", put(create))
            .route("/v1/workspaces/{workspace}/batch", post(batch))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, app).into_future());
        url
    }

    pub(crate) fn requests(&self) -> usize {
        self.held().requests
    }

    /// What is there: title or name by key.
    pub(crate) fn holds(&self, workspace: &str) -> BTreeMap<String, String> {
        let held = self.held();
        let objects = held.workspaces.get(workspace).into_iter().flatten();
        let title = |content: &Value| content["title"].as_str().or_else(|| content["name"].as_str()).unwrap_or_default().to_owned();
        objects.filter_map(|(key, object)| Some((key.clone(), title(object.content.as_ref()?)))).collect()
    }
}

fn refused(status: u16, code: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({"error": {"code": code, "message": "…"}}))).into_response()
}

async fn create(State(bridge): State<Bridge>, Path(workspace): Path<String>) -> Response {
    bridge.held().workspaces.entry(workspace.clone()).or_default();
    (StatusCode::CREATED, Json(json!({"workspace": workspace}))).into_response()
}

async fn batch(State(bridge): State<Bridge>, Path(workspace): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers[header::AUTHORIZATION], "Bearer key of the writer");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let items = body["items"].as_array().unwrap();
    let mut held = bridge.held();
    held.requests += 1;
    let fault = held.faults.pop_front();
    if let Some(Fault::Status(status)) = fault {
        return ([(header::RETRY_AFTER, "0")], refused(status, "fault")).into_response();
    }
    if items.iter().any(|item| held.poison.contains(item["key"].as_str().unwrap())) {
        return refused(400, "poisoned");
    }
    if !held.workspaces.contains_key(&workspace) {
        return refused(404, "workspace_unknown");
    }
    let results: Vec<Value> = items.iter().map(|item| apply(&mut held, &workspace, item)).collect();
    match fault {
        Some(Fault::AnswerLost) => refused(504, "answer_lost"),
        Some(Fault::Status(_)) | None => Json(json!({"results": results})).into_response(),
    }
}

fn apply(held: &mut Held, workspace: &str, item: &Value) -> Value {
    let key = item["key"].as_str().unwrap().to_owned();
    let answer = |status: u16, outcome: &str| json!({"key": key, "status": status, "outcome": outcome});
    if held.refused.contains(&key) {
        return json!({"key": key, "status": 422, "outcome": "invalid", "error": {"code": "invalid_content", "message": "…"}});
    }
    held.traceparents.extend(item["traceparent"].as_str().map(str::to_owned));
    let revision: Revision = serde_json::from_value(item["revision"].clone()).unwrap();
    let content = item.get("content").cloned();
    let objects = held.workspaces.get_mut(workspace).unwrap();
    let new = Object { revision, content };
    let answer = match objects.get(&key) {
        Some(old) if revision < old.revision => return answer(409, "stale"),
        Some(_) if item["policy"] == "once" => return answer(200, "kept"),
        Some(old) if *old == new => return answer(200, "unchanged"),
        Some(_) if new.content.is_some() => answer(200, "updated"),
        Some(_) => answer(200, "removed"),
        None if new.content.is_some() => answer(201, "created"),
        None => answer(200, "absent"),
    };
    objects.insert(key, new);
    held.writes += 1;
    answer
}
