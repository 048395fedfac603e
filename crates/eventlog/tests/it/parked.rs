//! What waits for a person.

use domain::{LocationId, Net, Revision};
use eventlog::{Error, Parking, Stage};
use uuid::Uuid;

use crate::support::{TestDatabase, contact_id, database, delivered, parked};

fn undecodable(location: &str, message: &[u8]) -> Parking {
    Parking {
        stage: Stage::Mapper,
        location_id: LocationId::new(location).unwrap(),
        contact_id: Some(contact_id("c1")),
        object: None,
        revision: None,
        subject: "events.v1.loc.c1".to_owned(),
        message: message.to_vec(),
        reason: "not an event: \u{0} cut short".to_owned(),
        status: None,
        attempts: 1,
        traceparent: None,
    }
}

async fn only(db: &TestDatabase) -> eventlog::Parked {
    let mut parked = db.log.parked().list(Some(&db.location), None, 10).await.unwrap();
    assert_eq!(parked.len(), 1);
    parked.remove(0)
}

#[tokio::test]
async fn a_parked_delivery_keeps_all_that_is_needed_to_send_it_again() {
    let db = database("parked_kept").await;
    db.log.ledger().settle(&db.location, &[parked("c1", 4)]).await.unwrap();
    let waiting = only(&db).await;
    assert_eq!((waiting.parking.stage, waiting.parking.revision), (Stage::Writer, Some(Revision { epoch: 1, seq: 4 })));
    assert_eq!((waiting.parking.subject.as_str(), waiting.parking.message.as_slice()), ("intents.v1.live.loc.c", &b"intent"[..]));
    assert_eq!((waiting.parking.status, waiting.parking.attempts), (Some(422), 3));
    assert_eq!((waiting.redriven_at, waiting.resolved_at), (None, None));
}

#[tokio::test]
async fn a_redriven_delivery_waits_on_until_it_is_settled() {
    let db = database("parked_redriven").await;
    db.log.ledger().settle(&db.location, &[parked("c1", 4)]).await.unwrap();
    let id = only(&db).await.id;
    let redriven = db.log.parked().redrive(&db.location, id, "ann").await.unwrap();
    assert_eq!(redriven.parking.message, b"intent");
    // A crash before publishing: it is still there and can be sent again.
    assert!(only(&db).await.redriven_at.is_some());
    db.log.parked().redrive(&db.location, id, "ann").await.unwrap();
    db.log.parked().resolve_redriven(&db.location, id).await.unwrap();
    assert_eq!(only(&db).await.id, id);
    db.log.ledger().settle(&db.location, &[delivered("c1", 4)]).await.unwrap();
    assert_eq!(db.log.parked().list(None, None, 10).await.unwrap(), []);
    assert!(matches!(db.log.parked().redrive(&db.location, id, "ann").await, Err(Error::AlreadyResolved)));
    let events = db.log.read(&db.location, 0, 10).await.unwrap();
    let types: Vec<_> = events.iter().map(|event| event.type_name.as_str()).collect();
    assert_eq!(types, ["delivery.parked", "delivery.redriven", "delivery.redriven", "delivery.delivered"]);
    assert_eq!(events[1].cause.net, Net::Operator { who: "ann".to_owned() });
}

#[tokio::test]
async fn a_redriven_delivery_that_fails_again_waits_again() {
    let db = database("parked_again").await;
    db.log.ledger().settle(&db.location, &[parked("c1", 4)]).await.unwrap();
    let id = only(&db).await.id;
    db.log.parked().redrive(&db.location, id, "ann").await.unwrap();
    db.log.ledger().settle(&db.location, &[parked("c1", 4)]).await.unwrap();
    assert_eq!((only(&db).await.id, only(&db).await.redriven_at), (id, None));
    assert_eq!(db.head().await, 3);
}

#[tokio::test]
async fn a_newer_delivery_of_the_object_resolves_what_waits_and_an_older_one_does_not() {
    let db = database("parked_superseded").await;
    db.log.ledger().settle(&db.location, &[parked("c1", 4), parked("c2", 4)]).await.unwrap();
    db.log.ledger().settle(&db.location, &[delivered("c1", 3)]).await.unwrap();
    assert_eq!(db.log.parked().list(None, None, 10).await.unwrap().len(), 2);
    db.log.ledger().settle(&db.location, &[delivered("c1", 9)]).await.unwrap();
    assert_eq!(only(&db).await.parking.contact_id, Some(contact_id("c2")));
    // Parked late, when something newer is there: nothing to wait for.
    db.log.ledger().settle(&db.location, &[parked("c1", 5)]).await.unwrap();
    assert_eq!(only(&db).await.parking.contact_id, Some(contact_id("c2")));
}

#[tokio::test]
async fn the_same_message_parks_once_and_another_parks_beside_it() {
    let db = database("parked_once").await;
    let id = db.log.parked().park(undecodable("loc", b"abc")).await.unwrap();
    assert_eq!(db.log.parked().park(undecodable("loc", b"abc")).await.unwrap(), id);
    assert_ne!(db.log.parked().park(undecodable("loc", b"abd")).await.unwrap(), id);
    assert_eq!(db.head().await, 2);
}

#[tokio::test]
async fn what_is_about_no_object_is_resolved_by_being_published_again() {
    let db = database("parked_published").await;
    let id = db.log.parked().park(undecodable("loc", b"abc")).await.unwrap();
    db.log.parked().resolve_redriven(&db.location, id).await.unwrap();
    assert_eq!(only(&db).await.id, id);
    assert_eq!(db.log.parked().redrive(&db.location, id, "ann").await.unwrap().parking.message, b"abc");
    db.log.parked().resolve_redriven(&db.location, id).await.unwrap();
    assert_eq!(db.log.parked().list(None, None, 10).await.unwrap(), []);
    assert!(matches!(db.log.parked().redrive(&db.location, id, "ann").await, Err(Error::AlreadyResolved)));
}

#[tokio::test]
async fn what_belongs_to_no_known_location_is_kept_too() {
    let db = database("parked_unknown").await;
    let id = db.log.parked().park(undecodable("elsewhere", b"abc")).await.unwrap();
    assert_eq!(db.head().await, 0);
    let elsewhere = LocationId::new("elsewhere").unwrap();
    assert_eq!(db.log.parked().list(Some(&elsewhere), None, 10).await.unwrap()[0].id, id);
    assert_eq!(db.log.parked().redrive(&elsewhere, id, "ann").await.unwrap().id, id);
}

#[tokio::test]
async fn what_does_not_wait_is_not_found() {
    let db = database("parked_missing").await;
    assert!(matches!(db.log.parked().redrive(&db.location, Uuid::from_u128(1), "ann").await, Err(Error::NotFound)));
}

#[tokio::test]
async fn pages_of_what_waits_leave_nothing_out() {
    let db = database("parked_pages").await;
    let mut ids = Vec::new();
    for number in 0..7_u8 {
        ids.push(db.log.parked().park(undecodable("loc", &[number])).await.unwrap());
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = db.log.parked().list(None, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|parked| parked.id));
    }
    assert_eq!(seen, ids);
}
