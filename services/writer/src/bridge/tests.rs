use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::response::IntoResponse;
use domain::{ContactContent, ContactId, EventId, LocationId, ObjectKind, Policy, Rules};
use serde_json::{Value, json};

use super::*;

type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A bridge that gives the same answer to everything and remembers what it was asked.
async fn bridge(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> (Bridge, Asked) {
    let asked = Asked::default();
    let answer = (StatusCode::from_u16(status).unwrap(), headers.to_vec(), body.to_owned());
    let app = Router::new().fallback(async move |State(asked): State<Asked>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let authorization = headers[AUTHORIZATION].to_str().unwrap().to_owned();
        let body = serde_json::from_slice(&body).unwrap();
        asked.lock().unwrap().push((format!("{method} {uri} {authorization}"), body));
        let (status, headers, body) = answer.clone();
        (status, axum::response::AppendHeaders(headers), body).into_response()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/pagico/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(axum::serve(listener, app.with_state(Arc::clone(&asked))).into_future());
    let settings = BridgeSettings {
        url,
        key: SecretString::from("k".to_owned()),
        key_file: None,
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(5),
        answer_bytes_max: 1_000,
        items_max: 500,
        body_bytes_max: 1_000_000,
    };
    (Bridge::new(settings.clone(), &settings.key).unwrap(), asked)
}

fn intent(action: Action) -> Intent {
    Intent {
        location_id: LocationId::new("loc").unwrap(),
        contact_id: ContactId::new("a/b").unwrap(),
        kind: ObjectKind::Contact,
        object: ObjectKey::from("ghl:contact/a/b".to_owned()),
        revision: Revision { epoch: 1, seq: 42 },
        policy: Policy::Mirror,
        rules: Rules::builtin().unwrap().revision().clone(),
        event_id: EventId(uuid()),
        action,
    }
}

fn uuid() -> uuid::Uuid {
    uuid::Uuid::from_u128(7)
}

fn put() -> Intent {
    intent(Action::Put(Box::new(Content::Contact(ContactContent { name: "Ann".to_owned(), ..ContactContent::default() }))))
}

fn workspace() -> Workspace {
    Workspace::new("a b/../é?*").unwrap()
}

#[tokio::test]
async fn a_batch_goes_out_as_the_contract_says_and_is_answered_item_by_item() {
    let answers = json!({"results": [
        {"key": "ghl:contact/a/b", "status": 201, "outcome": "created", "revision": {"epoch": 1, "seq": 42}, "digest": "00"},
        {"key": "ghl:contact/a/b", "status": 422, "outcome": "invalid", "error": {"code": "invalid_content", "message": "name is empty"}},
    ]});
    let (bridge, asked) = bridge(200, &[], &answers.to_string()).await;
    let items = [item(&put(), Some("00-01-02-01")).unwrap(), item(&intent(Action::Remove), None).unwrap()];
    let answers = bridge.write(&workspace(), &[&items[0], &items[1]]).await.unwrap();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [201, 422]);
    assert_eq!(answers[1].error.as_ref().unwrap().word(), "invalid_content");

    let (to, body) = asked.lock().unwrap().pop().unwrap();
    assert_eq!(to, "POST /pagico/v1/workspaces/a%20b%2F..%2F%C3%A9%3F*/batch Bearer k");
    let revision = json!({"epoch": 1, "seq": 42});
    let idempotency_key = "00000000-0000-0000-0000-000000000007/ghl:contact/a/b";
    assert_eq!(
        body,
        json!({"items": [
            {"op": "put", "kind": "contact", "key": "ghl:contact/a/b", "contact": "ghl:contact/a/b", "revision": revision, "policy": "mirror",
             "content": {"name": "Ann"}, "idempotency_key": idempotency_key, "traceparent": "00-01-02-01"},
            {"op": "remove", "kind": "contact", "key": "ghl:contact/a/b", "contact": "ghl:contact/a/b", "revision": revision,
             "idempotency_key": idempotency_key},
        ]})
    );
}

#[tokio::test]
async fn a_workspace_is_created_by_its_name() {
    let (bridge, asked) = bridge(201, &[], "{}").await;
    bridge.create(&workspace()).await.unwrap();
    assert_eq!(asked.lock().unwrap()[0].0, "PUT /pagico/v1/workspaces/a%20b%2F..%2F%C3%A9%3F* Bearer k");
}

#[track_caller]
fn fails(status: u16, body: &str, as_: &Error) {
    let status = StatusCode::from_u16(status).unwrap();
    assert_eq!(failure(status, &HeaderMap::new(), body.as_bytes(), Timestamp::UNIX_EPOCH), *as_);
}

#[test]
fn failures_are_told_apart_by_what_is_to_be_done() {
    let error = |code: &str| json!({"error": {"code": code, "message": "Ann"}}).to_string();
    for status in [500, 502, 503, 408, 429] {
        fails(status, "busy", &Error::Unavailable { status: Some(status), retry_after: None });
    }
    fails(401, "", &Error::Unauthorized { status: 401 });
    fails(403, &error("scope"), &Error::Unauthorized { status: 403 });
    fails(404, &error("workspace_unknown"), &Error::WorkspaceUnknown);
    fails(404, "<html>", &Error::Foreign { status: 404 });
    fails(405, "", &Error::Foreign { status: 405 });
    fails(302, "", &Error::Foreign { status: 302 });
    fails(413, "", &Error::Refused { status: 413, code: "refused".to_owned() });
    fails(400, &error("too_many_items"), &Error::Refused { status: 400, code: "too_many_items".to_owned() });
    fails(400, &error("Ann said: no"), &Error::Refused { status: 400, code: "refused".to_owned() });
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now: Timestamp = "2026-11-24T04:00:00Z".parse().unwrap();
    let after = |text: &'static str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]), now);
    assert_eq!(after("7"), Some(Duration::from_secs(7)));
    assert_eq!(after("Tue, 24 Nov 2026 04:01:00 GMT"), Some(Duration::from_secs(60)));
    assert_eq!(after("Tue, 24 Nov 2026 03:00:00 GMT"), None);
    assert_eq!(after("soon"), None);
}

#[tokio::test]
async fn what_answers_like_something_else_is_not_believed() {
    let written = async |status: u16, body: &str| {
        let (bridge, _) = bridge(status, &[], body).await;
        bridge.write(&workspace(), &[b"{}"]).await.unwrap_err()
    };
    assert_eq!(written(200, "<html>welcome</html>").await, Error::Foreign { status: 200 });
    assert_eq!(written(200, r#"{"results":[]}"#).await, Error::Foreign { status: 200 });
    assert_eq!(written(200, &" ".repeat(2_000)).await, Error::Foreign { status: 200 });
    assert_eq!(written(307, "").await, Error::Foreign { status: 307 });
}

#[tokio::test]
async fn a_bridge_that_is_away_is_unavailable() {
    let (limited, _) = bridge(429, &[("retry-after", "3")], "").await;
    let (mut bridge, _) = bridge(200, &[], "").await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    bridge.settings.url = format!("http://{free}").parse().unwrap();
    assert_eq!(bridge.write(&workspace(), &[b"{}"]).await.unwrap_err(), Error::Unavailable { status: None, retry_after: None });
    let error = limited.write(&workspace(), &[b"{}"]).await.unwrap_err();
    assert_eq!(error, Error::Unavailable { status: Some(429), retry_after: Some(Duration::from_secs(3)) });
}
