//! From the log to the bus.

use std::collections::BTreeMap;

use eventlog::{EventLog, RelayBatch, RelayTurn, StreamState};

use crate::support::{TestDatabase, at, database, observe, seen};

async fn five_events(name: &str) -> TestDatabase {
    let db = database(name).await;
    let observations: Vec<_> = (0..5).map(|number| seen(&format!("c{number}"), "Ann", 1)).collect();
    observe(&db.log, &db.location, &observations).await.unwrap();
    db
}

async fn next(db: &TestDatabase, log: &EventLog, limit: u32) -> Option<RelayBatch> {
    match log.relay().next(&db.location, limit).await.unwrap() {
        RelayTurn::Batch(batch) => Some(batch),
        RelayTurn::Idle => None,
        RelayTurn::Busy => panic!("busy"),
    }
}

fn positions(batch: &RelayBatch) -> Vec<u64> {
    batch.events.iter().map(|event| event.seq).collect()
}

fn ids(batch: &RelayBatch) -> Vec<String> {
    batch.events.iter().map(|event| batch.message_id(event)).collect()
}

#[tokio::test]
async fn the_cursor_moves_when_a_batch_is_done_and_survives() {
    let db = five_events("relay_cursor").await;
    assert_eq!(db.log.relay().behind().await.unwrap(), std::slice::from_ref(&db.location));
    let batch = next(&db, &db.log, 3).await.unwrap();
    assert_eq!(ids(&batch), ["loc:1.1", "loc:1.2", "loc:1.3"]);
    batch.done().await.unwrap();
    let after_a_restart = EventLog::connect(&db.service).await.unwrap();
    let batch = next(&db, &after_a_restart, 10).await.unwrap();
    assert_eq!(positions(&batch), [4, 5]);
    batch.done().await.unwrap();
    assert!(next(&db, &db.log, 10).await.is_none());
    assert_eq!(db.log.relay().behind().await.unwrap(), []);
    assert_eq!(db.log.relay().positions().await.unwrap(), BTreeMap::from([(db.location.clone(), 5)]));
}

#[tokio::test]
async fn a_batch_that_is_dropped_comes_again() {
    let db = five_events("relay_dropped").await;
    drop(next(&db, &db.log, 3).await.unwrap());
    // The lease is given back in the background.
    let batch = loop {
        match db.log.relay().next(&db.location, 3).await.unwrap() {
            RelayTurn::Batch(batch) => break batch,
            RelayTurn::Busy => tokio::task::yield_now().await,
            RelayTurn::Idle => panic!("lost"),
        }
    };
    assert_eq!(positions(&batch), [1, 2, 3]);
}

#[tokio::test]
async fn one_location_is_relayed_by_one_at_a_time_and_appending_goes_on() {
    let db = five_events("relay_busy").await;
    let batch = next(&db, &db.log, 3).await.unwrap();
    assert!(matches!(db.log.relay().next(&db.location, 3).await.unwrap(), RelayTurn::Busy));
    assert_eq!(db.observe(seen("c9", "Zoe", 2)).await.len(), 1);
    batch.done().await.unwrap();
    assert_eq!(positions(&next(&db, &db.log, 10).await.unwrap()), [4, 5, 6]);
}

#[tokio::test]
async fn a_rewound_relay_begins_at_the_settled_mark_under_new_message_ids() {
    let db = five_events("relay_rewind").await;
    next(&db, &db.log, 10).await.unwrap().done().await.unwrap();
    db.log.relay().save_settled(&BTreeMap::from([(db.location.clone(), 3)])).await.unwrap();
    db.log.relay().save_settled(&BTreeMap::from([(db.location.clone(), 2)])).await.unwrap();
    db.log.relay().rewind().await.unwrap();
    let batch = next(&db, &db.log, 10).await.unwrap();
    assert_eq!(ids(&batch), ["loc:1.4~1", "loc:1.5~1"]);
    batch.done().await.unwrap();
    db.log.relay().rewind().await.unwrap();
    assert_eq!(ids(&next(&db, &db.log, 1).await.unwrap()), ["loc:1.4~2"]);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_parked_and_the_others_go_on() {
    let db = five_events("relay_poison").await;
    db.tamper("UPDATE events SET cause = '{\"by\":\"telepathy\"}' WHERE seq = 2").await;
    let batch = next(&db, &db.log, 3).await.unwrap();
    assert_eq!(positions(&batch), [1, 3]);
    batch.done().await.unwrap();
    assert_eq!(positions(&next(&db, &db.log, 10).await.unwrap()), [4, 5]);
    let parked = db.log.parked().list(None, None, 10).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert!(parked[0].parking.reason.contains("event 1.2"), "{}", parked[0].parking.reason);
}

#[tokio::test]
async fn what_was_seen_of_a_stream_is_remembered() {
    let db = database("relay_streams").await;
    assert_eq!(db.log.relay().stream("EVENTS").await.unwrap(), None);
    for last_sequence in [7, 9] {
        let seen = StreamState { created_at: at(last_sequence.try_into().unwrap()), last_sequence };
        db.log.relay().remember_stream("EVENTS", &seen).await.unwrap();
        assert_eq!(db.log.relay().stream("EVENTS").await.unwrap(), Some(seen));
    }
}
