//! What the poller reports about GHL: the budget, the coverage, and where the log differs from GHL.

use domain::ContactId;
use eventlog::ErasureRequest;
use proto::source::v1 as api;
use proto::source::v1::source_client::SourceClient;
use serde_json::json;
use tonic::Request;
use tonic::transport::Channel;

use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually, here};

/// No net looks by itself.
const STILL: &str = "watch.interval = \"1h\"\nwatch.tasks_interval = \"1h\"\nwatch.appointments_interval = \"1h\"\n\
    sweep.notes_within = \"10h\"\nsweep.notes_interval = \"1h\"\nverify.recheck_pause = \"10ms\"\n";

async fn source(fixture: &PollerFixture) -> SourceClient<Channel> {
    SourceClient::connect(fixture.grpc.clone()).await.unwrap()
}

fn signed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", "Bearer control".parse().unwrap());
    request
}

async fn verified(fixture: &PollerFixture, contact_id: &str) -> (u64, Vec<api::RecordDifference>) {
    let request = api::VerifySourceRequest { location_id: String::new(), contact_id: contact_id.to_owned() };
    let mut answers = source(fixture).await.verify_source(signed(request)).await.unwrap().into_inner();
    let (mut differences, mut last) = (Vec::new(), api::VerifySourceResponse::default());
    while let Some(answer) = answers.message().await.unwrap() {
        differences.extend(answer.differences.clone());
        last = answer;
    }
    assert!(last.done);
    assert_eq!(last.differing, differences.len() as u64);
    differences.sort_by_key(|difference| (difference.contact_id.clone(), difference.kind.clone()));
    (last.checked, differences)
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_between_ghl_and_the_log_are_reported_field_by_field() {
    let agency = Agency::default();
    for id in ["c-1", "c-2", "c-3"] {
        agency.put(id, 1);
    }
    let fixture = PollerFixture::start("verify", agency.clone(), STILL).await;
    fixture.until_backfilled().await;
    assert_eq!(verified(&fixture, "").await, (3, Vec::new()));

    agency.rename("c-1", "New", "2020-01-01T00:00:09.000Z");
    agency.remove("c-2");
    agency.put("c-4", 1);
    let (checked, differences) = verified(&fixture, "").await;
    assert_eq!(checked, 4);
    let told: Vec<_> = differences.iter().map(|difference| (difference.record_id.as_str(), difference.difference.as_str())).collect();
    let expected = [
        ("c-1", "changed"),
        ("c-2", "vanished"),
        ("n-c-2", "vanished"),
        ("t-c-2", "vanished"),
        ("c-4", "appeared"),
        ("n-c-4", "appeared"),
        ("t-c-4", "appeared"),
    ];
    assert_eq!(told, expected);
    let field = &differences[0].fields[0];
    assert_eq!((field.field.as_str(), field.log_json.as_str(), field.ghl_json.as_str()), ("first_name", "\"Name c-1\"", "\"New\""));
    assert_eq!(verified(&fixture, "c-1").await.1.len(), 1);
    assert_eq!(verified(&fixture, "c-3").await, (1, Vec::new()));
    assert_eq!(fixture.log.locations().list().await.unwrap()[0].head, 9, "comparing appends nothing");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_contact_is_neither_asked_for_nor_reported_as_different() {
    let agency = Agency::default();
    for id in ["c-1", "c-2"] {
        agency.put(id, 1);
    }
    let fixture = PollerFixture::start("verify-erased", agency.clone(), STILL).await;
    fixture.until_backfilled().await;
    let erased = ContactId::new("c-1").unwrap();
    let erase = ErasureRequest { reason: "asked".to_owned(), who: "ann".to_owned(), leave_plain_events: true };
    fixture.log.erasures().erase(&here(), &erased, &erase).await.unwrap();
    let asked = agency.asked("/contacts/c-1");
    assert_eq!(verified(&fixture, "").await, (2, Vec::new()));
    assert_eq!(verified(&fixture, "c-1").await, (1, Vec::new()));
    assert_eq!(agency.asked("/contacts/c-1"), asked);
    fixture.log.erasures().lift(&here(), &erased, "ann").await.unwrap();
    assert_eq!(verified(&fixture, "").await.1.len(), 3);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_and_budget_report_what_each_net_found_and_what_it_cost() {
    let agency = Agency::default();
    for number in 0..20 {
        agency.put(&format!("c-{number:02}"), 1);
    }
    let fixture = PollerFixture::start("coverage", agency.clone(), STILL).await;
    fixture.until_backfilled().await;
    agency.rename("c-01", "New", "2020-01-01T00:00:09.000Z");
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-01"})).await, 200);
    let found = || async {
        let coverage = source(&fixture).await.get_coverage(signed(api::GetCoverageRequest::default())).await.unwrap().into_inner();
        let contacts = coverage.kinds.into_iter().find(|kind| kind.kind == "contact").unwrap();
        contacts.webhook_at.is_some().then_some(contacts)
    };
    let contacts = eventually("the webhook is noted", found).await;
    assert_eq!((contacts.present, contacts.missed_rate), (20, Some(0.0)));
    let changes = |net: &str| contacts.found.iter().find(|found| found.net == net).map(|found| found.changes);
    assert_eq!((changes("webhook"), changes("backfill"), changes("sweep")), (Some(1), Some(20), None));

    let budget = source(&fixture).await.get_budget(signed(api::GetBudgetRequest::default())).await.unwrap().into_inner();
    let calls = |lane: &str| budget.lanes.iter().find(|of| of.lane == lane).unwrap().calls;
    assert_eq!(calls("hints"), 4, "one look");
    assert!((20..40).contains(&calls("backfill")), "{} calls for 20 contacts", calls("backfill"));
    assert_eq!(budget.day_calls_max, 200_000);
    fixture.stop().await;
}
