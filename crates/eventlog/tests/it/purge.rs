//! Purging a location.

use std::time::Duration;

use domain::{Body, LocationId, Observation};
use eventlog::{
    ContactMessage, Decision, Error, EventFilter, EventLog, MirrorState, Opened, Parking, PurgeRequest, PurgeStep, Settings, Stage,
};
use secrecy::SecretString;
use settings::Period;
use sqlx::Row;

use crate::support::{self, TestDatabase, at, contact_id, database, delivered, parked, seen, seen_with_notes, verify};

const KEY: &str = "one:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const BY: Decision<'_> = Decision { who: "ann", reason: "" };

async fn sealed_log(db: &TestDatabase) -> EventLog {
    let settings =
        Settings { kek: SecretString::from(KEY.to_owned()), erasures_checked_every: Period::from_millis(20), ..db.service.clone() };
    EventLog::connect(&settings).await.unwrap()
}

fn purge(leave_plain_events: bool) -> PurgeRequest {
    PurgeRequest { reason: "the contract ended".to_owned(), who: "ann".to_owned(), leave_plain_events }
}

async fn rows(db: &TestDatabase, query: &'static str) -> i64 {
    sqlx::query(query).fetch_one(&mut db.as_owner().await).await.unwrap().get(0)
}

async fn observe(db: &TestDatabase, log: &EventLog, observation: Observation) {
    support::observe(log, &db.location, &[observation]).await.unwrap();
}

/// Some contacts with notes, deliveries and parked work, retired.
async fn retired(db: &TestDatabase, log: &EventLog, contacts: usize) {
    for number in 0..contacts {
        let id = format!("c{number}");
        observe(db, log, seen_with_notes(&id, "Ann Secret", 1, &[(&format!("n{number}"), "a secret note")])).await;
        log.ledger().settle(&db.location, &[delivered(&id, 1), parked(&id, 2)]).await.unwrap();
    }
    log.mirrored().seed(&[&db.location]).await.unwrap();
    log.mirrored().retire(&db.location, BY).await.unwrap();
}

/// Whether something was refused because the location was purged.
fn is_purged<T>(outcome: Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::InState { state: MirrorState::Purged }))
}

/// What is kept of a location beside its events, but for what says that it was purged.
const LEFT: &str = "SELECT (SELECT count(*) FROM contact_keys WHERE location_id = 'loc' AND wrapped IS NOT NULL) \
     + (SELECT count(*) FROM known_records WHERE location_id = 'loc') + (SELECT count(*) FROM known_contacts WHERE location_id = 'loc') \
     + (SELECT count(*) FROM ledger WHERE location_id = 'loc') + (SELECT count(*) FROM parked WHERE location_id = 'loc') \
     + (SELECT count(*) FROM workflow_secrets WHERE location_id = 'loc') + (SELECT count(*) FROM progress WHERE location_id = 'loc')";

#[tokio::test]
async fn a_purged_location_has_no_content_and_its_chain_is_whole() {
    let db = database("purge_all").await;
    let log = sealed_log(&db).await;
    let other = LocationId::new("other").unwrap();
    log.locations().connect(&other, at(0)).await.unwrap();
    let lease = support::lease(&log, &other, "elsewhere", Duration::from_secs(60)).await.unwrap();
    log.observe(&lease, &[Observation { location_id: other.clone(), ..seen("c0", "Bo", 1) }]).await.unwrap();
    let sent = ContactMessage { location_id: db.location.clone(), contact_id: contact_id("c0"), bytes: b"an intent".to_vec() };
    observe(&db, &log, seen("c0", "Ann Secret", 0)).await;
    let sealed = log.keys().seal(vec![sent.clone()]).await.unwrap().remove(0).unwrap();
    retired(&db, &log, 3).await;
    log.webhooks().create_secret(&db.location).await.unwrap();
    let before = log.locations().head(&db.location).await.unwrap();

    let begun = log.purges().begin(&db.location, &purge(false)).await.unwrap();
    assert_eq!((begun.revision.seq, begun.plain_events, begun.workspaces.len()), (before + 1, 0, 1));
    assert_eq!(log.purges().begin(&db.location, &purge(false)).await.unwrap(), begun, "repeating it answers with the first");
    let mut purge = begun;
    while purge.log_at.is_none() {
        purge = log.purges().destroy(&db.location, 4).await.unwrap();
    }
    assert_eq!((purge.keys, rows(&db, LEFT).await), (3, 0));
    assert_eq!(purge.finished_at, None, "the workspace and the bus are left");
    for workspace in &purge.workspaces {
        log.purges().record(&db.location, PurgeStep::Workspace(workspace)).await.unwrap();
    }
    log.purges().record(&db.location, PurgeStep::Bus).await.unwrap();
    assert!(log.purges().find(&db.location).await.unwrap().unwrap().finished_at.is_some());
    assert!(log.purges().unfinished(10).await.unwrap().is_empty());

    // The chain is whole and ends with what was done; nothing of it can be read, nothing of what was sent either.
    assert_eq!(verify(&log, &db.location).await.unwrap().head, before + 1);
    let events = log.read(&db.location, 0, 1_000).await.unwrap();
    assert_eq!(events.last().unwrap().type_name, "operator.location_purged");
    let another = sealed_log(&db).await;
    for log in [&log, &another] {
        for event in log.keys().open(events.clone()).await.unwrap() {
            let is_of_record = event.record.is_some();
            assert_eq!(matches!(event.body.unwrap(), Body::Erased), is_of_record);
        }
    }
    assert_eq!(another.keys().unseal(vec![ContactMessage { bytes: sealed, ..sent }]).await.unwrap(), [Opened::Erased]);
    assert_eq!(log.relay().lags().await.unwrap().get(&db.location), None, "nothing is published any more");
    let of_other = log.answers().history(&other, &contact_id("c0"), &EventFilter::default(), None, 10).await.unwrap();
    let opened = log.keys().open(of_other).await.unwrap();
    assert!(opened.into_iter().all(|event| matches!(event.body.unwrap(), Body::Record(_))), "another location is untouched");
}

#[tokio::test]
async fn nothing_is_appended_to_a_purged_location() {
    let db = database("purge_closed").await;
    let log = sealed_log(&db).await;
    retired(&db, &log, 1).await;
    // Whoever still works on it holds its lease, and an observation that was made before.
    let lease = support::lease(&log, &db.location, "slow", Duration::from_secs(60)).await.unwrap();
    let begun = log.purges().begin(&db.location, &purge(false)).await.unwrap();
    assert!(is_purged(log.observe(&lease, &[seen("c9", "Late", 9)]).await));
    assert!(is_purged(log.ledger().settle(&db.location, &[delivered("c0", 1)]).await));
    let parking = Parking {
        stage: Stage::Writer,
        location_id: db.location.clone(),
        contact_id: Some(contact_id("c0")),
        object: None,
        revision: None,
        subject: "s".to_owned(),
        message: b"Ann Secret".to_vec(),
        reason: "r".to_owned(),
        status: None,
        attempts: 1,
        traceparent: None,
    };
    assert!(is_purged(log.parked().park(parking).await));
    assert!(is_purged(log.mirrored().add(&db.location, None, BY).await));
    assert!(is_purged(log.mirrored().resume(&db.location, BY).await));
    assert!(is_purged(log.mirrored().retire(&db.location, BY).await));
    log.mirrored().seed(&[&db.location]).await.unwrap();
    assert_eq!(log.mirrored().find(&db.location).await.unwrap().unwrap().state, MirrorState::Purged);
    assert_eq!(log.locations().head(&db.location).await.unwrap(), begun.revision.seq);
    assert_eq!(log.replays().forget(Duration::ZERO).await.unwrap(), 0, "what is regularly forgotten goes on");
}

#[tokio::test]
async fn a_purge_goes_on_after_a_crash_between_any_two_batches() {
    let db = database("purge_crash").await;
    retired(&db, &sealed_log(&db).await, 5).await;
    let begun = sealed_log(&db).await.purges().begin(&db.location, &purge(false)).await.unwrap();
    let (mut batches, mut last) = (0, begun.clone());
    while last.log_at.is_none() {
        // A process that knows nothing of the one before.
        let log = sealed_log(&db).await;
        assert_eq!(log.purges().begin(&db.location, &purge(false)).await.unwrap(), last);
        assert_eq!(log.purges().unfinished(10).await.unwrap(), [last.clone()]);
        last = log.purges().destroy(&db.location, 3).await.unwrap();
        batches += 1;
    }
    assert!(batches > 5, "{batches}");
    assert_eq!((last.keys, last.revision, rows(&db, LEFT).await), (5, begun.revision, 0));
    assert_eq!(verify(&db.log, &db.location).await.unwrap().head, begun.revision.seq, "one event says so");
}

#[tokio::test]
async fn what_cannot_be_purged_is_not_promised() {
    let db = database("purge_refused").await;
    observe(&db, &db.log, seen("c1", "Ann Plain", 1)).await;
    db.log.mirrored().seed(&[&db.location]).await.unwrap();
    let early = db.log.purges().begin(&db.location, &purge(false)).await;
    assert!(matches!(early, Err(Error::InState { state: MirrorState::Active })), "it has to be retired");
    db.log.mirrored().retire(&db.location, BY).await.unwrap();
    let refused = db.log.purges().begin(&db.location, &purge(false)).await;
    assert!(matches!(refused, Err(Error::PlainEvents { count: 1 })));
    assert_eq!(db.log.mirrored().find(&db.location).await.unwrap().unwrap().state, MirrorState::Retired, "nothing was done");
    assert_eq!(db.log.purges().begin(&db.location, &purge(true)).await.unwrap().plain_events, 1);
    let nobody = LocationId::new("nobody").unwrap();
    assert!(matches!(db.log.purges().begin(&nobody, &purge(false)).await, Err(Error::NotFound)));
}
