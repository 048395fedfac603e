use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use domain::{ContactContent, ContactId, Content, EventId, LocationId, ObjectKind, Policy, Rules};
use secrecy::SecretString;
use serde_json::{Value, json};
use settings::Period;

use super::*;
use crate::Settings;

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
    let settings = Settings {
        url,
        key: SecretString::from("k".to_owned()),
        key_file: None,
        connect_timeout: Period::from_secs(5),
        request_timeout: Period::from_secs(5),
        answer_bytes_max: 1_000_usize.try_into().unwrap(),
        items_max: 500_usize.try_into().unwrap(),
        body_bytes_max: 1_000_000_usize.try_into().unwrap(),
        page_items: 500_u32.try_into().unwrap(),
    };
    (Bridge::new(settings).unwrap(), asked)
}

fn intent(action: Action) -> Intent {
    Intent {
        location_id: LocationId::new("loc").unwrap(),
        workspace: Workspace::new("loc").unwrap(),
        edition: 0,
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
    assert_eq!(answers[1].error.as_ref().unwrap().safe_code(), "invalid_content");

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

#[tokio::test]
async fn an_answer_of_something_else_is_not_trusted() {
    let written = async |status: u16, body: &str| {
        let (bridge, _) = bridge(status, &[], body).await;
        bridge.write(&workspace(), &[b"{}"]).await.unwrap_err()
    };
    assert_eq!(written(200, "<html>welcome</html>").await, Error::UnexpectedAnswer { status: 200 });
    assert_eq!(written(200, r#"{"results":[]}"#).await, Error::UnexpectedAnswer { status: 200 });
    assert_eq!(written(200, &" ".repeat(2_000)).await, Error::UnexpectedAnswer { status: 200 });
    assert_eq!(written(307, "").await, Error::UnexpectedAnswer { status: 307 });
}

#[tokio::test]
async fn a_bridge_that_is_away_is_unavailable() {
    let (limited, _) = bridge(429, &[("retry-after", "3")], "").await;
    let (bridge, _) = bridge(200, &[], "").await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = Settings { url: format!("http://{free}").parse().unwrap(), ..bridge.settings().clone() };
    let bridge = Bridge::new(settings).unwrap();
    assert_eq!(bridge.write(&workspace(), &[b"{}"]).await.unwrap_err(), Error::Unavailable { status: None, retry_after: None });
    let error = limited.write(&workspace(), &[b"{}"]).await.unwrap_err();
    assert_eq!(error, Error::Unavailable { status: Some(429), retry_after: Some(Duration::from_secs(3)) });
}
