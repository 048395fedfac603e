//! Failures of GHL, the bus and the database, and how the poller recovers.

use std::time::Duration;

use serde_json::json;

use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually, here};

const APPEARED: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_rejected_while_the_bus_is_down_and_accepted_afterwards() {
    let agency = Agency::default();
    let mut fixture = PollerFixture::start("busless", agency.clone(), "bus.publish_timeout = \"500ms\"").await;
    fixture.nats.kill().await;
    agency.put("c-1", 1);
    assert_eq!(fixture.send("ContactCreate", json!({"id": "c-1"})).await, 429);
    eventually("not ready", || async { (!fixture.ready().await).then_some(()) }).await;
    fixture.wipe_nats().await;
    eventually("taken", || async { (fixture.send("ContactCreate", json!({"id": "c-1"})).await == 200).then_some(()) }).await;
    fixture.until_history("c-1", &APPEARED).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_bus_is_refilled_and_every_contact_is_looked_at_again() {
    let agency = Agency::default();
    for id in ["c-1", "c-2"] {
        agency.put(id, 1);
    }
    let mut fixture = PollerFixture::start("wiped", agency.clone(), "").await;
    fixture.until_backfilled().await;
    eventually("relayed", || async { (fixture.log.relay().positions().await.unwrap()[&here()] == 6).then_some(()) }).await;
    eventually("remembered", || async { fixture.log.relay().stream("EVENTS").await.unwrap().filter(|seen| seen.last_sequence == 6) }).await;
    let looks = agency.asked("/contacts/c-2/notes");
    // Its webhook is lost with the bus.
    agency.remove("c-1");
    fixture.wipe_nats().await;
    eventually("looked at again", || async { (agency.asked("/contacts/c-2/notes") > looks).then_some(()) }).await;
    fixture.until_history("c-1", &[&APPEARED[..], &["contact.vanished", "task.vanished", "note.vanished"]].concat()).await;
    // All nine of them. What was appended before the loss was noticed has come to the new stream once already, under its first id.
    eventually("published again", || async { fixture.log.relay().stream("EVENTS").await.unwrap().filter(|seen| seen.last_sequence >= 9) })
        .await;
    assert_eq!(fixture.history("c-2").await, APPEARED, "nothing twice");
    let lost = fixture.log.alerts().lost_streams(Duration::from_secs(600)).await.unwrap();
    assert!(lost.iter().any(|lost| lost.name == "EVENTS"), "a person is told: {lost:?}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_cannot_be_read_parks_alone() {
    let agency = Agency::default();
    for id in ["c-1", "c-2", "c-3"] {
        agency.put(id, 1);
    }
    agency.fail("/contacts/c-2/notes", 422);
    let fixture = PollerFixture::start("poison", agency.clone(), "").await;
    fixture.until_backfilled().await;
    assert_eq!(fixture.history("c-1").await, APPEARED);
    assert_eq!(fixture.history("c-3").await, APPEARED);
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-2"})).await, 200);
    eventually("parked", || async { fixture.metric("hints_total", "outcome=\"parked\"").await }).await;
    let parked = fixture.log.parked().list(None, None, 10).await.unwrap();
    assert_eq!(parked.len(), 1, "the same contact is parked once");
    assert_eq!(parked[0].parking.status, Some(422));
    assert_eq!(parked[0].parking.subject, "hints.v1.loc-1.c-2.redriven");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_pauses_the_location_until_it_is_accepted() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.fail("/", 401);
    let fixture = PollerFixture::start("token", agency.clone(), "").await;
    assert_eq!(fixture.send("ContactCreate", json!({"id": "c-1"})).await, 200);
    let refused = || fixture.metric("token_refused", "location=\"loc-1\"");
    eventually("shown", || async { refused().await.filter(|refused| *refused > 0.5) }).await;
    assert!(fixture.log.parked().list(None, None, 10).await.unwrap().is_empty(), "nothing is parked for it");
    let told = fixture.to_mend().await;
    assert!(told.starts_with("location loc-1: GHL refuses its private integration token; make another"), "{told}");
    agency.world().failing.clear();
    fixture.until_history("c-1", &APPEARED).await;
    eventually("shown", || async { refused().await.filter(|refused| *refused < 0.5) }).await;
    assert_eq!(fixture.to_mend().await, "");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_failures_of_ghl_skip_nothing() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.fail("/contacts/c-1/tasks", 500);
    let fixture = PollerFixture::start("failures", agency.clone(), "ghl.rate.throttled_pause = \"100ms\"").await;
    assert_eq!(fixture.send("ContactCreate", json!({"id": "c-1"})).await, 200);
    eventually("tried", || async { (agency.asked("/contacts/c-1/tasks") > 3).then_some(()) }).await;
    agency.fail("/contacts/c-1/tasks", 429);
    let calls = agency.asked("/contacts/c-1/tasks");
    eventually("tried", || async { (agency.asked("/contacts/c-1/tasks") > calls + 1).then_some(()) }).await;
    agency.world().failing.clear();
    fixture.until_history("c-1", &APPEARED).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_accepted_while_the_database_is_down_are_processed_afterwards() {
    let agency = Agency::default();
    let mut fixture = PollerFixture::start("baseless", agency.clone(), "").await;
    fixture.until_backfilled().await;
    let settings = fixture.kill_postgres().await;
    agency.put("c-1", 1);
    assert_eq!(fixture.send("ContactCreate", json!({"id": "c-1"})).await, 200);
    eventually("not ready", || async { (!fixture.ready().await).then_some(()) }).await;
    fixture.revive_postgres(settings).await;
    eventually("ready", || async { fixture.ready().await.then_some(()) }).await;
    fixture.until_history("c-1", &APPEARED).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_too_large_for_the_bus_parks_alone() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.put("c-2", 1);
    let notes = vec![json!({"id": "long", "body": "x".repeat(8_500_000)})];
    agency.world().parts.insert(("c-1".to_owned(), "notes"), notes);
    // More than the server accepts, so that the server refuses it.
    let fixture = PollerFixture::start("large", agency, "relay.message_bytes_max = 20000000").await;
    fixture.until_backfilled().await;
    eventually("relayed", || async { (fixture.log.relay().positions().await.unwrap()[&here()] >= 6).then_some(()) }).await;
    let parked = fixture.log.parked().list(None, None, 10).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].parking.contact_id, Some(crate::fixture::who("c-1")));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_nearly_spent_are_noted_until_they_are_not() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let scarce = "ghl.rate.day_calls_max = 1000\nhealth.calls_nearly_spent_below = 1.0\n";
    let mut fixture = PollerFixture::start("spent", agency.clone(), scarce).await;
    let nearly_spent = || async { fixture.log.alerts().calls_nearly_spent().await.unwrap().pop() };
    let spent = eventually("noted", nearly_spent).await;
    assert_eq!((spent.location_id, spent.day_calls_max), (here(), 1000));
    assert!(spent.left_today < 1000);
    // Another life finds that there are enough.
    fixture.change_settings("calls_nearly_spent_below = 1.0", "calls_nearly_spent_below = 0.0");
    fixture.restart().await;
    eventually("taken back", || async { fixture.log.alerts().calls_nearly_spent().await.unwrap().is_empty().then_some(()) }).await;
    fixture.stop().await;
}
