//! What GHL refuses concerns what was refused: the rest of the location goes on, and catches up when it is allowed again.

use domain::Body;
use serde_json::json;

use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually, here};

/// As often as a test can wait for.
const FAST: &str = "watch.interval = \"100ms\"\nwatch.tasks_interval = \"100ms\"\nwatch.tasks_calls_per_day_max = 1000000000\n\
    retry.scope_pause = \"50ms\"\nretry.scope_pause_max = \"200ms\"\nscopes.asked_after = \"100ms\"\n";

async fn until_told(fixture: &PollerFixture, words: &str) -> String {
    eventually(words, || async { Some(fixture.to_mend().await).filter(|told| told.contains(words)) }).await
}

async fn until_nothing_to_mend(fixture: &PollerFixture) {
    eventually("nothing to mend", || async { fixture.to_mend().await.is_empty().then_some(()) }).await;
}

async fn tasks_are_taken_away_and_given_back(name: &str, status: u16) {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start(name, agency.clone(), FAST).await;
    fixture.until_history("c-1", &["contact.appeared", "note.appeared", "task.appeared"]).await;
    agency.refuse("/tasks", status);
    let told = until_told(&fixture, "locations/tasks.readonly").await;
    assert!(told.contains("location loc-1"), "{told}");

    agency.put("c-2", 2);
    assert_eq!(fixture.send("ContactCreate", json!({"id": "c-2"})).await, 200);
    fixture.until_history("c-2", &["contact.appeared", "note.appeared"]).await;
    // Now the list of a contact was asked for, too, which needs another scope.
    until_told(&fixture, "tasks (scope contacts.readonly, locations/tasks.readonly): tasks are not mirrored").await;
    agency.rename("c-1", "New", "2031-01-01T00:00:00.000Z");
    eventually("the name", || async { (fixture.records("c-1").await["c-1"]["first_name"] == "New").then_some(()) }).await;
    assert!(fixture.records("c-1").await.contains_key("t-c-1"), "what is refused is not gone");
    assert_eq!(fixture.metric("token_refused", "location=\"loc-1\"").await.unwrap_or_default(), 0.0, "the location is not paused");
    assert!(fixture.log.parked().list(None, None, 10).await.unwrap().is_empty());

    agency.world().refused.clear();
    fixture.until_history("c-2", &["contact.appeared", "note.appeared", "task.appeared"]).await;
    until_nothing_to_mend(&fixture).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_are_refused_with_401_hold_up_nothing_else_and_catch_up() {
    tasks_are_taken_away_and_given_back("refused-401", 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_are_refused_with_403_hold_up_nothing_else_and_catch_up() {
    tasks_are_taken_away_and_given_back("refused-403", 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_that_does_not_say_what_it_refuses_concerns_the_token_only_where_nothing_is_accepted() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("refused-vaguely", agency.clone(), FAST).await;
    fixture.until_history("c-1", &["contact.appeared", "note.appeared", "task.appeared"]).await;
    agency.world().refused.insert("/tasks", (401, "Unauthorized"));
    until_told(&fixture, "locations/tasks.readonly").await;
    assert_eq!(fixture.metric("token_refused", "location=\"loc-1\"").await.unwrap_or_default(), 0.0, "contacts are answered");
    agency.world().refused.insert("/", (401, "Unauthorized"));
    until_told(&fixture, "GHL refuses its private integration token").await;
    agency.world().refused.clear();
    until_nothing_to_mend(&fixture).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_without_a_scope_reads_all_other_kinds() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.world().calendars.push("cal-1".to_owned());
    let visit = json!({"id": "a-1", "calendarId": "cal-1", "title": "Visit", "startTime": "2026-01-02T10:00:00Z"});
    agency.world().parts.insert(("c-1".to_owned(), "events"), vec![visit]);
    agency.refuse("/tasks", 403);
    let fixture = PollerFixture::start("refused-backfill", agency.clone(), FAST).await;
    fixture.until_history("c-1", &["appointment.appeared", "contact.appeared", "note.appeared"]).await;
    let progress = fixture.log.passes().progress(&here()).await.unwrap();
    assert!(progress.backfill.finished_at.is_none(), "it is open for tasks");
    agency.world().refused.clear();
    fixture.until_backfilled().await;
    assert!(fixture.records("c-1").await.contains_key("t-c-1"));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calendars_that_are_refused_are_no_complete_pass_of_none() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.refuse("/calendars", 401);
    let fixture = PollerFixture::start("refused-calendars", agency.clone(), FAST).await;
    fixture.until_history("c-1", &["contact.appeared", "note.appeared", "task.appeared"]).await;
    until_told(&fixture, "calendars.readonly").await;
    let progress = fixture.log.passes().progress(&here()).await.unwrap();
    assert!(progress.backfill.finished_at.is_none(), "nobody knows which appointments there are");
    agency.world().refused.clear();
    fixture.until_backfilled().await;
    until_nothing_to_mend(&fixture).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_is_refused_alone_parks_and_holds_up_nobody() {
    let agency = Agency::default();
    for id in ["c-1", "c-2", "c-3"] {
        agency.put(id, 1);
    }
    agency.refuse("/contacts/c-2", 403);
    let fixture = PollerFixture::start("refused-contact", agency.clone(), FAST).await;
    fixture.until_backfilled().await;
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-2"})).await, 200);
    let parked = eventually("parked", || async { fixture.log.parked().list(None, None, 10).await.unwrap().pop() }).await;
    assert_eq!(parked.parking.contact_id, Some(crate::fixture::who("c-2")));
    agency.rename("c-3", "New", "2031-01-01T00:00:00.000Z");
    eventually("the name", || async { (fixture.records("c-3").await["c-3"]["first_name"] == "New").then_some(()) }).await;
    until_nothing_to_mend(&fixture).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_that_are_missing_from_the_start_are_named_with_what_they_cost() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.refuse("/users", 401);
    agency.refuse("/appointments", 403);
    let fixture = PollerFixture::start("refused-start", agency.clone(), FAST).await;
    let told = until_told(&fixture, "contacts.readonly").await;
    assert!(told.contains("users (scope users.readonly): users show as ids"), "{told}");
    assert!(told.contains("appointments (scope contacts.readonly): the appointments of a contact are not read"), "{told}");
    let troubles = fixture.log.known().source_troubles(&here()).await.unwrap();
    let areas: Vec<&str> = troubles.iter().map(|trouble| trouble.area.as_str()).collect();
    assert_eq!(areas, ["appointments", "users"]);
    let since = fixture.metric("source_not_answered_since_seconds", "location=\"loc-1\",area=\"users\",state=\"refused\"").await;
    assert!(since.unwrap() > 1.7e9);
    fixture.until_backfilled().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_is_switched_off_is_paused_and_nothing_of_it_is_gone() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("inactive", agency.clone(), FAST).await;
    fixture.until_history("c-1", &["contact.appeared", "note.appeared", "task.appeared"]).await;
    agency.world().refused.insert("/", (403, "Location is not active"));
    let told = until_told(&fixture, "not active").await;
    assert!(!told.contains("token"), "{told}");
    assert_eq!(fixture.metric("token_refused", "location=\"loc-1\"").await.unwrap_or_default(), 0.0);
    agency.world().refused.clear();
    until_nothing_to_mend(&fixture).await;
    assert_eq!(fixture.history("c-1").await, ["contact.appeared", "note.appeared", "task.appeared"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_refused_at_the_start_are_those_that_were_known_before() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    {
        let mut world = agency.world();
        world.users.insert("u-1".to_owned(), "Ann".to_owned());
        world.contacts.get_mut("c-1").unwrap()["assignedTo"] = json!("u-1");
    }
    let mut fixture = PollerFixture::start("refused-names", agency.clone(), FAST).await;
    fixture.until_history("c-1", &["contact.appeared", "note.appeared", "task.appeared"]).await;
    agency.refuse("/users", 401);
    fixture.restart().await;
    agency.rename("c-1", "New", "2031-01-01T00:00:00.000Z");
    fixture.until_history("c-1", &["contact.appeared", "note.appeared", "task.appeared", "contact.changed"]).await;
    let Some(Body::Record(fact)) = fixture.facts("c-1").await.pop() else { panic!("the last event is of a record") };
    assert_eq!(fact.names.users.get("u-1").map(String::as_str), Some("Ann"), "the record does not show an id instead");
    fixture.stop().await;
}
