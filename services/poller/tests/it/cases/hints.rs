//! A hint is done when what it said was seen, and finds its contact where it does not name it.

use serde_json::{Value, json};

use super::case::Case;
use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually};

const ADA: &str = "CtAdaMarlow000000001";
const DEE: &str = "CtDeeQuill0000000004";
const APPEARED: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];

/// No net looks by itself, so that whatever is seen was seen after a hint.
const STILL: &str = "watch.interval = \"1h\"\nwatch.tasks_interval = \"1h\"\nwatch.appointments_interval = \"1h\"\n\
    sweep.notes_within = \"10h\"\nsweep.notes_interval = \"1h\"\n";

async fn settled_in(name: &str, agency: &Agency, contact: &str) -> PollerFixture {
    agency.put(contact, 1);
    set(agency, contact, "notes", vec![note("NoteFirst00000000001", "Old")]);
    let fixture = PollerFixture::start(name, agency.clone(), STILL).await;
    fixture.until_backfilled().await;
    fixture
}

fn note(id: &str, body: &str) -> Value {
    json!({"id": id, "body": body})
}

fn set(agency: &Agency, contact: &str, part: &'static str, rows: Vec<Value>) {
    agency.world().parts.insert((contact.to_owned(), part), rows);
}

/// Delivers the case's webhooks, and waits until GHL was asked about each of them.
async fn deliver(fixture: &PollerFixture, agency: &Agency, case: &Case, asked: &str) {
    for body in case.deliveries() {
        let before = agency.asked(asked);
        assert_eq!(fixture.send_raw(body).await, 200);
        eventually(asked, || async { (agency.asked(asked) > before).then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_16_a_deleted_note_that_is_still_listed_is_looked_at_again_until_it_is_gone() {
    let (case, agency) = (Case::load(16), Agency::northlight());
    let fixture = settled_in("case-16", &agency, ADA).await;
    agency.script(case.answers());
    deliver(&fixture, &agency, &case, &format!("/contacts/{ADA}/notes")).await;
    agency.second(20);
    eventually("the note is gone", || async { fixture.history(ADA).await.contains(&"note.vanished".to_owned()).then_some(()) }).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_16_a_new_note_that_is_not_listed_yet_is_looked_for_again() {
    let agency = Agency::northlight();
    let fixture = settled_in("case-16-new", &agency, ADA).await;
    let before = agency.asked(&format!("/contacts/{ADA}/notes"));
    assert_eq!(fixture.send("NoteCreate", json!({"id": "n-2", "contactId": ADA})).await, 200);
    eventually("a look", || async { (agency.asked(&format!("/contacts/{ADA}/notes")) > before).then_some(()) }).await;
    set(&agency, ADA, "notes", vec![note("NoteFirst00000000001", "Old"), note("n-2", "New")]);
    fixture.until_history(ADA, &[&APPEARED[..], &["note.appeared"]].concat()).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_17_a_deleted_contact_that_is_still_readable_is_looked_at_again_until_it_is_gone() {
    let (case, agency) = (Case::load(17), Agency::northlight());
    let fixture = settled_in("case-17", &agency, DEE).await;
    agency.script(case.answers());
    deliver(&fixture, &agency, &case, &format!("/contacts/{DEE}/notes")).await;
    agency.second(20);
    agency.remove(DEE);
    eventually("the contact is gone", || async { fixture.history(DEE).await.contains(&"contact.vanished".to_owned()).then_some(()) }).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_17_a_new_contact_that_is_not_readable_yet_is_looked_for_again() {
    let agency = Agency::northlight();
    let fixture = settled_in("case-17-new", &agency, ADA).await;
    assert_eq!(fixture.send("ContactCreate", json!({"id": DEE})).await, 200);
    // Until the look is over: one that saw the contact and not yet its records would be right, too.
    let unseen = || async { fixture.metric("hints_total", "outcome=\"unseen\"").await.filter(|hints| *hints > 0.0) };
    eventually("a look that finds nobody", unseen).await;
    agency.put(DEE, 1);
    fixture.until_history(DEE, &APPEARED).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_21_a_note_and_an_appointment_without_their_contact_are_placed_by_the_log() {
    let (case, agency) = (Case::load(21), Agency::northlight());
    agency.world().calendars = vec!["CalFirstVisit0000001".to_owned()];
    set(&agency, ADA, "events", vec![visit("confirmed")]);
    let fixture = settled_in("case-21", &agency, ADA).await;
    let appeared = [&APPEARED[..], &["appointment.appeared"]].concat();
    fixture.until_history(ADA, &appeared).await;
    set(&agency, ADA, "notes", vec![note("NoteFirst00000000001", "New text")]);
    set(&agency, ADA, "events", vec![visit("cancelled")]);
    deliver(&fixture, &agency, &case, &format!("/contacts/{ADA}/notes")).await;
    fixture.until_history(ADA, &[&appeared[..], &["note.changed", "appointment.changed"]].concat()).await;
    fixture.stop().await;
}

fn visit(status: &str) -> Value {
    let soon = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48)).strftime("%Y-%m-%dT%H:00:00Z").to_string();
    json!({"id": "AptVisit000000000001", "calendarId": "CalFirstVisit0000001", "appointmentStatus": status, "startTime": soon, "endTime": soon})
}

#[tokio::test(flavor = "multi_thread")]
async fn case_21_an_unknown_appointment_without_its_contact_is_placed_by_its_id() {
    let agency = Agency::northlight();
    let fixture = settled_in("case-21-new", &agency, ADA).await;
    set(&agency, ADA, "events", vec![visit("confirmed")]);
    let named = json!({"appointment": {"id": "AptVisit000000000001", "calendarId": "CalFirstVisit0000001"}});
    assert_eq!(fixture.send("AppointmentCreate", named).await, 200);
    fixture.until_history(ADA, &[&APPEARED[..], &["appointment.appeared"]].concat()).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_22_webhooks_under_other_names_lead_to_a_look() {
    let (case, agency) = (Case::load(22), Agency::northlight());
    let fixture = settled_in("case-22", &agency, ADA).await;
    deliver(&fixture, &agency, &case, &format!("/contacts/{ADA}/tasks")).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_30_a_new_task_without_its_contact_is_searched_for_until_it_is_found() {
    let (case, agency) = (Case::load(30), Agency::northlight());
    let fixture = settled_in("case-30", &agency, ADA).await;
    agency.script(case.answers());
    deliver(&fixture, &agency, &case, "/locations/LocNorthlight0000001/tasks/search").await;
    let tasks = vec![json!({"id": "t-CtAdaMarlow000000001", "title": "Call"}), json!({"id": "TskCallBack000000001", "title": "Call back"})];
    set(&agency, ADA, "tasks", tasks);
    agency.second(10);
    fixture.until_history(ADA, &[&APPEARED[..], &["task.appeared"]].concat()).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_and_deleted_before_anybody_looked_is_not_waited_for() {
    let agency = Agency::northlight();
    agency.put(ADA, 1);
    let soon = "hints.again_first = \"200ms\"\nhints.again_longest = \"200ms\"\n";
    let fixture = PollerFixture::start("made-and-deleted", agency.clone(), &format!("{STILL}{soon}")).await;
    fixture.until_backfilled().await;
    let counted = |outcome: &'static str| {
        let fixture = &fixture;
        async move { fixture.metric("hints_total", &format!("outcome=\"{outcome}\"")).await.unwrap_or_default() }
    };
    let before = counted("looked").await;
    let (note, contact) = (json!({"id": "n-2", "contactId": ADA}), json!({"id": DEE}));
    let of_contact = json!({"id": "n-3", "contactId": DEE});
    for (kind, fields) in [("NoteCreate", &note), ("ContactCreate", &contact), ("NoteCreate", &of_contact)] {
        assert_eq!(fixture.send(kind, fields.clone()).await, 200);
    }
    eventually("all three are waited for", || async { (counted("unseen").await >= 3.0).then_some(()) }).await;
    assert_eq!(fixture.send("NoteDelete", note).await, 200);
    assert_eq!(fixture.send("ContactDelete", contact).await, 200);
    eventually("none of them is waited for", || async { (counted("looked").await == before + 5.0).then_some(()) }).await;
    // It was sent before the contact was deleted, and overtaken.
    assert_eq!(fixture.send("ContactUpdate", json!({"id": DEE})).await, 200);
    eventually("nor is one that comes late", || async { (counted("looked").await == before + 6.0).then_some(()) }).await;
    assert_eq!(counted("unconfirmed").await, 0.0);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_webhook_said_and_is_never_seen_is_told_in_the_end() {
    let agency = Agency::northlight();
    agency.put(ADA, 1);
    let brief = "hints.again_first = \"50ms\"\nhints.again_longest = \"100ms\"\nhints.again_within = \"300ms\"\n";
    let fixture = PollerFixture::start("unconfirmed", agency.clone(), &format!("{STILL}{brief}")).await;
    fixture.until_backfilled().await;
    let counted = |outcome: &'static str| {
        let fixture = &fixture;
        async move { fixture.metric("hints_total", &format!("outcome=\"{outcome}\"")).await.unwrap_or_default() }
    };
    assert_eq!(fixture.send("NoteDelete", json!({"id": format!("n-{ADA}"), "contactId": ADA})).await, 200);
    assert_eq!(fixture.send("NoteCreate", json!({"id": "n-2"})).await, 200);
    eventually("both told", || async { (counted("unconfirmed").await * counted("unplaced").await > 0.9).then_some(()) }).await;
    assert!(counted("unseen").await > 1.9, "after being looked for again");
    assert_eq!(fixture.history(ADA).await, APPEARED, "and nothing is concluded");
    fixture.stop().await;
}
