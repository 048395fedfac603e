//! Something counts as gone only when that is certain, and much at once only when a person says so.

use proto::source::v1 as api;
use proto::source::v1::source_client::SourceClient;
use serde_json::{Value, json};
use tonic::{Code, Request};

use crate::agency::Agency;
use crate::cases::Case;
use crate::fixture::{PollerFixture, eventually, here};
use crate::script::Scripted;

const APPEARED: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];

/// No net looks by itself; what is missing is looked for again soon.
const STILL: &str = "watch.interval = \"1h\"\nwatch.tasks_interval = \"1h\"\nwatch.appointments_interval = \"1h\"\n\
    sweep.notes_within = \"10h\"\nsweep.notes_interval = \"1h\"\nvanishing.again_after = \"30ms\"\nhints.again_first = \"50ms\"\n";

/// Passes follow each other immediately; no other net looks.
const SWEEPING: &str = "watch.interval = \"1h\"\nwatch.tasks_interval = \"1h\"\nwatch.appointments_interval = \"1h\"\n\
    sweep.interval = \"100ms\"\nsweep.check_interval = \"50ms\"\nsweep.notes_within = \"1h\"\nsweep.notes_interval = \"1h\"\n\
    vanishing.again_after = \"30ms\"\n";

fn once(path: &str, body: Value) -> Vec<Scripted> {
    vec![serde_json::from_value(json!({"method": "GET", "path": path, "status": 200, "body": body, "times": 1})).unwrap()]
}

fn signed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", "Bearer control".parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_empty_once_deletes_nothing() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("empty-once", agency.clone(), STILL).await;
    fixture.until_backfilled().await;
    agency.script(once("/contacts/c-1/notes", json!({"notes": []})));
    let looks = agency.asked("/contacts/c-1/notes");
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    eventually("another look", || async { (agency.asked("/contacts/c-1/notes") > looks + 1).then_some(()) }).await;
    agency.rename("c-1", "New", "2031-01-01T00:00:00.000Z");
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    fixture.until_history("c-1", &[&APPEARED[..], &["contact.changed"]].concat()).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_twice_is_gone_and_what_a_webhook_announced_at_once() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("missing-twice", agency.clone(), STILL).await;
    fixture.until_backfilled().await;
    agency.world().parts.remove(&("c-1".to_owned(), "notes"));
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    fixture.until_history("c-1", &[&APPEARED[..], &["note.vanished"]].concat()).await;
    let looks = agency.asked("/contacts/c-1/tasks");
    agency.world().parts.remove(&("c-1".to_owned(), "tasks"));
    assert_eq!(fixture.send("TaskDelete", json!({"id": "t-c-1", "contactId": "c-1"})).await, 200);
    fixture.until_history("c-1", &[&APPEARED[..], &["note.vanished", "task.vanished"]].concat()).await;
    assert_eq!(agency.asked("/contacts/c-1/tasks"), looks + 1, "one look is enough");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_answers_404_in_json_deletes_nothing() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("json-404", agency.clone(), STILL).await;
    fixture.until_backfilled().await;
    agency.fail("/contacts/c-1", 404);
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    eventually("parked", || async { fixture.metric("hints_total", "outcome=\"parked\"").await }).await;
    assert_eq!(fixture.history("c-1").await, [&APPEARED[..1], &["delivery.parked"], &APPEARED[1..]].concat());
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_vanishing_is_held_back_until_it_is_released() {
    let agency = Agency::default();
    for number in 0..40 {
        agency.put(&format!("c-{number:02}"), number);
    }
    let brake = "vanishing.count_min = 5\nvanishing.share = 0.1\n";
    let mut fixture = PollerFixture::start("held", agency.clone(), &format!("{SWEEPING}{brake}")).await;
    fixture.until_backfilled().await;
    for number in 0..20 {
        agency.remove(&format!("c-{number:02}"));
    }
    let held = || async { fixture.metric("vanishing_held", "location=\"loc-1\"").await.filter(|held| *held > 0.0) };
    eventually("held back", held).await;
    let present = async |fixture: &PollerFixture| fixture.log.known().contacts_present(&here()).await.unwrap();
    fixture.restart().await;
    eventually("still held", || async { fixture.to_mend().await.contains("mirrorctl release --location loc-1").then_some(()) }).await;
    let before_it_was_unusual = 40 - present(&fixture).await;
    assert!(before_it_was_unusual < 10, "{before_it_was_unusual}");

    let mut source = SourceClient::connect(fixture.grpc.clone()).await.unwrap();
    let coverage = source.get_coverage(signed(api::GetCoverageRequest::default())).await.unwrap().into_inner();
    assert!(coverage.vanishing_held_since.is_some() && coverage.vanishing_held > 0);
    let release = || signed(api::ReleaseVanishedRequest { location_id: String::new(), who: "ann".to_owned() });
    assert!(source.release_vanished(release()).await.unwrap().into_inner().held > 0);
    assert_eq!(source.release_vanished(release()).await.unwrap_err().code(), Code::FailedPrecondition);
    eventually("gone", || async { (present(&fixture).await == 20).then_some(()) }).await;
    eventually("shown", || async { fixture.to_mend().await.is_empty().then_some(()) }).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_19_an_answer_without_the_contact_parks_it_and_the_real_answer_lets_it_go() {
    const DEE: &str = "CtDeeQuill0000000004";
    for (run, answers) in Case::load(19).runs().into_iter().enumerate() {
        let agency = Agency::northlight();
        agency.put(DEE, 1);
        let fixture = PollerFixture::start(&format!("case-19-{run}"), agency.clone(), SWEEPING).await;
        fixture.until_backfilled().await;
        agency.world().hidden.insert(DEE.to_owned());
        agency.script(answers);
        let parked = || async { fixture.log.parked().list(None, None, 10).await.unwrap().pop() };
        let parked = eventually("parked", parked).await.parking;
        assert!(parked.reason.contains("GHL's answer cannot be read"), "{}", parked.reason);
        let history = [&APPEARED[..1], &["delivery.parked"], &APPEARED[1..]].concat();
        assert_eq!(fixture.history(DEE).await, history, "nothing is concluded, and no field emptied");
        agency.script(Vec::new());
        agency.remove(DEE);
        eventually("gone", || async { fixture.history(DEE).await.contains(&"contact.vanished".to_owned()).then_some(()) }).await;
        fixture.stop().await;
    }
}
