//! What is written, and what follows when no answer came.

use std::sync::Arc;

use domain::RecordId;
use ghl::{ContactFields, Error, Match, NewContact, NewTask, Reach, TaskChange, Zone};
use serde_json::json;

use crate::support::{Server, answer, id};

fn reachable() -> NewContact {
    NewContact::new(Reach::Email("ann@example.com".to_owned()))
}

fn task() -> NewTask {
    NewTask { title: "Call".to_owned(), due_at: "2026-09-01T10:00:00Z".parse().unwrap(), done: false, body: None, assigned_to: None }
}

#[tokio::test]
async fn a_contact_is_created_in_the_location_of_the_client() {
    let created = json!({"contact": {"id": "c-9", "locationId": "loc/1", "email": "ann@example.com"}, "traceId": "t-1"});
    let server = Server::start(vec![answer(201, &created)]).await;
    let written = server.client().create_contact(&reachable(), &Zone::UNKNOWN).await.unwrap();
    assert_eq!((written.value.contact_id, written.trace_id.as_deref()), (id("c-9"), Some("t-1")));
    let asked = &server.asked()[0];
    assert_eq!((asked.line.as_str(), &asked.body), ("POST /contacts/", &json!({"email": "ann@example.com", "locationId": "loc/1"})));
}

#[tokio::test]
async fn both_spellings_of_success_are_read_and_a_no_is_a_refusal() {
    let done = [json!({"succeded": true}), json!({"succeeded": true}), json!({"succeeded": true, "succeded": true}), json!({})];
    let server = Server::start(done.iter().map(|body| answer(200, body)).chain([(200, Vec::new(), Vec::new())]).collect()).await;
    for _ in 0..5 {
        server.client().delete_contact(&id("c-1")).await.unwrap();
    }
    assert_eq!(server.asked()[0].line, "DELETE /contacts/c-1");
    let server = Server::start(vec![answer(200, &json!({"succeded": false, "traceId": "t-2"}))]).await;
    let error = server.client().delete_contact(&id("c-1")).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: Some(200), .. }) && error.trace_id() == Some("t-2"));
}

#[tokio::test]
async fn tags_are_taken_away_by_a_delete_with_a_body() {
    let server = Server::start(vec![answer(200, &json!({"tags": ["vip"]}))]).await;
    let left = server.client().remove_tags(&id("c-1"), &["new".to_owned()]).await.unwrap().value;
    assert_eq!(left, ["vip".to_owned()].into());
    let asked = &server.asked()[0];
    assert_eq!((asked.line.as_str(), &asked.body), ("DELETE /contacts/c-1/tags", &json!({"tags": ["new"]})));
}

#[tokio::test]
async fn what_changes_nothing_is_not_sent() {
    let server = Server::start(vec![answer(200, &json!({}))]).await;
    let client = server.client();
    let unsent = [
        client.update_contact(&id("c-1"), &ContactFields::default(), &Zone::UNKNOWN).await.map(drop),
        client.update_task(&id("c-1"), &RecordId::new("t-1").unwrap(), &TaskChange::default(), &Zone::UNKNOWN).await.map(drop),
        client.add_tags(&id("c-1"), &[]).await.map(drop),
    ];
    for outcome in unsent {
        assert!(matches!(outcome, Err(Error::Refused { status: None, .. })));
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_write_without_an_answer_is_of_unknown_outcome_and_can_be_looked_for() {
    let tasks = json!({"tasks": [
        {"id": "t-1", "title": "Call", "dueDate": "2026-09-01T10:00:00.000Z"}, {"id": "t-2", "title": "Call", "dueDate": "2026-09-02T10:00:00.000Z"}
    ]});
    let found = json!({"contact": {"id": "c-9", "email": "ann@example.com"}});
    let answers =
        vec![answer(504, &json!({"message": "x", "traceId": "t-9"})), answer(200, &tasks), answer(201, &json!("cut")), answer(200, &found)];
    let server = Server::start(answers).await;
    let client = server.client();

    let error = client.create_task(&id("c-1"), &task(), &Zone::UNKNOWN).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { status: Some(504), .. }) && !error.is_transient());
    assert_eq!(error.trace_id(), Some("t-9"));
    let made = client.find_created_task(&id("c-1"), &task(), &Zone::UNKNOWN).await.unwrap().value;
    assert_eq!(made.iter().map(|made| made.record_id.as_str()).collect::<Vec<_>>(), ["t-1"]);

    let error = client.create_contact(&reachable(), &Zone::UNKNOWN).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { .. }), "GHL said that it was made, but not what: {error}");
    let made = client.find_created_contact(&reachable(), &Zone::UNKNOWN).await.unwrap().value;
    assert_eq!(made.unwrap().contact_id, id("c-9"));
    assert_eq!(server.asked()[3].line, "GET /contacts/search/duplicate?locationId=loc%2F1&email=ann%40example.com");
    assert_eq!(server.asked().len(), 4, "nothing was repeated");
}

#[tokio::test]
async fn a_write_that_could_not_be_sent_changed_nothing() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = Server { base_url: format!("http://{free}"), asked: Arc::default(), calls: Arc::default() };
    assert!(server.client().create_task(&id("c-1"), &task(), &Zone::UNKNOWN).await.unwrap_err().is_transient());
    let server = Server::start(vec![answer(429, &json!({"message": "Too Many Requests"}))]).await;
    let error = server.client().create_task(&id("c-1"), &task(), &Zone::UNKNOWN).await.unwrap_err();
    assert!(matches!(error, Error::Throttled { .. }));
}

#[tokio::test]
async fn a_duplicate_names_the_contact_to_take() {
    let body = json!({"statusCode": 400, "message": "This location does not allow duplicated contacts.",
        "meta": {"contactId": "c-7", "contactName": "Ann", "matchingField": "email"}});
    let server = Server::start(vec![answer(400, &body)]).await;
    let error = server.client().create_contact(&reachable(), &Zone::UNKNOWN).await.unwrap_err();
    let Error::Duplicate { contact_id: Some(contact_id), by: Some(Match::Email), .. } = error else { panic!("{error:?}") };
    assert_eq!(contact_id, id("c-7"));
}
