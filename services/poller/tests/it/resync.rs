//! What a person asks to look at again is looked at now, and kept until it is.

use proto::source::v1 as api;
use proto::source::v1::source_client::SourceClient;
use serde_json::json;
use tonic::{Code, Request, Status};

use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually, here};

/// No net looks by itself.
const STILL: &str = "watch.interval = \"1h\"\nwatch.tasks_interval = \"1h\"\nwatch.appointments_interval = \"1h\"\n\
    sweep.notes_within = \"10h\"\nsweep.notes_interval = \"1h\"\nparity.interval = \"10h\"\nvanishing.again_after = \"20ms\"\n\
    resync.contacts_max = 2\nresync.check_interval = \"100ms\"\n";

const APPEARED: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];

fn signed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", "Bearer control".parse().unwrap());
    request
}

/// What a test asks for.
fn asked() -> api::ResyncRequest {
    api::ResyncRequest { who: "Ada".to_owned(), ..api::ResyncRequest::default() }
}

fn contacts(ids: &[&str]) -> api::ResyncRequest {
    api::ResyncRequest { contact_ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..asked() }
}

fn kinds(kinds: &[&str]) -> api::ResyncRequest {
    api::ResyncRequest { kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(), ..asked() }
}

async fn resync(grpc: &str, request: api::ResyncRequest) -> Result<api::ResyncResponse, Status> {
    let mut source = SourceClient::connect(grpc.to_owned()).await.unwrap();
    source.resync(signed(request)).await.map(tonic::Response::into_inner)
}

/// None while the replica has just been started.
async fn progress(grpc: &str) -> Option<api::Resync> {
    let mut source = SourceClient::connect(grpc.to_owned()).await.ok()?;
    let request = api::GetResyncRequest { location_id: String::new() };
    source.get_resync(signed(request)).await.ok()?.into_inner().resync
}

async fn until_ended(fixture: &PollerFixture) -> api::Resync {
    eventually("the request has ended", || async { progress(&fixture.grpc).await.filter(|resync| resync.ended_at.is_some()) }).await
}

/// Contacts `c-1` and `c-2`, all of them in the log, and no net that looks by itself.
async fn quiet(name: &str) -> (Agency, PollerFixture) {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.put("c-2", 2);
    let fixture = PollerFixture::start(name, agency.clone(), STILL).await;
    fixture.until_backfilled().await;
    (agency, fixture)
}

/// Changes a part of a contact without a webhook, and without another update time of the contact.
fn change(agency: &Agency, contact: &str, part: &'static str, row: serde_json::Value) {
    agency.world().parts.insert((contact.to_owned(), part), vec![row]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nothing_told_is_found_by_looking_at_its_contact_and_at_no_other() {
    let (agency, fixture) = quiet("resync-contact").await;
    change(&agency, "c-1", "notes", json!({"id": "n-c-1", "body": "Bye"}));
    change(&agency, "c-2", "notes", json!({"id": "n-c-2", "body": "Bye"}));
    let others = agency.asked("/contacts/c-2");
    let answer = resync(&fixture.grpc, contacts(&["c-1", "c-1"])).await.unwrap();
    assert!(!answer.joined);
    fixture.until_history("c-1", &[&APPEARED[..], &["note.changed"]].concat()).await;
    let ended = until_ended(&fixture).await;
    assert_eq!((ended.contact_ids, ended.seen, ended.total, ended.changes), (vec!["c-1".to_owned()], 1, Some(1), 1));
    assert_eq!((ended.who.as_str(), ended.problem.as_str(), ended.waits.as_str()), ("Ada", "", ""));
    assert_eq!(agency.asked("/contacts/c-2"), others, "nothing else is looked at");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kinds_that_are_named_are_read_and_no_others() {
    let (agency, fixture) = quiet("resync-kind").await;
    change(&agency, "c-1", "tasks", json!({"id": "t-c-1", "title": "Write", "completed": false}));
    agency.world().parts.remove(&("c-2".to_owned(), "tasks"));
    agency.rename("c-1", "New", "2020-01-01T00:00:30.000Z");
    resync(&fixture.grpc, kinds(&["task"])).await.unwrap();
    let ended = until_ended(&fixture).await;
    assert_eq!((ended.kinds, ended.done_kinds, ended.changes), (vec!["task".to_owned()], vec!["task".to_owned()], 2));
    fixture.until_history("c-1", &[&APPEARED[..], &["task.changed"]].concat()).await;
    fixture.until_history("c-2", &[&APPEARED[..], &["task.vanished"]].concat()).await;
    change(&agency, "c-2", "notes", json!({"id": "n-c-2", "body": "Bye"}));
    resync(&fixture.grpc, kinds(&["note"])).await.unwrap();
    fixture.until_history("c-2", &[&APPEARED[..], &["task.vanished", "note.changed"]].concat()).await;
    let ended = until_ended(&fixture).await;
    assert_eq!((ended.seen, ended.changes), (2, 1));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_pass_finds_what_is_gone_and_the_sweep_counts_from_it() {
    let (agency, fixture) = quiet("resync-whole").await;
    agency.remove("c-2");
    agency.rename("c-1", "New", "2020-01-01T00:00:30.000Z");
    let begun = resync(&fixture.grpc, asked()).await.unwrap().resync.unwrap();
    assert_eq!(begun.kinds, ["contact", "task", "appointment"]);
    let ended = until_ended(&fixture).await;
    assert_eq!((ended.done_kinds, ended.problem), (begun.kinds, String::new()));
    fixture.until_history("c-1", &[&APPEARED[..], &["contact.changed"]].concat()).await;
    fixture.until_history("c-2", &[&APPEARED[..], &["contact.vanished", "note.vanished", "task.vanished"]].concat()).await;
    let swept = fixture.log.passes().get(&here(), "sweep", domain::RecordKind::Contact).await.unwrap();
    let asked_at = begun.asked_at.map(|at| jiff::Timestamp::new(at.seconds, at.nanos).unwrap());
    assert_eq!((swept.complete_since, swept.started_at), (asked_at, None));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_that_were_updated_since_are_looked_at_in_full() {
    let (agency, fixture) = quiet("resync-since").await;
    agency.rename("c-2", "Name c-2", "2020-01-01T00:05:00.000Z");
    change(&agency, "c-1", "notes", json!({"id": "n-c-1", "body": "Bye"}));
    change(&agency, "c-2", "notes", json!({"id": "n-c-2", "body": "Bye"}));
    let since: jiff::Timestamp = "2020-01-01T00:01:00Z".parse().unwrap();
    let since = prost_types::Timestamp { seconds: since.as_second(), nanos: 0 };
    resync(&fixture.grpc, api::ResyncRequest { since: Some(since), ..asked() }).await.unwrap();
    fixture.until_history("c-2", &[&APPEARED[..], &["note.changed"]].concat()).await;
    let ended = until_ended(&fixture).await;
    assert_eq!((ended.since, ended.seen, ended.total), (Some(since), 1, Some(1)));
    assert_eq!(fixture.history("c-1").await, APPEARED);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_fails_in_the_middle_goes_on_there() {
    let agency = Agency::default();
    for number in 1..=3 {
        agency.put(&format!("c-{number}"), number);
    }
    let fixture = PollerFixture::start("resync-middle", agency.clone(), &format!("{STILL}sweep.page_rows = 1\n")).await;
    fixture.until_backfilled().await;
    let first = agency.asked("/contacts/c-1/notes");
    change(&agency, "c-3", "notes", json!({"id": "n-c-3", "body": "Bye"}));
    let since = prost_types::Timestamp { seconds: 0, nanos: 0 };
    agency.fail("/contacts/c-2", 503);
    resync(&fixture.grpc, api::ResyncRequest { since: Some(since), ..asked() }).await.unwrap();
    eventually("the first was looked at", || async { progress(&fixture.grpc).await.filter(|resync| resync.seen == 1) }).await;
    agency.fail("/contacts/search", 503);
    agency.world().failing.remove("/contacts/c-2");
    eventually("the last page fails", || async { progress(&fixture.grpc).await.filter(|resync| !resync.waits.is_empty()) }).await;
    agency.world().failing.clear();
    let ended = until_ended(&fixture).await;
    assert_eq!((ended.seen, ended.total, ended.changes, ended.problem.as_str()), (3, Some(3), 1, ""));
    assert_eq!(agency.asked("/contacts/c-1/notes"), first + 1, "what was looked at is not looked at again");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_outlives_a_restart_and_says_why_it_waits() {
    let (agency, mut fixture) = quiet("resync-restart").await;
    change(&agency, "c-1", "tasks", json!({"id": "t-c-1", "title": "Write", "completed": false}));
    agency.fail("/locations/loc-1/tasks/search", 503);
    let begun = resync(&fixture.grpc, kinds(&["task", "note"])).await.unwrap().resync.unwrap();
    eventually("it says why it waits", || async { progress(&fixture.grpc).await.filter(|resync| !resync.waits.is_empty()) }).await;
    fixture.restart().await;
    agency.world().failing.clear();
    let ended = until_ended(&fixture).await;
    // The watch begins anew with the process, and may find the change first.
    assert_eq!((ended.resync_id, ended.waits.as_str()), (begun.resync_id, ""));
    assert_eq!(ended.done_kinds, ["task", "note"]);
    fixture.until_history("c-1", &[&APPEARED[..], &["task.changed"]].concat()).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_refused_is_told_and_holds_up_no_other() {
    let (agency, fixture) = quiet("resync-refused").await;
    agency.refuse("/tasks/search", 403);
    change(&agency, "c-1", "notes", json!({"id": "n-c-1", "body": "Bye"}));
    resync(&fixture.grpc, kinds(&["task", "note"])).await.unwrap();
    let ended = until_ended(&fixture).await;
    assert!(ended.problem.contains("locations/tasks.readonly"), "{}", ended.problem);
    fixture.until_history("c-1", &[&APPEARED[..], &["note.changed"]].concat()).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_at_a_time_and_none_that_makes_no_sense() {
    let (agency, fixture) = quiet("resync-one").await;
    let refused = async |request: api::ResyncRequest| resync(&fixture.grpc, request).await.unwrap_err();
    let nowhere = refused(api::ResyncRequest { location_id: "elsewhere".to_owned(), ..asked() }).await;
    assert_eq!(nowhere.code(), Code::NotFound);
    assert!(nowhere.message().contains("mirrorctl status"), "{nowhere}");
    let many = refused(contacts(&["a", "b", "c"])).await;
    assert_eq!((many.code(), many.message().contains("at most 2")), (Code::InvalidArgument, true), "{many}");
    for nonsense in [
        kinds(&["opportunity"]),
        contacts(&["a\nb"]),
        api::ResyncRequest { kinds: vec!["task".to_owned()], ..contacts(&["c-1"]) },
        api::ResyncRequest { since: Some(prost_types::Timestamp { seconds: 250_000_000_000, nanos: 0 }), ..asked() },
        api::ResyncRequest::default(),
    ] {
        assert_eq!(refused(nonsense).await.code(), Code::InvalidArgument);
    }
    agency.fail("/contacts/c-1", 503);
    let first = resync(&fixture.grpc, contacts(&["c-1"])).await.unwrap().resync.unwrap();
    let second = resync(&fixture.grpc, contacts(&["c-1"])).await.unwrap();
    assert_eq!((second.joined, second.resync.unwrap().resync_id), (true, first.resync_id.clone()));
    let other = refused(contacts(&["c-2"])).await;
    assert_eq!((other.code(), other.message().contains("--replace")), (Code::FailedPrecondition, true), "{other}");
    let instead = resync(&fixture.grpc, api::ResyncRequest { replace: true, ..contacts(&["c-2"]) }).await.unwrap();
    assert!(!instead.joined);
    let ended = until_ended(&fixture).await;
    assert_eq!(ended.contact_ids, ["c-2"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_takes_a_request_and_the_holder_carries_it_out() {
    let (agency, mut fixture) = quiet("resync-replica").await;
    let other = fixture.another().await;
    change(&agency, "c-1", "notes", json!({"id": "n-c-1", "body": "Bye"}));
    eventually("the other one knows the location", || async { resync(&other.grpc, contacts(&["c-1"])).await.ok() }).await;
    until_ended(&fixture).await;
    fixture.until_history("c-1", &[&APPEARED[..], &["note.changed"]].concat()).await;

    agency.fail("/contacts/c-2", 503);
    change(&agency, "c-2", "notes", json!({"id": "n-c-2", "body": "Bye"}));
    resync(&other.grpc, contacts(&["c-2"])).await.unwrap();
    fixture.stop_poller().await;
    agency.world().failing.clear();
    fixture.until_history("c-2", &[&APPEARED[..], &["note.changed"]].concat()).await;
    other.stop().await;
    fixture.close().await;
}
