//! What the simulator answers, before the same judge; and read in the spelling of either version.

use axum::Router;
use axum::routing::get;
use domain::{ContactId, RecordId};
use ghl::{Client, EventsOf, TaskSearch, Versions, Zone};
use sandbox::{Limits, Sandbox, Settings, Webhook};
use serde_json::json;

use crate::everything::{Subject, client, reads, v3, writes};
use crate::judge;
use crate::prism::Prism;
use crate::spec::merged;

async fn populated() -> Sandbox {
    let sandbox = Sandbox::start(Settings { limits: Limits::none(), ..Settings::default() }).await.unwrap();
    sandbox.world().populate(7, 20);
    sandbox.world().settle_search();
    sandbox
}

/// A contact that has one of everything.
fn subject(sandbox: &Sandbox) -> Subject {
    let world = sandbox.world();
    let snapshot = world.snapshot();
    let calendar = snapshot.calendars.keys().next().unwrap().clone();
    let contact = world.contact_ids()[0].clone();
    let due = json!({"title": "Call", "dueDate": "2031-01-02T10:00:00.000Z", "completed": false});
    let task = world.create_task(&contact, &due, Webhook::Lost).unwrap();
    let note = world.create_note(&contact, &json!({"body": "<p>Hello</p>"}), Webhook::Lost).unwrap();
    let meeting = json!({"calendarId": calendar, "contactId": contact, "title": "Meet",
        "startTime": "2031-01-02T10:00:00-05:00", "endTime": "2031-01-02T11:00:00-05:00"});
    world.create_appointment(&meeting, Webhook::Lost).unwrap();
    let record = |id: String| RecordId::new(id).unwrap();
    Subject {
        contact: ContactId::new(contact).unwrap(),
        task: record(task),
        note: record(note),
        calendar,
        company: sandbox.company_id().to_owned(),
    }
}

#[tokio::test]
async fn what_the_simulator_answers_is_what_the_vendor_allows() {
    let Some((program, contract)) = judge() else { return };
    let sandbox = populated().await;
    let prism = Prism::proxy(&program, &merged(&contract, "v2"), &sandbox.base_url()).await;
    let (client, _) = client(&prism.base_url, sandbox.location_id(), sandbox.token(), Versions::default());
    let (of, zone) = (subject(&sandbox), client.location().await.unwrap().zone);
    let custom_field = sandbox.world().snapshot().custom_fields.keys().next().unwrap().clone();
    let mut outcomes = reads(&client, &of, &zone).await;
    outcomes.extend(writes(&client, &of, &custom_field, &zone).await);
    let failed: Vec<String> = outcomes.into_iter().filter_map(|(what, outcome)| Some(format!("{what}: {}", outcome.err()?))).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn an_answer_that_the_vendor_does_not_allow_is_an_error() {
    let Some((program, contract)) = judge() else { return };
    let answer = async || axum::Json(json!({"contact": {"id": "c-1", "tags": "not a list"}}));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/contacts/c-1", get(answer))).await });
    let prism = Prism::proxy(&program, &merged(&contract, "v2"), &upstream).await;
    let (client, statuses) = client(&prism.base_url, "loc-1", "token", Versions::default());
    client.contact(&ContactId::new("c-1").unwrap(), &Zone::UNKNOWN).await.unwrap_err();
    assert_eq!(statuses.lock().unwrap()["get-contact"], [500]);
}

/// Everything that is read of a contact, as text.
async fn read(client: &Client, of: &Subject) -> String {
    let zone = client.location().await.unwrap().zone;
    let (from, to) = ("2020-01-01T00:00:00Z".parse().unwrap(), "2040-01-01T00:00:00Z".parse().unwrap());
    let read = (
        client.contact(&of.contact, &zone).await.unwrap().value,
        client.tasks(&of.contact, &zone).await.unwrap().value,
        client.notes(&of.contact, &zone).await.unwrap().value,
        client.appointments(&of.contact, &zone).await.unwrap().value,
        client.search_tasks(&TaskSearch { rows_max: 100, ..TaskSearch::default() }, &zone).await.unwrap().value,
        client.calendar_events(EventsOf::Calendar(&of.calendar), from, to, &zone).await.unwrap().value,
        (client.users(&of.company).await.unwrap(), client.calendars().await.unwrap(), client.custom_fields().await.unwrap()),
    );
    format!("{read:#?}")
}

#[tokio::test]
async fn both_versions_read_the_same() {
    let sandbox = populated().await;
    let of = subject(&sandbox);
    let with = |versions| client(&sandbox.base_url(), sandbox.location_id(), sandbox.token(), versions).0;
    assert_eq!(read(&with(Versions::default()), &of).await, read(&with(v3()), &of).await);
    let custom_field = sandbox.world().snapshot().custom_fields.keys().next().unwrap().clone();
    let third = with(v3());
    let zone = third.location().await.unwrap().zone;
    for (what, outcome) in writes(&third, &of, &custom_field, &zone).await {
        assert!(outcome.is_ok(), "{what}: {outcome:?}");
    }
}
