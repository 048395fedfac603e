//! What an operator decides about locations while the poller runs.

use eventlog::MirrorState;
use proto::source::v1 as api;
use proto::source::v1::source_client::SourceClient;
use serde_json::json;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::agency::{Agency, LOCATION};
use crate::fixture::{Ghl, PollerFixture, eventually, here};

const KEK: &str = "log.kek = \"one:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"\n";

/// Decisions are obeyed soon, and of itself the poller finds what has changed only with a sweep.
const SOON: &str = "lease.renew_interval = \"50ms\"\nmirrored.retired_interval = \"50ms\"\nmirrored.token_files_interval = \"50ms\"\n\
    watch.interval = \"1h\"\nwatch.tasks_interval = \"1h\"\nwatch.appointments_interval = \"1h\"\nsweep.check_interval = \"50ms\"\n\
    sweep.notes_interval = \"1h\"\nscopes.asked_after = \"1h\"\n";

const FIRST: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];

type Client = SourceClient<InterceptedService<Channel, fn(Request<()>) -> Result<Request<()>, Status>>>;

fn signed(mut request: Request<()>) -> Result<Request<()>, Status> {
    request.metadata_mut().insert("authorization", "Bearer control".parse().unwrap());
    Ok(request)
}

async fn client(grpc: &str) -> Client {
    let channel = Channel::from_shared(grpc.to_owned()).unwrap().connect().await.unwrap();
    SourceClient::with_interceptor(channel, signed)
}

impl PollerFixture {
    async fn add(&self, token: &str) -> Result<api::AddLocationResponse, Status> {
        let request = api::AddLocationRequest { location_id: LOCATION.to_owned(), token: token.to_owned(), ..Default::default() };
        Ok(client(&self.grpc).await.add_location(request).await?.into_inner())
    }

    async fn pause(&self, reason: &str) {
        let (location_id, who, reason) = (LOCATION.to_owned(), "ann".to_owned(), reason.to_owned());
        client(&self.grpc).await.pause_location(api::PauseLocationRequest { location_id, who, reason }).await.unwrap();
    }

    async fn resume(&self) {
        let request = api::ResumeLocationRequest { location_id: LOCATION.to_owned(), ..Default::default() };
        client(&self.grpc).await.resume_location(request).await.unwrap();
    }

    async fn retire(&self) {
        let request = api::RetireLocationRequest { location_id: LOCATION.to_owned(), ..Default::default() };
        client(&self.grpc).await.retire_location(request).await.unwrap();
    }

    async fn listed(&self) -> Vec<api::MirroredLocation> {
        client(&self.grpc).await.list_locations(api::ListLocationsRequest {}).await.unwrap().into_inner().locations
    }

    async fn until_held(&self, count: usize) {
        eventually("the number of locations held", || async { (self.figure("locations_held").await == count.to_string()).then_some(()) })
            .await;
    }
}

/// A poller that knows of no location.
async fn without_locations(name: &str, agency: &Agency, more: &str) -> PollerFixture {
    let ghl = Ghl { base_url: agency.start().await, location_id: LOCATION.to_owned(), token: String::new(), pem: String::new() };
    PollerFixture::start_over(name, ghl, &format!("webhooks.ed25519_pems = []\n{SOON}{more}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_is_added_while_it_runs_is_mirrored() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.world().token = "pit-right".to_owned();
    let mut fixture = without_locations("added", &agency, KEK).await;
    let refused = fixture.add("pit-wrong").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("GHL refuses the token") && refused.message().contains("nothing was kept"), "{refused}");
    assert!(!refused.message().contains("pit-"), "{refused}");
    assert!(fixture.listed().await.is_empty());
    assert!(fixture.add("").await.unwrap_err().message().contains("there is no token"));

    let added = fixture.add("pit-right").await.unwrap();
    assert_eq!(added.verdict, "GHL accepts the token");
    let location = added.location.unwrap();
    assert_eq!((location.state.as_str(), location.token.as_str(), location.listed), ("active", "added", false));
    fixture.until_history("c-1", &FIRST).await;

    // It is kept over a restart, and may be replaced.
    fixture.restart().await;
    fixture.until_held(1).await;
    agency.world().token = "pit-next".to_owned();
    agency.put("c-2", 2);
    fixture.add("pit-next").await.unwrap();
    fixture.pause("").await;
    fixture.resume().await;
    fixture.until_history("c-2", &FIRST).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_no_token_is_taken() {
    let agency = Agency::default();
    let fixture = without_locations("added-open", &agency, "").await;
    let refused = fixture.add("pit-right").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("log.kek_file"), "{refused}");
    assert!(agency.world().asked.is_empty(), "GHL is not even asked");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_paused_location_nothing_is_asked_and_after_it_nothing_is_missed() {
    let agency = Agency::default();
    for id in ["c-1", "c-2", "c-3"] {
        agency.put(id, 1);
    }
    let mut fixture = PollerFixture::start("paused", agency.clone(), SOON).await;
    fixture.until_backfilled().await;
    fixture.pause("the agency moves").await;
    fixture.until_held(0).await;
    let asked = agency.world().asked.len();

    // A change that is told, one that is not, and a deletion that is not.
    agency.rename("c-1", "Told", "2031-01-01T00:00:00.000Z");
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    agency.rename("c-2", "Untold", "2031-01-01T00:00:00.000Z");
    agency.remove("c-3");
    let coverage = client(&fixture.grpc).await.get_coverage(api::GetCoverageRequest::default()).await.unwrap().into_inner();
    assert!(coverage.kinds.iter().all(|kind| kind.state == "paused"), "{:?}", coverage.kinds);
    let told = &coverage.troubles[0].cost;
    assert!(told.contains("ann") && told.contains("the agency moves") && coverage.troubles[0].since.is_some(), "{told}");
    let call = api::CallRequest { operation: "search-contacts".to_owned(), ..Default::default() };
    let refused = client(&fixture.grpc).await.call(call).await.unwrap_err();
    assert!(refused.code() == Code::FailedPrecondition && refused.message().contains("location resume"), "{refused}");

    // The settings list it, and it stays paused.
    fixture.restart().await;
    eventually("paused", || async { (fixture.figure("locations_paused").await == LOCATION).then_some(()) }).await;
    fixture.until_held(0).await;
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    assert_eq!(agency.world().asked.len(), asked, "nothing was asked meanwhile");
    assert_eq!(fixture.to_mend().await, "", "it was meant");
    let listed = fixture.listed().await;
    assert_eq!((listed[0].state.as_str(), listed[0].token.as_str(), listed[0].who.as_str()), ("paused", "settings", "ann"));

    fixture.resume().await;
    for (id, name) in [("c-1", "Told"), ("c-2", "Untold")] {
        eventually("its name", || async { (fixture.records(id).await[id]["first_name"] == name).then_some(()) }).await;
    }
    eventually("it is gone", || async { fixture.records("c-3").await.is_empty().then_some(()) }).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_of_a_paused_location_are_answered_200_however_many_come() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let more = format!("{SOON}webhooks.location_waiting_max = 2\nwebhooks.location_burst = 20\nwebhooks.location_per_second = 1\n");
    let fixture = PollerFixture::start("paused-flood", agency.clone(), &more).await;
    fixture.until_backfilled().await;
    fixture.pause("").await;
    fixture.until_held(0).await;
    for number in 0..40 {
        assert_eq!(fixture.send("NoteUpdate", json!({"id": format!("n-{number}"), "contactId": format!("c-{number}")})).await, 200);
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_location_is_let_go_and_can_be_added_again() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let mut fixture = PollerFixture::start("retired", agency.clone(), SOON).await;
    fixture.until_backfilled().await;
    let budget = || async { fixture.metric("budget_left_today", "location=\"loc-1\"").await };
    eventually("a gauge", budget).await;
    fixture.retire().await;
    fixture.until_held(0).await;
    eventually("the gauges leave", || async { budget().await.is_none().then_some(()) }).await;
    let asked = agency.world().asked.len();
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    let bus = bus::Bus::connect(&bus::Settings { url: fixture.nats.url(), ..bus::Settings::default() }).await.unwrap();
    eventually("its hints are removed", || async { bus.locations_with_hints().await.unwrap().is_empty().then_some(()) }).await;
    drop(bus);

    // The settings list it, and do not bring it back.
    fixture.restart().await;
    assert_eq!(fixture.log.mirrored().find(&here()).await.unwrap().unwrap().state, MirrorState::Retired);
    let request = api::PauseLocationRequest { location_id: LOCATION.to_owned(), ..Default::default() };
    let refused = client(&fixture.grpc).await.pause_location(request).await.unwrap_err();
    assert!(refused.message().contains("location add"), "{refused}");
    let kept = fixture.history("c-1").await.len();
    assert_eq!((agency.world().asked.len(), kept), (asked, 3), "nothing is asked, and what was mirrored stays");

    agency.put("c-2", 2);
    fixture.add("").await.unwrap();
    fixture.until_history("c-2", &FIRST).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_obeys() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("paused-replicas", agency.clone(), SOON).await;
    let other = fixture.another().await;
    fixture.until_backfilled().await;
    let request = api::PauseLocationRequest { location_id: LOCATION.to_owned(), ..Default::default() };
    client(&other.grpc).await.pause_location(request).await.unwrap();
    eventually("nobody looks after it", || async { fixture.log.leases().holder_address(&here()).await.unwrap().is_none().then_some(()) })
        .await;
    let request = api::ResumeLocationRequest { location_id: LOCATION.to_owned(), ..Default::default() };
    client(&fixture.grpc).await.resume_location(request).await.unwrap();
    eventually("somebody looks after it", || async { fixture.log.leases().holder_address(&here()).await.unwrap() }).await;
    other.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_replaced_in_its_file_counts_without_a_restart() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.world().token = "pit-one".to_owned();
    let file = embedded::scratch("token-file").join("token");
    std::fs::write(&file, "pit-one\n").unwrap();
    let locations = format!("locations = [{{ id = \"{LOCATION}\", token_file = \"{}\" }}]", file.display());
    // Of itself, the location would be asked again in an hour.
    let more = format!("{SOON}{locations}\nretry.token_pause = \"1h\"\n");
    let fixture = PollerFixture::start("token-file", agency.clone(), &more).await;
    fixture.until_backfilled().await;

    agency.world().token = "pit-two".to_owned();
    agency.put("c-2", 2);
    assert_eq!(fixture.send("ContactCreate", json!({"id": "c-2"})).await, 200);
    eventually("it is paused", || async { Some(fixture.to_mend().await).filter(|told| told.contains("its token file")) }).await;
    std::fs::write(&file, "pit-two\n").unwrap();
    eventually("it goes on", || async { fixture.to_mend().await.is_empty().then_some(()) }).await;
    agency.put("c-3", 3);
    assert_eq!(fixture.send("ContactCreate", json!({"id": "c-3"})).await, 200);
    fixture.until_history("c-3", &FIRST).await;
    fixture.stop().await;
}
