//! What becomes of intents, whatever happens on the way.

use domain::{Action, Content, DeliveryOutcome, ObjectKind, Policy, ProjectContent, Workspace};

use crate::bridge::Fault;
use crate::stage::{Stage, TRACE};

const MANY: u64 = 200;

fn expected(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(key, title)| ((*key).to_owned(), (*title).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn intents_reach_the_workspace_and_the_log() {
    let stage = Stage::set("writer-writes").await;
    let writer = stage.run();
    let start = Action::Put(Box::new(Content::Project(ProjectContent { title: "Onboarding".to_owned(), ..ProjectContent::default() })));
    let once = stage.intent(ObjectKind::Project, "rule:onboarding/1", 1, Policy::Once, start);
    stage.publish(&[stage.contact(1), stage.task("a", 2), stage.task("b", 3), stage.removal("a", 4), once.clone()]).await;
    stage.until_settled().await;
    let held = expected(&[("ghl:contact/ann", "Ann as of 1"), ("ghl:task/b", "b as of 3"), ("rule:onboarding/1", "Onboarding")]);
    assert_eq!(stage.holds(), held);
    assert_eq!(stage.happened("ghl:contact/ann", DeliveryOutcome::Delivered).await, 1);
    assert_eq!(stage.bridge.held().traceparents.iter().collect::<Vec<_>>(), [TRACE], "without export the trace is passed on as it came");

    // Older, repeated and started again: nothing is asked of the bridge.
    let (requests, deliveries) = (stage.bridge.requests(), stage.deliveries().await);
    stage.publish(&[stage.task("b", 2), stage.task("b", 3), stage.task("a", 2), stage.removal("b", 1), once]).await;
    stage.until_settled().await;
    assert_eq!((stage.holds(), stage.bridge.requests(), stage.deliveries().await), (held, requests, deliveries));
    writer.stop().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_it_was_away_is_written_once_with_its_newest_content() {
    let stage = Stage::set("writer-coalesces").await;
    for seq in 1..=MANY {
        stage.publish(&[stage.task(&(seq % 5).to_string(), seq)]).await;
    }
    let writer = stage.run();
    stage.until_settled().await;
    assert_eq!(stage.holds().values().filter(|title| title.ends_with("as of 200")).count(), 1);
    assert_eq!(stage.holds().len(), 5);
    assert!(stage.bridge.held().writes < 50, "{} writes for 5 objects", stage.bridge.held().writes);
    writer.stop().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_refused_parks_alone_and_can_be_sent_again() {
    let stage = Stage::set("writer-parks").await;
    stage.bridge.held().refused.insert("ghl:task/bad".to_owned());
    let writer = stage.run();
    stage.publish(&[stage.task("a", 1), stage.task("bad", 2), stage.task("b", 3)]).await;
    stage.publish_bytes(b"{\"not\": \"an intent\"}").await;
    stage.until_settled().await;
    assert_eq!(stage.holds(), expected(&[("ghl:task/a", "a as of 1"), ("ghl:task/b", "b as of 3")]));
    let parked = stage.log.parked().list(None, None, 10).await.unwrap();
    let mut reasons: Vec<_> = parked.iter().map(|parked| (parked.parking.status, parked.parking.reason.clone())).collect();
    reasons.sort();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].1.starts_with("not an intent that this writer understands"), "{reasons:?}");
    assert_eq!(reasons[1], (Some(422), "422 invalid_content".to_owned()));

    stage.bridge.held().refused.clear();
    let waiting = parked.into_iter().find(|parked| parked.parking.status.is_some()).unwrap();
    let redriven = stage.log.parked().redrive(&stage.location_id, waiting.id, "ops").await.unwrap();
    let subject = bus::Subject::parse(&redriven.parking.subject).unwrap();
    stage.bus.publish(bus::Outgoing { subject, id: None, traceparent: None, body: redriven.parking.message }).await.unwrap();
    stage.until_settled().await;
    assert_eq!(stage.holds().get("ghl:task/bad").map(String::as_str), Some("bad as of 2"));
    assert_eq!(stage.log.parked().list(None, None, 10).await.unwrap().len(), 1, "the delivery resolved what waited");
    writer.stop().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_refused_as_a_whole_is_split_until_the_culprit_stands_alone() {
    let stage = Stage::set("writer-splits").await;
    stage.bridge.held().poison.insert("ghl:task/17".to_owned());
    for n in 0..40 {
        stage.publish(&[stage.task(&n.to_string(), n + 1)]).await;
    }
    let writer = stage.run();
    stage.until_settled().await;
    assert_eq!(stage.holds().len(), 39);
    assert_eq!(stage.happened("ghl:task/17", DeliveryOutcome::Parked).await, 1);
    assert_eq!(stage.log.parked().list(None, None, 10).await.unwrap().len(), 1);
    writer.stop().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_on_its_way_to_a_retired_workspace_does_not_bring_it_back() {
    let stage = Stage::set("writer-retired").await;
    let shadow = Workspace::new("shadow").unwrap();
    stage.log.workspaces().create(&stage.location_id, &shadow, None, "ann").await.unwrap();
    let writer = stage.run();
    let (into_shadow, live) = (|seq| stage.task("a", seq).bound_for(&shadow, 0), |seq| stage.task("a", seq));
    stage.publish(&[into_shadow(1)]).await;
    stage.until_settled().await;
    assert_eq!(stage.bridge.holds("shadow").len(), 1);
    stage.log.workspaces().retire(&stage.location_id, &shadow, "ann").await.unwrap();
    stage.bridge.held().workspaces.remove("shadow");
    stage.publish(&[into_shadow(2), live(2)]).await;
    stage.until_settled().await;
    assert!(!stage.bridge.held().workspaces.contains_key("shadow"));
    assert_eq!(stage.holds(), expected(&[("ghl:task/a", "a as of 2")]), "the live one goes on");
    assert!(stage.log.parked().list(None, None, 10).await.unwrap().is_empty());
    writer.stop().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_for_and_nothing_is_parked() {
    let stage = Stage::set("writer-waits").await;
    let outage = [503, 429, 500, 401, 403, 404, 502].map(Fault::Status);
    stage.bridge.held().faults.extend(outage.into_iter().chain([Fault::AnswerLost]));
    let writer = stage.run();
    stage.publish(&[stage.contact(1), stage.task("a", 2)]).await;
    stage.until("the outage is over", async || stage.bridge.held().faults.is_empty()).await;
    stage.until_settled().await;
    assert_eq!(stage.holds().len(), 2);
    assert_eq!(stage.log.parked().list(None, None, 10).await.unwrap(), []);
    assert_eq!(stage.happened("ghl:task/a", DeliveryOutcome::Delivered).await, 1);
    writer.stop().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_time_loses_nothing_and_writes_nothing_twice() {
    let stage = Stage::set("writer-crashes").await;
    let mut wanted = std::collections::BTreeMap::new();
    for seq in 1..=MANY {
        let id = (seq % 70).to_string();
        stage.publish(&[stage.task(&id, seq)]).await;
        wanted.insert(format!("ghl:task/{id}"), format!("{id} as of {seq}"));
        if seq % 40 == 0 {
            let before = stage.bridge.requests();
            let writer = stage.run();
            stage.until("a request was made", async || stage.bridge.requests() > before).await;
            writer.crash();
        }
    }
    let (one, two) = (stage.run(), stage.run());
    stage.until_settled().await;
    assert_eq!(stage.holds(), wanted);
    let applied: std::collections::BTreeMap<_, _> = stage.deliveries().await;
    for key in wanted.keys() {
        assert!(applied.contains_key(&(key.clone(), "delivered")), "{key}");
    }
    one.stop().await;
    two.stop().await;
    let writes = stage.bridge.held().writes;
    assert!(writes <= usize::try_from(MANY).unwrap(), "{writes} writes for {MANY} intents");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_and_the_bus_may_go_away_and_come_back() {
    let mut stage = Stage::set("writer-recovers").await;
    let writer = stage.run();
    stage.publish(&[stage.task("a", 1)]).await;
    stage.until_settled().await;
    stage.restart_postgres(async |stage| stage.publish(&[stage.task("a", 2), stage.task("b", 3)]).await).await;
    stage.until_settled().await;
    assert_eq!(stage.holds(), expected(&[("ghl:task/a", "a as of 2"), ("ghl:task/b", "b as of 3")]));
    stage.restart_nats().await;
    stage.publish(&[stage.task("c", 4)]).await;
    stage.until_settled().await;
    assert_eq!(stage.holds().len(), 3);
    assert_eq!(stage.log.parked().list(None, None, 10).await.unwrap(), []);
    writer.stop().await;
    stage.close().await;
}
