//! Several locations in one sandbox, and the limits that each of them has.

use std::time::Duration;

use sandbox::{Limit, Limits, Settings, Webhook};
use serde_json::json;

use crate::common::{Client, start};

#[tokio::test]
async fn locations_have_people_and_tokens_of_their_own() {
    let sandbox = start(Settings { locations: 2, ..Settings::default() }).await;
    let worlds = sandbox.agency().worlds();
    let [first, second] = worlds.as_slice() else { panic!("two locations") };
    assert_eq!((first.location_id(), first.token()), (sandbox.location_id(), sandbox.token()));
    assert_ne!(first.location_id(), second.location_id());
    assert_eq!(first.company_id(), second.company_id());
    first.populate(1, 5);
    second.populate(1, 3);
    assert_eq!((first.contact_count(), second.contact_count()), (5, 3));
    assert!(second.contact_ids().iter().all(|id| !first.contact_ids().contains(id)));
    let id = second.create_contact(&json!({"firstName": "Ada"}), Webhook::Sent).unwrap();
    let client = Client::of(&sandbox);
    assert_eq!(client.get(&format!("/contacts/{id}")).await.0, 400);
    let client = client.with_token(second.token());
    assert_eq!(client.get(&format!("/contacts/{id}")).await.1["contact"]["locationId"], json!(second.location_id()));
    assert_eq!((first.stats().calls_total, second.stats().calls_total), (1, 1));

    let there = format!("location={}", second.location_id());
    assert_eq!(client.get(&format!("/sandbox/contacts?{there}")).await.1["total"], 4);
    let (status, _) = client.put(&format!("/sandbox/contacts/{id}?webhook=lost&{there}"), &json!({"city": "Oslo"})).await;
    assert_eq!(status, 200);
    assert_eq!(client.post(&format!("/sandbox/populate?contacts=2&{there}"), &json!(null)).await.1["contacts"], 6);
    assert_eq!(client.get("/sandbox/stats?location=nowhere").await.0, 400);
    let (_, app) = client.get("/sandbox/app").await;
    assert_eq!(app["locations"][1]["contacts"], 6);
}

#[tokio::test]
async fn a_private_token_may_be_replaced_or_taken_away() {
    let sandbox = start(Settings::default()).await;
    let (client, agency) = (Client::of(&sandbox), sandbox.agency());
    let path = format!("/locations/{}", sandbox.location_id());
    agency.set_private_token(sandbox.location_id(), Some("pit-new"));
    assert_eq!((client.get(&path).await.0, client.with_token("pit-new").get(&path).await.0), (401, 200));
    agency.set_private_token(sandbox.location_id(), None);
    assert_eq!(client.with_token("pit-new").get(&path).await.0, 401);
}

#[tokio::test]
async fn every_call_beyond_a_location_s_limits_is_noted_and_no_other_location_suffers() {
    let limits = Limits { burst: 3, interval: Duration::from_mins(1), day: 4, ..Limits::default() };
    let sandbox = start(Settings { locations: 2, limits, ..Settings::default() }).await;
    let worlds = sandbox.agency().worlds();
    let client = Client::of(&sandbox);
    let path = format!("/locations/{}", sandbox.location_id());
    for expected in [200, 200, 200, 429, 429] {
        assert_eq!(client.get(&path).await.0, expected);
    }
    let noted = worlds[0].limits_violated();
    assert_eq!(noted.iter().map(|noted| (noted.limit, noted.used, noted.allowed)).collect::<Vec<_>>(), [(Limit::Burst, 3, 3); 2]);
    assert_eq!(worlds[0].stats().limited, 2);
    assert!(worlds[1].limits_violated().is_empty());
    worlds[0].set_limits(Limits { burst: 100, ..limits });
    let statuses = (client.get(&path).await.0, client.get(&path).await.0);
    assert_eq!(statuses, (200, 429), "the day is spent");
    assert_eq!(worlds[0].limits_violated().last().map(|noted| noted.limit), Some(Limit::Day));
    assert_eq!(client.get("/sandbox/violations").await.1.as_array().map(Vec::len), Some(3));
}
