//! Several replicas over the same log and bus.

use serde_json::json;

use crate::agency::Agency;
use crate::house::{House, eventually, here};

const APPEARED: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];

async fn holder(house: &House) -> Option<eventlog::Holding> {
    house.log.holdings().await.unwrap().into_iter().find(|holding| holding.location_id == here())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_replica_dies_another_goes_on_where_it_was() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let lease = "lease.ttl = \"900ms\"\nlease.renew_interval = \"150ms\"\n";
    let house = House::start("replica-dies", agency.clone(), lease).await;
    house.until_backfilled().await;
    let first = holder(&house).await.unwrap();
    let mut other = house.another().await;
    agency.rename("c-1", "New", "2020-01-01T00:00:09.000Z");
    assert_eq!(other.send(&house, "ContactUpdate", json!({"id": "c-1"})).await, 200, "whoever gets the webhook");
    house.until_history("c-1", &[&APPEARED[..], &["contact.changed"]].concat()).await;
    assert_eq!(holder(&house).await.unwrap().token, first.token, "the holder stays");
    house.kill();
    let second = eventually("taken over", || async { holder(&house).await.filter(|holding| holding.token > first.token) }).await;
    assert_ne!(second.holder, first.holder);
    agency.rename("c-1", "Newer", "2020-01-01T00:00:19.000Z");
    assert_eq!(other.send(&house, "ContactUpdate", json!({"id": "c-1"})).await, 200);
    house.until_history("c-1", &[&APPEARED[..], &["contact.changed", "contact.changed"]].concat()).await;
    other.stop().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_hands_over_at_once() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let mut house = House::start("replica-stops", agency.clone(), "lease.ttl = \"10m\"\nlease.renew_interval = \"100ms\"\n").await;
    house.until_backfilled().await;
    let first = holder(&house).await.unwrap();
    let mut other = house.another().await;
    house.stop_poller().await;
    eventually("taken over", || async { holder(&house).await.filter(|holding| holding.token > first.token) }).await;
    agency.rename("c-1", "New", "2020-01-01T00:00:09.000Z");
    assert_eq!(other.send(&house, "ContactUpdate", json!({"id": "c-1"})).await, 200);
    house.until_history("c-1", &[&APPEARED[..], &["contact.changed"]].concat()).await;
    other.stop().await;
    house.close().await;
}
