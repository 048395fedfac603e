//! Any call: its address, its headers, its limits, its failures.

use std::sync::Arc;
use std::time::Duration;

use ghl::{CallError, Error, Zone};
use serde_json::json;

use crate::support::{Server, answer, id};

#[tokio::test]
async fn every_call_carries_the_token_and_the_version_of_its_family() {
    let server =
        Server::start(vec![answer(200, &json!({"contact": {"id": "c-1"}, "traceId": "t-9"})), answer(200, &json!({"calendars": []}))])
            .await;
    let contact = server.client().contact(&id("c-1"), &Zone::UNKNOWN).await.unwrap();
    server.client().calendars().await.unwrap();
    assert_eq!(contact.trace_id.as_deref(), Some("t-9"));
    let asked = server.asked();
    assert_eq!(asked[0].line, "GET /contacts/c-1");
    assert_eq!(asked[0].headers["authorization"], "Bearer pit-secret");
    assert_eq!(asked[0].headers["version"], "2021-07-28");
    assert_eq!(asked[1].line, "GET /calendars/?locationId=loc%2F1");
    assert_eq!(asked[1].headers["version"], "2021-04-15");
}

#[tokio::test]
async fn hostile_ids_stay_in_their_place_in_the_path() {
    let server = Server::start(vec![answer(200, &json!({"tasks": []}))]).await;
    let hostile = [
        ("a/b", "a%2Fb"),
        ("a?b", "a%3Fb"),
        ("a#b", "a%23b"),
        ("a b", "a%20b"),
        ("a.b", "a.b"),
        ("../x", "..%2Fx"),
        ("%2e%2e", "%252e%252e"),
        ("a\\b", "a%5Cb"),
        ("é\"*>", "%C3%A9%22*%3E"),
    ];
    let client = server.client();
    for (hostile, _) in hostile {
        client.tasks(&id(hostile), &Zone::UNKNOWN).await.unwrap();
    }
    let lines: Vec<String> = server.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, hostile.map(|(_, path)| format!("GET /contacts/{path}/tasks")));
}

#[tokio::test]
async fn an_id_that_no_url_can_hold_is_refused_without_asking() {
    let server = Server::start(vec![answer(200, &json!({}))]).await;
    for dots in [".", ".."] {
        assert!(matches!(server.client().notes(&id(dots), &Zone::UNKNOWN).await, Err(Error::Refused { status: None, .. })));
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn throttling_pauses_the_whole_location() {
    let server = Server::start(vec![answer(429, &json!({"message": "Too Many Requests"}))]).await;
    let client = server.client();
    let Err(Error::Throttled { retry_after, .. }) = client.contact(&id("c-1"), &Zone::UNKNOWN).await else { panic!("not throttled") };
    assert!(retry_after >= Duration::from_secs(10));
    let next = client.clone().contact(&id("c-2"), &Zone::UNKNOWN).await;
    assert!(matches!(next, Err(Error::Throttled { .. })), "turned away for the pause is longer than calls may wait");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_answer_longer_than_the_limit_is_not_read() {
    let server = Server::start(vec![(200, Vec::new(), vec![b' '; 100_001])]).await;
    assert!(matches!(server.client().notes(&id("c-1"), &Zone::UNKNOWN).await, Err(Error::TooLong)));
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_unreadable_and_is_not_quoted() {
    let server = Server::start(vec![(200, Vec::new(), b"{\"contact\": \"ann@example.com".to_vec())]).await;
    let error = server.client().contact(&id("c-1"), &Zone::UNKNOWN).await.unwrap_err();
    assert_eq!(error.to_string(), "GHL's answer cannot be read: cut short at line 1 column 28");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = Server { base_url: format!("http://{free}"), asked: Arc::default(), calls: Arc::default() };
    let error = server.client().contact(&id("c-1"), &Zone::UNKNOWN).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(*server.calls.lock().unwrap(), [("get-contact".to_owned(), None, None)]);
}

#[tokio::test]
async fn calls_are_told_with_what_is_left_of_the_budget() {
    let headers = vec![("X-RateLimit-Remaining", "97"), ("X-RateLimit-Daily-Remaining", "199000")];
    let server = Server::start(vec![(503, headers, b"{}".to_vec())]).await;
    assert!(server.client().tasks(&id("c-1"), &Zone::UNKNOWN).await.unwrap_err().is_transient());
    assert_eq!(*server.calls.lock().unwrap(), [("list-tasks".to_owned(), Some(503), Some(97))]);
}

#[tokio::test]
async fn any_operation_can_be_called_by_its_name() {
    let server = Server::start(vec![answer(200, &json!({"task": {"id": "t-1"}, "traceId": "t-9"}))]).await;
    let client = server.client();
    let arguments = json!({"contactId": "c-1", "taskId": "t/1", "completed": "true"});
    let answer = client.call("complete-task", arguments.as_object().unwrap()).await.unwrap();
    assert_eq!(answer.value["task"]["id"], "t-1");
    let asked = &server.asked()[0];
    assert_eq!((asked.line.as_str(), &asked.body), ("PUT /contacts/c-1/tasks/t%2F1/completed", &json!({"completed": true})));
    let none = Default::default();
    assert!(matches!(client.call("get-contact", &none).await, Err(CallError::Arguments { .. })));
    assert!(matches!(client.call("list-contacts", &none).await, Err(CallError::SwitchedOff(_))));
    assert!(matches!(client.call("no-such", &none).await, Err(CallError::Unknown(_))));
    assert_eq!(server.asked().len(), 1);
}
