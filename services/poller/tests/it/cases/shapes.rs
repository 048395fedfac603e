//! Records in shapes that nobody documented.

use serde_json::{Value, json};

use super::case::Case;
use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually};

const ADA: &str = "CtAdaMarlow000000001";
const BEN: &str = "CtBenOkafor000000002";
const DEE: &str = "CtDeeQuill0000000004";
const VISIT: &str = "AptVisit000000000001";
const APPEARED: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];
const QUIET: &str = "watch.interval = \"1h\"";
const SWEEPS: &str = "watch.interval = \"50ms\"\nwatch.overlap = \"100000h\"\nsweep.interval = \"100ms\"\nsweep.check_interval = \"50ms\"";

#[tokio::test(flavor = "multi_thread")]
async fn case_18_a_contact_that_is_marked_as_deleted_is_gone_and_does_not_come_back() {
    let agency = Agency::northlight();
    let (rows, answers) = Case::load(18).rows_and_answers();
    agency.put(DEE, 1);
    let fixture = PollerFixture::start("case-18", agency.clone(), SWEEPS).await;
    fixture.until_backfilled().await;
    fixture.until_history(DEE, &APPEARED).await;
    agency.list(rows);
    agency.script(answers);
    let gone = [&APPEARED[..], &["contact.vanished", "note.vanished", "task.vanished"]].concat();
    fixture.until_history(DEE, &gone).await;
    let searches = agency.asked("/contacts/search");
    eventually("more searches", || async { (agency.asked("/contacts/search") > searches + 6).then_some(()) }).await;
    fixture.until_history(DEE, &gone).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_nobody_is_added_who_is_listed_as_deleted() {
    let agency = Agency::northlight();
    let (rows, answers) = Case::load(18).rows_and_answers();
    agency.list(rows);
    agency.script(answers);
    agency.put(ADA, 1);
    let fixture = PollerFixture::start("case-18-new", agency.clone(), QUIET).await;
    fixture.until_backfilled().await;
    fixture.until_history(ADA, &APPEARED).await;
    assert!(fixture.history(DEE).await.is_empty());
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_23_a_note_is_read_wherever_its_text_is() {
    let (case, agency) = (Case::load(23), Agency::northlight());
    agency.put(ADA, 1);
    agency.script(case.answers());
    let fixture = PollerFixture::start("case-23", agency.clone(), QUIET).await;
    fixture.until_backfilled().await;
    let records = fixture.records(ADA).await;
    let text = |id: &str| domain::readable(records[id]["body"].as_str().unwrap());
    assert_eq!(text("NoteFirst00000000001"), "Prefers mornings");
    assert_eq!(records["NoteFirst00000000001"].get("user_id"), None);
    // Text from here on: the page escapes it.
    assert_eq!(text("NoteSecond0000000002"), "Two\nlines & a **sign** \u{1f680}\n\n<script>x()</script>");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_24_times_of_a_zone_that_is_not_known_stay_as_written() {
    for (run, answers) in Case::load(24).runs().into_iter().enumerate() {
        let known_zones = [Some("2026-11-02T14:00:00Z"), Some("2026-11-02T20:00:00Z"), Some("2026-11-02T14:00:00Z")];
        let agency = Agency::northlight();
        agency.put(ADA, 1);
        agency.script(answers);
        let settings = format!("{QUIET}\nnames.lifetime = \"1ms\"\nnames.refresh_pause = \"1ms\"");
        let fixture = PollerFixture::start("case-24", agency.clone(), &settings).await;
        fixture.until_backfilled().await;
        for look in 1..=3 {
            assert_eq!(fixture.send("ContactUpdate", json!({"id": ADA})).await, 200);
            let path = format!("/contacts/{ADA}/appointments");
            eventually("looked at", || async { (agency.asked(&path) >= look).then_some(()) }).await;
        }
        let visit = eventually("the visit", || async { fixture.records(ADA).await.remove(VISIT) }).await;
        let written = known_zones.get(run).copied().flatten().unwrap_or("2026-11-02 09:00:00");
        assert_eq!(visit["starts_at"], written, "{run}");
        fixture.until_history(ADA, &[&APPEARED[..], &["appointment.appeared"]].concat()).await;
        fixture.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_29_an_appointment_in_three_spellings_is_one() {
    let (case, agency) = (Case::load(29), Agency::northlight());
    agency.world().calendars = vec!["CalFirstVisit0000001".to_owned()];
    let fixture = PollerFixture::start("case-29", agency.clone(), &format!("{QUIET}\nwatch.appointments_interval = \"50ms\"")).await;
    fixture.until_backfilled().await;
    agency.put(ADA, 1);
    agency.script(case.answers());
    assert_eq!(fixture.send_raw(case.deliveries().remove(0)).await, 200);
    let whole = [&APPEARED[..], &["appointment.appeared"]].concat();
    fixture.until_history(ADA, &whole).await;
    let visit = fixture.records(ADA).await[VISIT].clone();
    assert_eq!((&visit["starts_at"], &visit["status"]), (&json!("2026-11-02T14:00:00Z"), &json!("confirmed")));
    let rounds = agency.asked("/calendars/events");
    eventually("more rounds", || async { (agency.asked("/calendars/events") > rounds + 3).then_some(()) }).await;
    fixture.until_history(ADA, &whole).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_35_an_event_outside_of_the_window_is_one_and_one_of_nobody_is_counted() {
    let (case, agency) = (Case::load(35), Agency::northlight());
    agency.put(ADA, 1);
    agency.world().calendars = vec!["CalFirstVisit0000001".to_owned()];
    let visit = json!({"id": VISIT, "calendarId": "CalFirstVisit0000001", "title": "Visit", "appointmentStatus": "confirmed",
        "startTime": "2027-03-01T09:00:00-05:00", "endTime": "2027-03-01T09:30:00-05:00"});
    agency.world().parts.insert((ADA.to_owned(), "events"), vec![visit]);
    agency.script(case.answers());
    let fixture = PollerFixture::start("case-35", agency.clone(), SWEEPS).await;
    fixture.until_backfilled().await;
    let whole = [&APPEARED[..], &["appointment.appeared"]].concat();
    fixture.until_history(ADA, &whole).await;
    assert!(fixture.metric("rows_of_nobody_total", "kind=\"appointment\"").await.unwrap_or_default() >= 1.0);
    // Later no window lists it any more; the contact still does.
    agency.world().calendars.clear();
    agency.script(Vec::new());
    let sweeps = agency.asked("/contacts/search");
    eventually("sweeps", || async { (agency.asked("/contacts/search") > sweeps + 6).then_some(()) }).await;
    fixture.until_history(ADA, &whole).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_39_two_contacts_with_one_address_stay_two_and_an_odd_phone_stays_as_it_is() {
    let (case, agency) = (Case::load(39), Agency::northlight());
    agency.put(ADA, 1);
    agency.put(BEN, 1);
    agency.script(case.answers());
    let fixture = PollerFixture::start("case-39", agency.clone(), QUIET).await;
    fixture.until_backfilled().await;
    for id in [ADA, BEN] {
        assert_eq!(fixture.send("ContactUpdate", json!({"id": id})).await, 200);
        eventually("looked at", || async { fixture.records(id).await[id].get("phone").is_some().then_some(()) }).await;
    }
    let (ada, ben): (Value, Value) = (fixture.records(ADA).await[ADA].clone(), fixture.records(BEN).await[BEN].clone());
    assert_eq!((&ada["phone"], &ben["phone"]), (&json!("(202) 555-0101 ext. 7"), &json!("+12025550101")));
    assert_eq!((&ada["email"], &ben["email"]), (&json!("ada.marlow@example.org"), &json!("ada.marlow@example.org")));
    assert_eq!((&ada["name"], &ben["name"]), (&json!("Ada Marlow"), &json!("Ben (Ada's brother)")));
    let domain::Content::Contact(shown) = mirrored(&fixture, ADA, "contact.changed").await else { panic!("a contact") };
    assert_eq!(
        (shown.email.as_deref(), shown.further_emails.as_slice()),
        (Some("ada.marlow@example.org"), ["ada.second@example.org".to_owned()].as_slice())
    );
    assert_eq!(shown.further_phones, ["+12025550111 (Mobile)"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_11_a_date_in_milliseconds_reads_as_its_day_and_an_amount_as_a_number() {
    let (case, agency) = (Case::load(11), Agency::northlight());
    agency.put(ADA, 1);
    agency.script(case.answers());
    let fixture = PollerFixture::start("case-11", agency.clone(), QUIET).await;
    fixture.until_backfilled().await;
    assert_eq!(fixture.send("ContactUpdate", json!({"id": ADA})).await, 200);
    eventually("its values", || async { fixture.records(ADA).await[ADA].get("custom_fields").cloned() }).await;
    let domain::Content::Contact(contact) = mirrored(&fixture, ADA, "contact.changed").await else { panic!("a contact") };
    let said: Vec<(&str, &str)> = contact.custom_fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
    assert_eq!(said, [("Budget", "1798761600000"), ("Renewal", "2027-01-01")]);
    fixture.stop().await;
}

/// What the last event of this type makes of a record in Pagico.
async fn mirrored(fixture: &PollerFixture, id: &str, type_name: &str) -> domain::Content {
    let events = fixture.log.read(fixture.location_id(), 0, 100).await.unwrap().into_iter().rev();
    let mut of_it = events.filter(|event| event.type_name == type_name && event.record.as_ref().is_some_and(|(_, of)| of.as_str() == id));
    let last = of_it.next().unwrap();
    let body = last.read().unwrap();
    let mirrored = domain::map(&last.with(body), &domain::Rules::builtin().unwrap()).remove(0);
    let content = if let domain::Action::Put(content) = mirrored.action { Some(*content) } else { None };
    content.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn case_14_what_is_due_near_midnight_says_in_which_zone() {
    let (case, agency) = (Case::load(14), Agency::northlight());
    agency.put(ADA, 1);
    agency.script(case.answers());
    let fixture = PollerFixture::start("case-14", agency.clone(), QUIET).await;
    fixture.until_backfilled().await;
    assert_eq!(fixture.send("ContactUpdate", json!({"id": ADA})).await, 200);
    for id in ["TskCallBack000000001", "TskWholeDay000000002", "TskUtcMidnight000003"] {
        eventually("the task", || async { fixture.records(ADA).await.remove(id) }).await;
        let domain::Content::Task(task) = mirrored(&fixture, id, "task.appeared").await else { panic!("a task") };
        assert_eq!(task.time_zone.as_deref(), Some("America/Los_Angeles"), "the location's, not the contact's");
        assert!(task.due.is_some());
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_32_what_hung_on_a_merged_contact_is_at_the_other_once() {
    const TASK: &str = "TskCallBack000000001";
    for order in [[ADA, BEN], [BEN, ADA]] {
        let agency = Agency::northlight();
        [ADA, BEN].iter().for_each(|id| agency.put(id, 1));
        for (id, tasks) in [(ADA, Vec::new()), (BEN, vec![json!({"id": TASK, "title": "Call back", "completed": false})])] {
            agency.world().parts.insert((id.to_owned(), "tasks"), tasks);
        }
        let fixture = PollerFixture::start("case-32", agency.clone(), QUIET).await;
        fixture.until_history(BEN, &APPEARED).await;
        agency.remove(BEN);
        agency.script(Case::load(32).answers());
        for id in order {
            assert_eq!(fixture.send(if id == BEN { "ContactDelete" } else { "ContactUpdate" }, json!({"id": id})).await, 200);
            let settled = || async { (fixture.records(id).await.contains_key(TASK) == (id == ADA)).then_some(()) };
            eventually("seen", settled).await;
        }
        assert!(fixture.records(BEN).await.is_empty());
        let told = fixture.log.read(fixture.location_id(), 0, 100).await.unwrap().into_iter();
        let told: Vec<String> =
            told.filter(|event| event.record.as_ref().is_some_and(|(_, id)| id.as_str() == TASK)).map(|event| event.type_name).collect();
        // Whoever reads the events in their order ends with a task that is there.
        let expected = if order == [ADA, BEN] {
            ["task.appeared", "task.appeared", "task.vanished", "task.remained"].to_vec()
        } else {
            ["task.appeared", "task.vanished", "task.appeared"].to_vec()
        };
        assert_eq!(told, expected);
        fixture.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_26_a_user_that_nobody_knows_costs_no_refresh_with_every_look() {
    const TASK: &str = "TskCallBack000000001";
    let agency = Agency::northlight();
    agency.put(ADA, 1);
    agency.world().parts.remove(&(ADA.to_owned(), "tasks"));
    agency.script(Case::load(26).answers());
    let settings = format!("{QUIET}\nnames.refresh_pause = \"0s\"");
    let fixture = PollerFixture::start("case-26", agency.clone(), &settings).await;
    fixture.until_backfilled().await;
    let look = async |count| {
        assert_eq!(fixture.send("ContactUpdate", json!({"id": ADA})).await, 200);
        let path = format!("/contacts/{ADA}/tasks");
        eventually("looked at", || async { (agency.asked(&path) >= count).then_some(()) }).await;
        eventually("appended", || async { fixture.records(ADA).await.contains_key(TASK).then_some(()) }).await;
    };
    look(1).await;
    let asked = agency.asked("/users/search");
    for count in 2..=10 {
        look(count).await;
    }
    let task = eventually("the task", || async { fixture.records(ADA).await.remove(TASK) }).await;
    assert_eq!(task["assigned_to"], "UsrLongGone000000009", "it is not dropped");
    assert_eq!(agency.asked("/users/search"), asked, "it was asked for once, and not with every look");
    let domain::Content::Task(shown) = mirrored(&fixture, TASK, "task.appeared").await else { panic!("a task") };
    assert_eq!(shown.assignee.as_deref(), Some("unknown user (UsrLongGone000000009)"));
    fixture.stop().await;
}
