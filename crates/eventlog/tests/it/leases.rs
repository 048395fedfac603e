//! One replica at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::LocationId;
use eventlog::{Error, EventLog, Lease, Turn};

use crate::support::{TestDatabase, database, lease, replica, seen, types};

const LONG: Duration = Duration::from_secs(600);

fn locations(count: usize) -> Vec<LocationId> {
    (0..count).map(|number| LocationId::new(format!("loc-{number:03}")).unwrap()).collect()
}

async fn turn(db: &TestDatabase, instance: &str, ttl: Duration, candidates: &[LocationId]) -> Option<Turn> {
    db.log.leases().turn(&replica(instance, ttl), candidates).await.unwrap()
}

async fn join(log: &EventLog, instance: &str, ttl: Duration, candidates: &[LocationId]) -> Turn {
    log.leases().join(&replica(instance, ttl), candidates).await.unwrap()
}

fn ids(leases: &[Lease]) -> BTreeSet<&LocationId> {
    leases.iter().map(|lease| &lease.location_id).collect()
}

#[tokio::test]
async fn a_location_is_held_by_one_at_a_time_and_the_token_grows() {
    let db = database("leases_one").await;
    let first = lease(&db.log, &db.location, "a", LONG).await.unwrap();
    assert_eq!(lease(&db.log, &db.location, "b", LONG).await, None);
    db.log.leases().release(std::slice::from_ref(&first)).await.unwrap();
    let second = lease(&db.log, &db.location, "c", LONG).await.unwrap();
    assert!(second.token > first.token);
    db.log.leases().release(&[first]).await.unwrap();
    assert_eq!(lease(&db.log, &db.location, "d", LONG).await, None, "only the holder gives it back");
}

#[tokio::test]
async fn one_turn_takes_a_share_of_a_thousand_locations_and_keeps_it_by_one_row() {
    let db = database("leases_share").await;
    let all = locations(1_000);
    let first = join(&db.log, "a", LONG, &all).await;
    assert_eq!((first.held.len(), first.share), (1_000, 1_000));
    let second = join(&db.log, "b", LONG, &all).await;
    assert_eq!((second.held.len(), second.share), (0, 500), "what is held is not taken");
    let kept = turn(&db, "a", LONG, &all).await.unwrap();
    assert_eq!((ids(&kept.held), kept.share), (ids(&first.held), 500));
    db.log.leases().release(&first.held[500..]).await.unwrap();
    assert_eq!(ids(&turn(&db, "b", LONG, &all).await.unwrap().held), ids(&first.held[500..]));
    let mut service = db.as_service().await;
    let before = row_versions(&mut service).await;
    turn(&db, "a", LONG, &all).await.unwrap();
    turn(&db, "b", LONG, &all).await.unwrap();
    assert_eq!(row_versions(&mut service).await, before, "keeping leases writes nothing to them");
}

/// What every lease's row was last written by.
async fn row_versions(connection: &mut sqlx::PgConnection) -> Vec<String> {
    sqlx::query_scalar("SELECT location_id || xmin FROM location_leases ORDER BY 1").fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn a_late_replica_keeps_what_nobody_took_and_takes_nothing_more() {
    let db = database("leases_late").await;
    let all = locations(3);
    let held = join(&db.log, "a", Duration::ZERO, &all[..2]).await.held;
    let late = turn(&db, "a", LONG, &all).await.unwrap();
    assert_eq!(late.held, held, "they are still its, with the same tokens");
    assert_eq!(turn(&db, "a", LONG, &all).await.unwrap().held.len(), 3, "now it is in time");
}

#[tokio::test]
async fn a_replica_that_was_declared_dead_holds_nothing() {
    let db = database("leases_dead").await;
    let all = locations(4);
    let stale = join(&db.log, "a", Duration::ZERO, &all).await.held;
    let taken = join(&db.log, "b", LONG, &all).await.held;
    assert_eq!(ids(&taken), ids(&stale));
    assert!(taken.iter().zip(&stale).all(|(new, old)| new.token > old.token));
    assert_eq!(turn(&db, "a", LONG, &all).await, None);
    assert_eq!(join(&db.log, "a2", LONG, &all).await, Turn { held: Vec::new(), share: 2 });
}

#[tokio::test]
async fn a_lease_that_a_program_before_this_one_wrote_down_counts_until_its_end() {
    let db = database("leases_before").await;
    let written = |until: &'static str| {
        let statement = "INSERT INTO location_leases VALUES ('loc', 'old', 7, now() + $1::interval) \
            ON CONFLICT (location_id) DO UPDATE SET expires_at = excluded.expires_at";
        sqlx::query(statement).bind(until)
    };
    let mut service = db.as_service().await;
    written("1 hour").execute(&mut service).await.unwrap();
    assert_eq!(lease(&db.log, &db.location, "a", LONG).await, None, "its holder need not be among the pollers of today");
    written("-1 second").execute(&mut service).await.unwrap();
    assert_eq!(lease(&db.log, &db.location, "b", LONG).await.unwrap().token, 8);
}

#[tokio::test]
async fn of_many_that_want_a_lease_at_once_one_gets_it() {
    let db = database("leases_race").await;
    let wants = (0..20).map(|number| {
        let (log, location) = (db.log.clone(), db.location.clone());
        async move { lease(&log, &location, &number.to_string(), LONG).await }
    });
    let got = futures::future::join_all(wants).await;
    assert_eq!(got.into_iter().flatten().count(), 1);
}

#[tokio::test]
async fn of_many_that_take_over_at_once_each_gets_its_own() {
    let db = database("leases_take_over").await;
    let all = locations(100);
    join(&db.log, "dead", Duration::ZERO, &all).await;
    let logs = futures::future::join_all((0..4).map(|_| EventLog::connect(&db.service))).await;
    let names = ["a", "b", "c", "d"];
    let taken = logs.iter().zip(names).map(|(log, name)| join(log.as_ref().unwrap(), name, LONG, &all));
    let taken = futures::future::join_all(taken).await;
    let mut held: Vec<&Lease> = taken.iter().flat_map(|turn| &turn.held).collect();
    held.sort_by_key(|lease| &lease.location_id);
    held.dedup_by_key(|lease| &lease.location_id);
    assert_eq!(held.len(), taken.iter().map(|turn| turn.held.len()).sum::<usize>(), "nothing is held twice");
    assert!(held.len() >= 25, "whoever was first got its share");
}

#[tokio::test]
async fn what_a_stale_holder_appends_is_refused() {
    let db = database("leases_fenced").await;
    let stale = lease(&db.log, &db.location, "a", Duration::ZERO).await.unwrap();
    assert_eq!(types(&db.log.observe(&stale, &[seen("c1", "Ann", 1)]).await.unwrap()), ["contact.appeared"]);
    let holder = lease(&db.log, &db.location, "b", LONG).await.unwrap();
    let refused = db.log.observe(&stale, &[seen("c1", "Bob", 2)]).await;
    assert!(matches!(refused, Err(Error::Superseded { .. })), "{refused:?}");
    assert!(matches!(db.log.known().confirm(&stale, &[seen("c1", "Ann", 2)]).await, Err(Error::Superseded { .. })));
    assert_eq!(db.head().await, 1);
    assert_eq!(types(&db.log.observe(&holder, &[seen("c1", "Bob", 2)]).await.unwrap()), ["contact.changed"]);
}

#[tokio::test]
async fn the_holder_says_where_it_is_reached() {
    let db = database("leases_address").await;
    assert_eq!(db.log.leases().holder_address(&db.location).await.unwrap(), None, "nobody holds it");
    let lease = lease(&db.log, &db.location, "a", LONG).await.unwrap();
    assert_eq!(db.log.leases().holder_address(&db.location).await.unwrap().as_deref(), Some("http://a:1"));
    let moved = eventlog::Replica { address: "http://a:2".to_owned(), ..replica("a", LONG) };
    db.log.leases().turn(&moved, std::slice::from_ref(&db.location)).await.unwrap();
    assert_eq!(db.log.leases().holder_address(&db.location).await.unwrap().as_deref(), Some("http://a:2"));
    db.log.leases().release(&[lease]).await.unwrap();
    assert_eq!(db.log.leases().holder_address(&db.location).await.unwrap(), None);
}

#[tokio::test]
async fn replicas_that_died_or_left_get_no_share() {
    let db = database("leases_alive").await;
    let all = locations(6);
    assert_eq!(join(&db.log, "a", LONG, &[]).await.share, 0);
    assert_eq!(join(&db.log, "b", LONG, &all).await.share, 3);
    assert_eq!(join(&db.log, "c", Duration::ZERO, &[]).await.held, [], "dead as soon as it was born");
    assert_eq!(turn(&db, "a", LONG, &all).await.unwrap().share, 3);
    db.log.leases().leave(&replica("b", LONG)).await.unwrap();
    let left = turn(&db, "a", LONG, &all).await.unwrap();
    assert_eq!((left.share, left.held.len()), (6, 6), "those who left need not give back first");
}
