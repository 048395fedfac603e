//! What only a complete pass proves, and that an incomplete one proves nothing.

use serde_json::{Value, json};

use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually, here};

const APPEARED: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];

/// Passes follow each other immediately; no other net looks.
const SWEEPING: &str = "watch.interval = \"1h\"\nwatch.tasks_interval = \"1h\"\nwatch.appointments_interval = \"1h\"\n\
    sweep.interval = \"100ms\"\nsweep.check_interval = \"50ms\"\nsweep.broken_off_pause = \"100ms\"\nsweep.empty_page_pause = \"20ms\"\n\
    sweep.notes_within = \"1h\"\nsweep.notes_interval = \"1h\"\nbackfill.check_interval = \"50ms\"\nvanishing.again_after = \"50ms\"\n";

fn sweeping(more: &str) -> String {
    format!("{SWEEPING}{more}")
}

async fn settled_in(name: &str, agency: &Agency, contacts: u32, more: &str) -> PollerFixture {
    for number in 0..contacts {
        agency.put(&format!("c-{number:02}"), number);
    }
    let fixture = PollerFixture::start(name, agency.clone(), &sweeping(more)).await;
    fixture.until_backfilled().await;
    fixture
}

/// Waits for passes that begin after now.
async fn until_swept(fixture: &PollerFixture, times: f64) {
    let complete =
        || async { fixture.metric("passes_total", "net=\"sweep\",kind=\"appointment\",outcome=\"complete\"").await.unwrap_or_default() };
    let before = complete().await;
    eventually("swept", || async { (complete().await > before + times).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_gone_without_a_webhook_is_found_missing_by_the_sweep() {
    let agency = Agency::default();
    let fixture = settled_in("sweep-gone", &agency, 25, "sweep.page_rows = 4").await;
    agency.remove("c-07");
    fixture.until_history("c-07", &[&APPEARED[..], &["contact.vanished", "note.vanished", "task.vanished"]].concat()).await;
    agency.put("c-07", 7);
    fixture
        .until_history(
            "c-07",
            &[
                &APPEARED[..],
                &["contact.vanished", "note.vanished", "task.vanished"],
                &["contact.returned", "note.returned", "task.returned"],
            ]
            .concat(),
        )
        .await;
    let events =
        fixture.log.answers().history(&here(), &crate::fixture::who("c-07"), &eventlog::EventFilter::default(), None, 1).await.unwrap();
    assert_eq!(events[0].cause.net.as_str(), "sweep");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_location_costs_no_call_per_contact_and_appends_nothing() {
    let agency = Agency::default();
    let fixture = settled_in("sweep-still", &agency, 25, "").await;
    until_swept(&fixture, 1.0).await;
    let head = fixture.log.locations().list().await.unwrap()[0].head;
    let looks = || {
        let asked = agency.world().asked.clone();
        asked.iter().filter(|path| path.starts_with("/contacts/c-")).count()
    };
    let before = looks();
    until_swept(&fixture, 2.0).await;
    assert_eq!(looks(), before);
    assert_eq!(fixture.log.locations().list().await.unwrap()[0].head, head);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_in_the_middle_does_not_end_a_pass() {
    let agency = Agency::default();
    let fixture = settled_in("sweep-empty", &agency, 25, "sweep.page_rows = 5").await;
    agency.world().empty_pages.insert(10, 1);
    until_swept(&fixture, 1.0).await;
    assert_eq!(agency.world().empty_pages[&10], 0, "the empty page was met");
    assert_eq!(agency.asked("/contacts/c-20/tasks"), 0, "nobody was missed");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_27_a_list_that_loops_proves_no_absence() {
    let agency = Agency::default();
    let fixture = settled_in("sweep-circle", &agency, 12, "sweep.page_rows = 5").await;
    agency.world().stuck_cursor = true;
    let broken_off =
        || async { fixture.metric("passes_total", "net=\"sweep\",kind=\"contact\",outcome=\"broken_off\"").await.unwrap_or_default() };
    eventually("broken off", || async { (broken_off().await > 1.0).then_some(()) }).await;
    let pass = fixture.log.passes().get(&here(), "sweep", domain::RecordKind::Contact).await.unwrap();
    assert!(pass.started_at.is_some() && pass.broken_off.is_some_and(|off| off.why == "cursor_repeats"), "it is still open");
    assert_eq!(agency.asked("/contacts/c-11"), 1, "who was not listed is not looked at");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_only_hidden_from_a_list_stays() {
    let agency = Agency::default();
    let fixture = settled_in("sweep-hidden", &agency, 8, "").await;
    agency.world().hidden.insert("c-03".to_owned());
    eventually("asked for", || async { (agency.asked("/contacts/c-03") > 4).then_some(()) }).await;
    until_swept(&fixture, 1.0).await;
    assert_eq!(fixture.history("c-03").await, APPEARED);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_search_row_does_not_override_what_is_known() {
    let agency = Agency::default();
    let fixture = settled_in("sweep-stale", &agency, 4, "").await;
    let old = agency.world().contacts["c-01"].clone();
    agency.rename("c-01", "New", "2020-01-01T00:00:09.000Z");
    agency.world().stale.insert("c-01".to_owned(), old.clone());
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-01"})).await, 200);
    let changed = [&APPEARED[..], &["contact.changed"]].concat();
    fixture.until_history("c-01", &changed).await;
    // Removed, and still shown.
    agency.remove("c-02");
    let shown = json!({"id": "c-02", "locationId": "loc-1", "firstName": "Name c-02", "dateAdded": old["dateAdded"], "dateUpdated": old["dateUpdated"]});
    agency.world().stale.insert("c-02".to_owned(), shown);
    assert_eq!(fixture.send("ContactDelete", json!({"id": "c-02"})).await, 200);
    let gone = [&APPEARED[..], &["contact.vanished", "note.vanished", "task.vanished"]].concat();
    fixture.until_history("c-02", &gone).await;
    until_swept(&fixture, 2.0).await;
    fixture.until_history("c-01", &changed).await;
    fixture.until_history("c-02", &gone).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_edits_of_everything_are_found() {
    let agency = Agency::default();
    agency.world().calendars = vec!["cal-1".to_owned(), "cal-2".to_owned()];
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48);
    let meeting = |title: &str| json!({"id": "a-1", "calendarId": "cal-2", "title": title, "startTime": soon.to_string(), "endTime": soon.to_string()});
    agency.put("c-01", 1);
    agency.world().parts.insert(("c-01".to_owned(), "events"), vec![meeting("Lunch")]);
    let fixture = PollerFixture::start(
        "sweep-edits",
        agency.clone(),
        &sweeping("sweep.notes_within = \"500ms\"\nsweep.notes_interval = \"100ms\"")
            .replace("sweep.notes_within = \"1h\"\nsweep.notes_interval = \"1h\"\n", ""),
    )
    .await;
    fixture.until_backfilled().await;
    let mut expected = [&APPEARED[..], &["appointment.appeared"]].concat();
    fixture.until_history("c-01", &expected).await;
    assert_eq!(agency.asked("/contacts/c-01/appointments"), 0, "the list of the calendar is enough");
    let set = |part: &'static str, rows: Vec<Value>| agency.world().parts.insert(("c-01".to_owned(), part), rows);
    set("tasks", vec![json!({"id": "t-c-01", "title": "Write", "completed": false})]);
    expected.push("task.changed");
    fixture.until_history("c-01", &expected).await;
    set("events", vec![meeting("Dinner")]);
    expected.push("appointment.changed");
    fixture.until_history("c-01", &expected).await;
    set("notes", vec![json!({"id": "n-c-01", "body": "Bye"})]);
    expected.push("note.changed");
    fixture.until_history("c-01", &expected).await;
    for part in ["tasks", "events", "notes"] {
        set(part, Vec::new());
    }
    expected.extend(["task.vanished", "appointment.vanished", "note.vanished"]);
    fixture.until_history("c-01", &expected).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_was_stopped_resumes_where_it_was() {
    let agency = Agency::default();
    let mut fixture = settled_in("sweep-resumed", &agency, 30, "sweep.page_rows = 5").await;
    until_swept(&fixture, 1.0).await;
    // The contacts that differ are asked for, and GHL does not answer.
    agency.rename("c-17", "New", "2020-01-01T00:00:59.000Z");
    agency.fail("/contacts/c-17", 503);
    let under_way = || async {
        let pass = fixture.log.passes().get(&here(), "sweep", domain::RecordKind::Contact).await.unwrap();
        (pass.seen == 15).then_some(pass.started_at?)
    };
    let began = eventually("half way", under_way).await;
    agency.remove("c-02");
    fixture.restart().await;
    agency.world().failing.clear();
    fixture.until_history("c-17", &[&APPEARED[..], &["contact.changed"]].concat()).await;
    let ended = || async {
        let pass = fixture.log.passes().get(&here(), "sweep", domain::RecordKind::Contact).await.unwrap();
        pass.complete_since.filter(|since| *since >= began)
    };
    eventually("complete", ended).await;
    fixture.until_history("c-02", &[&APPEARED[..], &["contact.vanished", "note.vanished", "task.vanished"]].concat()).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_asked_for_alone_hides_no_change_of_its_notes() {
    let agency = Agency::default();
    agency.put("c-1", 2);
    let mut lagging = agency.world().contacts["c-1"].clone();
    lagging["dateUpdated"] = json!("2020-01-01T00:00:01.000Z");
    agency.world().stale.insert("c-1".to_owned(), lagging);
    let fixture = PollerFixture::start("asked-alone", agency.clone(), SWEEPING).await;
    fixture.until_history("c-1", &APPEARED).await;
    let by_id = || agency.asked("/contacts/c-1") - agency.asked("/contacts/c-1/");
    eventually("asked for by its id", || async { (by_id() > 0).then_some(()) }).await;
    until_swept(&fixture, 2.0).await;
    agency.world().parts.insert(("c-1".to_owned(), "notes"), vec![json!({"id": "n-c-1", "body": "Bye"})]);
    agency.world().stale.clear();
    fixture.until_history("c-1", &[&APPEARED[..], &["note.changed"]].concat()).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notes_of_contacts_that_come_in_bulk_are_read_although_others_are_always_due() {
    let agency = Agency::default();
    for number in 0..5 {
        agency.put(&format!("c-{number}"), number);
    }
    let often = "watch.interval = \"100ms\"\nwatch.bulk_min = 1\nsweep.notes_within = \"2s\"\nsweep.notes_interval = \"100ms\"\n";
    let fixture = PollerFixture::start("notes-in-bulk", agency.clone(), often).await;
    fixture.until_backfilled().await;
    let asked = agency.asked("/contacts/c-0/notes");
    eventually("the rotation has come round", || async { (agency.asked("/contacts/c-0/notes") > asked + 1).then_some(()) }).await;
    for number in 10..20 {
        agency.put(&format!("c-{number}"), number);
        agency.rename(&format!("c-{number}"), "Imported", "2031-01-01T00:00:00.000Z");
    }
    for number in 10..20 {
        eventually("its note", || async {
            fixture.records(&format!("c-{number}")).await.contains_key(&format!("n-c-{number}")).then_some(())
        })
        .await;
    }
    fixture.stop().await;
}
