//! What an answer does not say is not gone, whichever answers come after each other.

use std::collections::BTreeMap;

use domain::{Body, Change};
use serde_json::{Value, json};

use super::case::Case;
use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually};

const ADA: &str = "CtAdaMarlow000000001";
const BEN: &str = "CtBenOkafor000000002";
const CYD: &str = "CtCydLarsen000000003";
const VISIT: &str = "AptVisit000000000001";
/// As often as a test can wait for.
const FAST: &str = "watch.interval = \"50ms\"\nwatch.overlap = \"100000h\"\nwatch.appointments_interval = \"50ms\"\n\
    sweep.interval = \"100ms\"\nsweep.check_interval = \"50ms\"\n";
/// Only the watch of appointments.
const VISITS: &str = "watch.interval = \"1h\"\nwatch.appointments_interval = \"20ms\"\n";

/// The fields that changed, in the events of a contact after its first ones.
async fn changed(fixture: &PollerFixture, contact: &str) -> Vec<BTreeMap<String, Value>> {
    let facts = fixture.facts(contact).await.into_iter().filter_map(|body| match body {
        Body::Record(fact) if fact.change == Change::Changed => Some(fact),
        Body::Record(_) | Body::Delivery(_) | Body::Operator(_) | Body::Erased => None,
    });
    facts.map(|fact| fact.changes.into_iter().map(|change| (change.field, change.after)).collect()).collect()
}

async fn until_passes(fixture: &PollerFixture, agency: &Agency, path: &str, times: usize) {
    let asked = agency.asked(path);
    eventually("more rounds", || async { (agency.asked(path) >= asked + times).then_some(()) }).await;
    assert!(fixture.log.parked().list(None, None, 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn case_07_a_time_zone_that_only_the_answer_by_id_has_comes_with_the_first_sweep() {
    let agency = Agency::northlight();
    let (rows, answers) = Case::load(7).rows_and_answers();
    agency.list(rows);
    agency.script(answers);
    let fixture = PollerFixture::start("case-07", agency.clone(), "sweep.interval = \"100ms\"\nsweep.check_interval = \"50ms\"").await;
    fixture.until_backfilled().await;
    eventually("the zone", || async { (fixture.records(BEN).await[BEN]["time_zone"] == "Australia/Sydney").then_some(()) }).await;
    let looks = || agency.asked(&format!("/contacts/{BEN}")) - agency.asked(&format!("/contacts/{BEN}/"));
    until_passes(&fixture, &agency, "/contacts/search", 5).await;
    assert_eq!(looks(), 1, "asked for by its id once");
    assert_eq!(changed(&fixture, BEN).await, [BTreeMap::from([("time_zone".to_owned(), json!("Australia/Sydney"))])]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_08_the_first_look_by_id_invents_no_change() {
    let (case, agency) = (Case::load(8), Agency::northlight());
    let row = json!({
        "id": ADA, "locationId": "LocNorthlight0000001", "contactName": "ada marlow", "firstName": "ada", "lastName": "marlow",
        "firstNameRaw": "Ada", "lastNameRaw": "Marlow", "email": "ada.marlow@example.org", "phone": "+12025550101", "country": "US",
        "type": "lead", "dnd": true, "tags": ["spring list"], "customFields": [], "dateAdded": "2026-03-02T09:00:00.000Z",
        "dateUpdated": "2026-09-01T12:00:00.000Z"
    });
    agency.list(vec![row]);
    agency.script(case.answers());
    let fixture = PollerFixture::start("case-08", agency.clone(), "watch.interval = \"1h\"").await;
    fixture.until_backfilled().await;
    assert_eq!(fixture.records(ADA).await[ADA]["do_not_disturb"], json!(true));
    assert_eq!(fixture.send_raw(case.deliveries().remove(0)).await, 200);
    eventually("the city", || async { (fixture.records(ADA).await[ADA]["city"] == "Salem").then_some(()) }).await;
    let said = BTreeMap::from([("city".to_owned(), json!("Salem")), ("time_zone".to_owned(), json!("America/New_York"))]);
    assert_eq!(changed(&fixture, ADA).await, [said], "nothing but fields that the answer mentions");
    let known = fixture.records(ADA).await[ADA].clone();
    assert_eq!((&known["name"], &known["do_not_disturb"]), (&json!("Ada Marlow"), &json!(true)));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn do_not_disturb_changes_though_only_rows_speak_of_it() {
    let agency = Agency::northlight();
    agency.put(ADA, 1);
    agency.world().contacts.get_mut(ADA).unwrap()["dnd"] = json!(false);
    let fixture = PollerFixture::start("dnd", agency.clone(), FAST).await;
    fixture.until_backfilled().await;
    let mut by_id = agency.world().contacts[ADA].clone();
    by_id["dateUpdated"] = json!("2031-01-01T00:00:00.000Z");
    by_id.as_object_mut().unwrap().remove("dnd");
    let answer = json!({"method": "GET", "path": format!("/contacts/{ADA}"), "status": 200, "body": {"contact": by_id}});
    agency.script(vec![serde_json::from_value(answer).unwrap()]);
    {
        let mut world = agency.world();
        let row = world.contacts.get_mut(ADA).unwrap();
        (row["dnd"], row["dateUpdated"]) = (json!(true), json!("2031-01-01T00:00:00.000Z"));
    }
    eventually("the mark", || async { (fixture.records(ADA).await[ADA]["do_not_disturb"] == true).then_some(()) }).await;
    until_passes(&fixture, &agency, "/contacts/search", 5).await;
    assert_eq!(changed(&fixture, ADA).await, [BTreeMap::from([("do_not_disturb".to_owned(), json!(true))])]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_12_values_in_an_unknown_form_are_not_gone() {
    for answers in Case::load(12).runs() {
        let agency = Agency::northlight();
        agency.put(ADA, 1);
        {
            let mut world = agency.world();
            let contact = world.contacts.get_mut(ADA).unwrap();
            contact["tags"] = json!(["spring list"]);
            contact["customFields"] =
                json!([{"id": "CfBudget000000000002", "value": 500}, {"id": "CfRenewal00000000001", "value": "2027-01-01"}]);
        }
        let fixture = PollerFixture::start("case-12", agency.clone(), "watch.interval = \"1h\"").await;
        fixture.until_backfilled().await;
        let before = fixture.records(ADA).await[ADA].clone();
        agency.script(answers);
        assert_eq!(fixture.send("ContactUpdate", json!({"id": ADA})).await, 200);
        eventually("looked at", || async { (fixture.records(ADA).await[ADA]["last_name"] == "Marlow").then_some(()) }).await;
        let after = fixture.records(ADA).await[ADA].clone();
        assert_eq!((&after["tags"], &after["custom_fields"]), (&before["tags"], &before["custom_fields"]));
        assert!(fixture.counter("fields_unreadable_total").await >= 1.0, "it is told");
        fixture.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_25_a_birthday_is_one_day_whichever_answer_came_last() {
    for midnight in [640_587_600_000_i64, 640_569_600_000, 640_584_000_000] {
        let agency = Agency::northlight();
        let (mut rows, answers) = Case::load(25).rows_and_answers();
        rows[0]["dateOfBirth"] = json!(midnight);
        agency.list(rows);
        agency.script(answers);
        let fixture = PollerFixture::start("case-25", agency.clone(), FAST).await;
        fixture.until_backfilled().await;
        assert_eq!(fixture.records(ADA).await[ADA]["date_of_birth"], "1990-04-20");
        eventually("asked by id", || async { (fixture.records(ADA).await[ADA]["time_zone"] == "America/New_York").then_some(()) }).await;
        until_passes(&fixture, &agency, "/contacts/search", 5).await;
        assert_eq!(fixture.records(ADA).await[ADA]["date_of_birth"], "1990-04-20");
        assert!(changed(&fixture, ADA).await.iter().all(|changes| !changes.contains_key("date_of_birth")));
        fixture.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_34_names_are_as_typed_and_the_first_look_changes_none() {
    let agency = Agency::northlight();
    agency.list(Case::load(34).rows_and_answers().0);
    let by_id = json!({"id": CYD, "firstName": "Cyd", "lastName": "McLaren-Ostergaard", "email": "cyd@example.org",
        "phone": "+12025550103", "country": "US", "timezone": "America/New_York", "tags": ["spring list"], "customFields": [],
        "dateAdded": "2026-03-02T09:00:00.000Z", "dateUpdated": "2026-09-01T12:00:00.000Z"});
    let answer = json!({"method": "GET", "path": format!("/contacts/{CYD}"), "status": 200, "body": {"contact": by_id}});
    agency.script(vec![serde_json::from_value(answer).unwrap()]);
    let fixture = PollerFixture::start("case-34", agency.clone(), FAST).await;
    fixture.until_backfilled().await;
    let name = || async { fixture.records(CYD).await[CYD]["name"].clone() };
    assert_eq!(name().await, "Cyd McLaren-Ostergaard");
    eventually("asked by id", || async { (fixture.records(CYD).await[CYD]["time_zone"] == "America/New_York").then_some(()) }).await;
    until_passes(&fixture, &agency, "/contacts/search", 3).await;
    assert_eq!(name().await, "Cyd McLaren-Ostergaard");
    let parts = ["name", "first_name", "last_name"];
    assert!(changed(&fixture, CYD).await.iter().all(|changes| parts.iter().all(|part| !changes.contains_key(*part))));
    fixture.stop().await;
}

/// Ada, whose calendar and whose own list show a visit differently.
fn with_calendar(agency: &Agency) {
    agency.put(ADA, 1);
    agency.world().calendars = vec!["CalFirstVisit0000001".to_owned()];
}

#[tokio::test(flavor = "multi_thread")]
async fn case_40_two_lists_with_other_fields_add_up_and_cost_no_look_a_round() {
    let (case, agency) = (Case::load(40), Agency::northlight());
    with_calendar(&agency);
    agency.script(case.answers());
    let fixture = PollerFixture::start("case-40", agency.clone(), VISITS).await;
    fixture.until_backfilled().await;
    // The contact's own list has neither notes nor a place.
    assert_eq!(fixture.send("ContactUpdate", json!({"id": ADA})).await, 200);
    let looks = || agency.asked(&format!("/contacts/{ADA}/appointments"));
    eventually("its own list", || async { (looks() == 1).then_some(()) }).await;
    until_passes(&fixture, &agency, "/calendars/events", 10).await;
    assert!(looks() <= 2, "ten rounds, {} looks", looks());
    let visit = fixture.records(ADA).await[VISIT].clone();
    assert_eq!((&visit["notes"], &visit["place"]), (&json!("Bring the keys"), &json!("Room 2")));
    assert_eq!(visit["starts_at"], "2026-11-02T14:00:00Z");
    assert_eq!(changed(&fixture, ADA).await.len(), 0, "nothing came and went");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_40_what_only_the_second_list_knows_is_added_once() {
    let (case, agency) = (Case::load(40), Agency::northlight());
    with_calendar(&agency);
    let fixture = PollerFixture::start("case-40-other-way", agency.clone(), VISITS).await;
    fixture.until_backfilled().await;
    // At first only the contact's own list has the visit.
    let calendar_later = |answer: &mut Value| {
        if answer["path"] == "/calendars/events" {
            answer["after"] = json!("1 s");
        }
    };
    agency.script(case.answers_changed(calendar_later));
    assert_eq!(fixture.send("ContactUpdate", json!({"id": ADA})).await, 200);
    eventually("the visit", || async { fixture.records(ADA).await.remove(VISIT) }).await;
    assert!(fixture.records(ADA).await[VISIT].get("notes").is_none());
    agency.second(1);
    eventually("its notes", || async { (fixture.records(ADA).await[VISIT]["notes"] == "Bring the keys").then_some(()) }).await;
    let looks = agency.asked(&format!("/contacts/{ADA}/appointments"));
    until_passes(&fixture, &agency, "/calendars/events", 10).await;
    assert_eq!(agency.asked(&format!("/contacts/{ADA}/appointments")), looks);
    let added: Vec<Vec<String>> = changed(&fixture, ADA).await.into_iter().map(|changes| changes.into_keys().collect()).collect();
    assert_eq!(added, [["added_at", "notes", "place"].map(str::to_owned)], "once");
    fixture.stop().await;
}
