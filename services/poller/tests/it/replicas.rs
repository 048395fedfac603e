//! Several replicas over the same log and bus.

use std::collections::BTreeMap;

use bus::{Bus, Outgoing, Stream, Subject};
use domain::{Cause, LocationId, Names, Net, Observation, Sighting};
use eventlog::Lease;
use proto::source::v1 as api;
use proto::source::v1::source_client::SourceClient;
use serde_json::json;
use tonic::{Code, Request};

use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually, here, who};

const APPEARED: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];

/// Where the replica is reached that holds the location.
async fn holder(fixture: &PollerFixture) -> Option<String> {
    fixture.log.leases().holder_address(&here()).await.unwrap()
}

async fn until_held_by(fixture: &PollerFixture, address: &str) {
    eventually("taken over", || async { (holder(fixture).await.as_deref() == Some(address)).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_replica_dies_another_goes_on_where_it_was() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let lease = "lease.ttl = \"900ms\"\nlease.renew_interval = \"150ms\"\n";
    let fixture = PollerFixture::start("replica-dies", agency.clone(), lease).await;
    fixture.until_backfilled().await;
    assert_eq!(holder(&fixture).await.as_ref(), Some(&fixture.grpc));
    let mut other = fixture.another().await;
    agency.rename("c-1", "New", "2020-01-01T00:00:09.000Z");
    assert_eq!(other.send(&fixture, "ContactUpdate", json!({"id": "c-1"})).await, 200, "whoever gets the webhook");
    fixture.until_history("c-1", &[&APPEARED[..], &["contact.changed"]].concat()).await;
    assert_eq!(holder(&fixture).await.as_ref(), Some(&fixture.grpc), "the holder stays");
    fixture.kill();
    until_held_by(&fixture, &other.grpc).await;
    agency.rename("c-1", "Newer", "2020-01-01T00:00:19.000Z");
    assert_eq!(other.send(&fixture, "ContactUpdate", json!({"id": "c-1"})).await, 200);
    fixture.until_history("c-1", &[&APPEARED[..], &["contact.changed", "contact.changed"]].concat()).await;
    other.stop().await;
    fixture.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_hands_over_immediately() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let mut fixture =
        PollerFixture::start("replica-stops", agency.clone(), "lease.ttl = \"10m\"\nlease.renew_interval = \"100ms\"\n").await;
    fixture.until_backfilled().await;
    assert_eq!(holder(&fixture).await.as_ref(), Some(&fixture.grpc));
    let mut other = fixture.another().await;
    fixture.stop_poller().await;
    until_held_by(&fixture, &other.grpc).await;
    agency.rename("c-1", "New", "2020-01-01T00:00:09.000Z");
    assert_eq!(other.send(&fixture, "ContactUpdate", json!({"id": "c-1"})).await, 200);
    fixture.until_history("c-1", &[&APPEARED[..], &["contact.changed"]].concat()).await;
    other.stop().await;
    fixture.close().await;
}

/// Whether this replica makes calls for the location, for which it needs no database.
async fn works(source: &SourceClient<tonic::transport::Channel>) -> bool {
    let arguments_json = json!({"contactId": "c-1"}).to_string();
    let call = api::CallRequest { operation: "get-contact".to_owned(), arguments_json, ..api::CallRequest::default() };
    source.clone().call(signed(call)).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_away_for_longer_than_a_lease_costs_no_replica_its_leases() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let lease = "lease.ttl = \"900ms\"\nlease.renew_interval = \"150ms\"\n";
    let mut fixture = PollerFixture::start("replica-cut-off", agency.clone(), lease).await;
    fixture.until_backfilled().await;
    let source = SourceClient::connect(fixture.grpc.clone()).await.unwrap();
    eventually("works", || async { works(&source).await.then_some(()) }).await;
    let postgres = fixture.kill_postgres().await;
    eventually("stops before another could begin", || async { (!works(&source).await).then_some(()) }).await;
    fixture.revive_postgres(postgres).await;
    eventually("works again", || async { works(&source).await.then_some(()) }).await;
    let first = Lease { location_id: here(), token: 1 };
    let elsewhere = Observation { location_id: LocationId::new("elsewhere").unwrap(), ..nothing_seen() };
    fixture.log.observe(&first, &[elsewhere]).await.expect("it is still the lease that was given first");
    agency.rename("c-1", "New", "2020-01-01T00:00:09.000Z");
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    fixture.until_history("c-1", &[&APPEARED[..], &["contact.changed"]].concat()).await;
    fixture.stop().await;
}

fn nothing_seen() -> Observation {
    Observation {
        location_id: here(),
        contact_id: who("c-1"),
        asked_at: jiff::Timestamp::now(),
        connected_at: jiff::Timestamp::now(),
        contact: Sighting::NotAsked,
        listings: BTreeMap::new(),
        names: Names::default(),
        cause: Cause::from(Net::Poll),
        traceparent: None,
    }
}

fn signed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", "Bearer control".parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_grows_is_not_taken_for_one_that_lost_messages() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("replica-stream", agency, "settled.interval = \"1ms\"\n").await;
    let others = [fixture.another().await, fixture.another().await];
    fixture.until_backfilled().await;
    let backfilled = async || fixture.log.passes().progress(&here()).await.unwrap().backfill.finished_at;
    let before = backfilled().await;
    // Hints of a location that nobody looks after: each is remembered by whichever replica looks first.
    let bus = Bus::connect(&bus::Settings { url: fixture.nats.url(), ..bus::Settings::default() }).await.unwrap();
    let subject = Subject::hints(&LocationId::new("elsewhere").unwrap(), None, "look");
    for _ in 0..3_000 {
        bus.publish(Outgoing { subject: subject.clone(), id: None, traceparent: None, body: b"{}".to_vec() }).await.unwrap();
    }
    let last = bus.stream_seen(Stream::Hints).await.unwrap().last_sequence;
    let remembered = || async { fixture.log.relay().stream("HINTS").await.unwrap().filter(|seen| seen.last_sequence >= last) };
    eventually("remembered to the end", remembered).await;
    assert_eq!(backfilled().await, before, "no backfill was begun again");
    for other in others {
        other.stop().await;
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_may_be_asked_and_the_holder_answers() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("replica-asked", agency.clone(), "lease.ttl = \"10m\"\nlease.renew_interval = \"100ms\"\n").await;
    fixture.until_backfilled().await;
    let other = fixture.another().await;
    let mut source = SourceClient::connect(other.grpc.clone()).await.unwrap();
    let budget = eventually("connected to the locations", || async {
        let mut source = source.clone();
        Some(source.get_budget(signed(api::GetBudgetRequest::default())).await.ok()?.into_inner())
    })
    .await;
    let backfill = budget.lanes.iter().find(|lane| lane.lane == "backfill").unwrap();
    assert!(backfill.calls > 0, "the holder's own count");
    let arguments_json = json!({"contactId": "c-1"}).to_string();
    let call = api::CallRequest { operation: "get-contact".to_owned(), arguments_json, ..api::CallRequest::default() };
    let answer = source.call(signed(call)).await.unwrap().into_inner();
    assert!(answer.answer_json.contains("c-1"));
    let mut told = source.verify_source(signed(api::VerifySourceRequest::default())).await.unwrap().into_inner();
    let mut last = api::VerifySourceResponse::default();
    while let Some(next) = told.message().await.unwrap() {
        last = next;
    }
    assert_eq!((last.done, last.checked, last.differing), (true, 1, 0));
    let unsigned = source.get_budget(api::GetBudgetRequest::default()).await.unwrap_err();
    assert_eq!(unsigned.code(), Code::Unauthenticated);

    fixture.kill();
    let dead = eventually("the holder is not reached", || async {
        let refused = SourceClient::connect(other.grpc.clone()).await.unwrap().get_budget(signed(api::GetBudgetRequest::default())).await;
        refused.err().filter(|status| status.message().contains("is not reached"))
    })
    .await;
    assert_eq!(dead.code(), Code::Unavailable);
    assert!(dead.message().contains(&fixture.grpc), "{}", dead.message());
    other.stop().await;
    fixture.close().await;
}
