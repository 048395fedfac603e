//! One replica at a time.

use std::time::Duration;

use domain::LocationId;
use eventlog::Error;

use crate::support::{database, seen, types};

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_location_is_held_by_one_at_a_time_and_the_token_grows() {
    let db = database("leases_one").await;
    let first = db.log.leases().acquire(&db.location, "a", LONG).await.unwrap().unwrap();
    assert_eq!(db.log.leases().acquire(&db.location, "b", LONG).await.unwrap(), None);
    assert_eq!(
        db.log.leases().acquire(&db.location, "a", LONG).await.unwrap(),
        None,
        "not even by the holder again: it may be another life"
    );
    db.log.leases().release(&first).await.unwrap();
    let second = db.log.leases().acquire(&db.location, "b", LONG).await.unwrap().unwrap();
    assert!(second.token > first.token);
    db.log.leases().release(&first).await.unwrap();
    assert_eq!(db.log.leases().acquire(&db.location, "c", LONG).await.unwrap(), None, "only the holder gives it back");
}

#[tokio::test]
async fn a_lease_that_nobody_took_can_be_renewed_and_one_that_was_taken_cannot() {
    let db = database("leases_renewed").await;
    let lease = db.log.leases().acquire(&db.location, "a", Duration::ZERO).await.unwrap().unwrap();
    let held = db.log.leases().renew(std::slice::from_ref(&lease), Duration::ZERO).await.unwrap();
    assert!(held.contains(&db.location), "it expired and nobody noticed");
    let next = db.log.leases().acquire(&db.location, "b", LONG).await.unwrap().unwrap();
    assert!(db.log.leases().renew(&[lease], LONG).await.unwrap().is_empty());
    assert_eq!(db.log.leases().renew(&[next], LONG).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_many_that_want_a_lease_at_once_one_gets_it() {
    let db = database("leases_race").await;
    let wants = (0..20).map(|number| {
        let (log, location) = (db.log.clone(), db.location.clone());
        async move { log.leases().acquire(&location, &number.to_string(), LONG).await.unwrap() }
    });
    let got = futures::future::join_all(wants).await;
    assert_eq!(got.into_iter().flatten().count(), 1);
}

#[tokio::test]
async fn what_a_stale_holder_appends_is_refused() {
    let db = database("leases_fenced").await;
    let stale = db.log.leases().acquire(&db.location, "a", Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(types(&db.log.observe(&stale, &[seen("c1", "Ann", 1)]).await.unwrap()), ["contact.appeared"]);
    let holder = db.log.leases().acquire(&db.location, "b", LONG).await.unwrap().unwrap();
    let refused = db.log.observe(&stale, &[seen("c1", "Bob", 2)]).await;
    assert!(matches!(refused, Err(Error::Superseded { .. })), "{refused:?}");
    assert!(matches!(db.log.known().confirm(&stale, &[seen("c1", "Ann", 2)]).await, Err(Error::Superseded { .. })));
    assert_eq!(db.head().await, 1);
    assert_eq!(types(&db.log.observe(&holder, &[seen("c1", "Bob", 2)]).await.unwrap()), ["contact.changed"]);
}

#[tokio::test]
async fn the_holder_says_where_it_is_reached() {
    let db = database("leases_address").await;
    db.log.leases().heartbeat("a", "http://a:1", LONG).await.unwrap();
    assert_eq!(db.log.leases().holder_address(&db.location).await.unwrap(), None, "nobody holds it");
    let lease = db.log.leases().acquire(&db.location, "a", LONG).await.unwrap().unwrap();
    assert_eq!(db.log.leases().holder_address(&db.location).await.unwrap().as_deref(), Some("http://a:1"));
    db.log.leases().heartbeat("a", "http://a:2", LONG).await.unwrap();
    assert_eq!(db.log.leases().holder_address(&db.location).await.unwrap().as_deref(), Some("http://a:2"));
    db.log.leases().release(&lease).await.unwrap();
    assert_eq!(db.log.leases().holder_address(&db.location).await.unwrap(), None);
}

#[tokio::test]
async fn replicas_that_died_are_not_counted() {
    let db = database("leases_alive").await;
    assert_eq!(db.log.leases().heartbeat("a", "http://a:1", LONG).await.unwrap(), 1);
    assert_eq!(db.log.leases().heartbeat("b", "http://b:1", LONG).await.unwrap(), 2);
    assert_eq!(db.log.leases().heartbeat("c", "", Duration::ZERO).await.unwrap(), 2, "dead as soon as it was born");
    db.log.leases().leave("b").await.unwrap();
    assert_eq!(db.log.leases().heartbeat("a", "http://a:1", LONG).await.unwrap(), 1);
    assert!(
        db.log.leases().acquire(&LocationId::new("elsewhere").unwrap(), "a", LONG).await.unwrap().is_some(),
        "locations do not share leases"
    );
}
