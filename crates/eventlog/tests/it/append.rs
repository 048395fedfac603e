//! Appending what was observed.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use domain::{
    Body, DeliveryFact, DeliveryOutcome, Listing, LocationId, Moment, Net, Observation, OperatorFact, Record, RecordKind, Sighting, Stored,
};
use eventlog::{Entry, Error, EventFilter, EventLog, Settings};
use futures::FutureExt;
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{at, contact_id, database, observe, readable, seen, seen_with_notes, types, verify};

fn opened(stored: Vec<Stored>) -> Vec<domain::Recorded> {
    stored.into_iter().map(readable).collect()
}

fn act(verb: &str) -> Entry {
    Entry {
        contact_id: None,
        record: None,
        occurred_at: at(1),
        cause: Net::Operator { who: "ann".to_owned() }.into(),
        traceparent: None,
        body: Body::Operator(OperatorFact { verb: verb.to_owned(), detail: json!({"text": "\u{0} é"}) }),
    }
}

#[tokio::test]
async fn what_is_appended_is_what_is_read() {
    let db = database("append_read").await;
    let first = db.observe(seen_with_notes("c1", "Ann", 1, &[("n1", "hello"), ("n2", "<p>you</p>")])).await;
    let second = db.observe(seen_with_notes("c1", "Ann B.", 2, &[("n1", "hello")])).await;
    assert_eq!(types(&first), ["contact.appeared", "note.appeared", "note.appeared"]);
    assert_eq!(types(&second), ["contact.changed", "note.vanished"]);
    assert_eq!(first.iter().chain(&second).map(|recorded| recorded.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let all: Vec<_> = first.into_iter().chain(second).collect();
    assert_eq!(opened(db.log.read(&db.location, 0, 100).await.unwrap()), all);
    assert_eq!(opened(db.log.read(&db.location, 2, 2).await.unwrap()), all[2..4]);
    let mut newest_first = all;
    newest_first.reverse();
    assert_eq!(
        opened(db.log.answers().history(&db.location, &contact_id("c1"), &EventFilter::default(), None, 100).await.unwrap()),
        newest_first
    );
    assert_eq!(
        opened(db.log.answers().history(&db.location, &contact_id("c1"), &EventFilter::default(), Some(4), 2).await.unwrap()),
        newest_first[2..4]
    );
    assert_eq!(verify(&db.log, &db.location).await.unwrap().head, 5);
}

#[tokio::test]
async fn an_unchanged_observation_appends_nothing() {
    let db = database("append_unchanged").await;
    assert_eq!(db.observe(seen_with_notes("c1", "Ann", 1, &[("n1", "hello")])).await.len(), 2);
    assert_eq!(db.observe(seen_with_notes("c1", "Ann", 2, &[("n1", "hello")])).await, []);
    // The same contact three times in one batch: the second and third see what the first has left.
    let twice = [seen("c2", "Bob", 3), seen("c2", "Bob", 4), seen("c2", "Bo", 5)];
    assert_eq!(types(&observe(&db.log, &db.location, &twice).await.unwrap()), ["contact.appeared", "contact.changed"]);
    assert_eq!(db.head().await, 4);
    let contacts = [contact_id("c1"), contact_id("c2"), contact_id("c3")];
    let known = db.log.known().of(&db.location, &contacts, &[RecordKind::Contact]).await.unwrap();
    let updated_at: Vec<_> = known.into_iter().map(|(id, known)| (id, known.looks.updated_at)).collect();
    assert_eq!(updated_at, [(contact_id("c1"), Some(Moment::At(at(2)))), (contact_id("c2"), Some(Moment::At(at(5))))]);
}

#[tokio::test]
async fn an_observation_asked_for_earlier_than_what_is_known_is_ignored() {
    let db = database("append_stale").await;
    db.observe(seen("c1", "new", 10)).await;
    assert_eq!(db.observe(seen("c1", "old", 9)).await, []);
    db.observe(seen("c1", "new", 20)).await;
    assert_eq!(db.observe(seen("c1", "old", 19)).await, []);
}

#[tokio::test]
async fn a_record_seen_singly_and_unchanged_holds_off_an_older_look() {
    let db = database("append_confirmed").await;
    let singly = |body: &str, asked| {
        let seen = seen_with_notes("c1", "Ann", asked, &[("n1", body)]);
        let Some(Listing::Complete(notes)) = seen.listings.get(&RecordKind::Note) else { unreachable!() };
        let notes = Listing::Partial(notes.iter().map(|(id, note)| (id.clone(), Some(note.clone()))).collect());
        Observation { contact: Sighting::NotAsked, listings: [(RecordKind::Note, notes)].into(), ..seen }
    };
    assert_eq!(db.observe(singly("hello", 1)).await.len(), 1);
    assert_eq!(db.observe(singly("hello", 5)).await, []);
    assert_eq!(db.observe(singly("older", 4)).await, []);
    assert_eq!(types(&db.observe(singly("newer", 6)).await), ["note.changed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_observers_of_one_contact_conclude_one_change() {
    let db = database("append_race").await;
    let mut observers = JoinSet::new();
    for _ in 0..16 {
        let (log, location) = (db.log.clone(), db.location.clone());
        observers.spawn(async move { observe(&log, &location, &[seen("c1", "Ann", 1)]).await.expect("observe").len() });
    }
    assert_eq!(observers.join_all().await.into_iter().sum::<usize>(), 1);
    assert_eq!(db.head().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn places_have_no_gap_however_many_append_at_once_and_fail() {
    let db = database("append_gapless").await;
    let mut appenders = JoinSet::new();
    for number in 0..40 {
        let (log, location) = (db.log.clone(), db.location.clone());
        appenders.spawn(async move {
            let verb = format!("try_{number}");
            if number % 4 == 0 {
                // Given up somewhere on the way: the first polls begin a transaction, the drop rolls it back.
                let mut append = Box::pin(log.append(&location, vec![act(&verb), act(&verb)]));
                for _ in 0..number {
                    if let Some(done) = append.as_mut().now_or_never() {
                        return done.is_ok();
                    }
                    tokio::task::yield_now().await;
                }
                return false;
            }
            log.append(&location, vec![act(&verb), act(&verb), act(&verb)]).await.is_ok()
        });
    }
    // Meanwhile connections are cut.
    let mut owner = db.as_owner().await;
    for _ in 0..5 {
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1",
        )
        .execute(&mut owner)
        .await
        .unwrap();
    }
    let succeeded = appenders.join_all().await.into_iter().filter(|ok| *ok).count();
    assert!(succeeded > 20, "{succeeded}");
    // Over connections of its own: among the others is one that was cut while it idled.
    let log = EventLog::connect(&db.service).await.unwrap();
    let events = log.read(&db.location, 0, 1_000).await.unwrap();
    let positions: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(positions, (1..=events.len() as u64).collect::<Vec<_>>());
    assert_eq!(verify(&log, &db.location).await.unwrap().head, events.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_append_that_is_given_up_leaves_its_connection_as_it_was() {
    let db = database("append_given_up").await;
    let log = EventLog::connect(&Settings { connections_max: NonZeroU32::MIN, ..db.service.clone() }).await.unwrap();
    let many = || (0..200).map(|number| act(&format!("try_{number}"))).collect::<Vec<_>>();
    for wait in 0..25 {
        let appended = tokio::time::timeout(Duration::from_micros(400 * wait), log.append(&db.location, many())).await;
        assert!(!matches!(appended, Ok(Err(_))), "{appended:?}");
        assert_eq!(log.append(&db.location, vec![act("after")]).await.unwrap().len(), 1);
    }
    assert_eq!(log.append(&db.location, many()).await.unwrap().len(), 200);
    let events = log.read(&db.location, 0, 10_000).await.unwrap();
    assert_eq!(verify(&log, &db.location).await.unwrap().head, events.len() as u64);
    assert_eq!(opened(events).iter().filter(|event| matches!(&event.body, Body::Operator(fact) if fact.verb == "after")).count(), 25);
}

#[tokio::test]
async fn locations_have_logs_of_their_own() {
    let db = database("append_locations").await;
    let hostile = LocationId::new("a'; DROP TABLE events; -- * > é").unwrap();
    assert!(matches!(observe(&db.log, &hostile, &[]).await, Ok(none) if none.is_empty()));
    let observation = Observation { location_id: hostile.clone(), ..seen("c\"1", "Ann", 1) };
    assert!(matches!(observe(&db.log, &hostile, std::slice::from_ref(&observation)).await, Err(Error::NotFound)));
    let connected = db.log.locations().connect(&hostile, at(5)).await.unwrap();
    assert_eq!((connected.connected_at, connected.epoch, connected.head), (at(5), 1, 0));
    assert_eq!(db.log.locations().connect(&hostile, at(9)).await.unwrap().connected_at, at(5));
    assert_eq!(observe(&db.log, &hostile, std::slice::from_ref(&observation)).await.unwrap()[0].seq, 1);
    // An observation of another location is not taken for one of this.
    assert_eq!(observe(&db.log, &db.location, &[observation]).await.unwrap(), []);
    assert_eq!(db.log.answers().history(&hostile, &contact_id("c\"1"), &EventFilter::default(), None, 10).await.unwrap().len(), 1);
    assert_eq!(verify(&db.log, &hostile).await.unwrap().head, 1);
    assert_eq!(db.head().await, 1);
}

#[tokio::test]
async fn a_batch_larger_than_a_transaction_becomes_several() {
    let db = database("append_batches").await;
    let settings = Settings { transaction_records_max: const { NonZeroUsize::new(7).unwrap() }, ..db.service.clone() };
    let log = EventLog::connect(&settings).await.unwrap();
    let observations: Vec<_> = (0..50).map(|number| seen_with_notes(&format!("c{number}"), "Ann", 1, &[("n1", "a")])).collect();
    let recorded = observe(&log, &db.location, &observations).await.unwrap();
    assert_eq!(recorded.iter().map(|recorded| recorded.seq).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
    assert_eq!(observe(&log, &db.location, &observations).await.unwrap(), []);
    verify(&db.log, &db.location).await.unwrap();
}

#[tokio::test]
async fn a_contact_with_thousands_of_notes_and_notes_of_100_kib_are_appended() {
    let db = database("append_large").await;
    let ids: Vec<String> = (0..5_000).map(|number| format!("n{number}")).collect();
    let long = "x\u{0}🙂 ".repeat(15_000);
    let notes: Vec<(&str, &str)> =
        ids.iter().enumerate().map(|(number, id)| (id.as_str(), if number < 200 { long.as_str() } else { "short" })).collect();
    assert_eq!(db.observe(seen_with_notes("c1", "Ann", 1, &notes)).await.len(), 5_001);
    assert_eq!(db.observe(seen_with_notes("c1", "Ann", 2, &notes)).await, []);
    assert_eq!(verify(&db.log, &db.location).await.unwrap().head, 5_001);
}

#[tokio::test]
async fn instants_beyond_every_calendar_do_not_stop_the_others() {
    let db = database("append_instants").await;
    let mut hostile = seen("c1", "Ann", 1);
    if let Sighting::Present { shown, .. } = &mut hostile.contact
        && let Record::Contact(contact) = &mut shown.record
    {
        contact.added_at = Some(Moment::At(Timestamp::MIN));
        contact.updated_at = Some(Moment::Text("\u{0} never".to_owned()));
    }
    let recorded = observe(&db.log, &db.location, &[hostile, seen("c2", "Bob", 1)]).await.unwrap();
    assert_eq!(recorded.len(), 2);
    assert_eq!(opened(db.log.read(&db.location, 0, 10).await.unwrap()), recorded);
    verify(&db.log, &db.location).await.unwrap();
}

#[tokio::test]
async fn a_damaged_projection_is_healed_from_the_log() {
    let db = database("append_heal").await;
    db.observe(seen("c1", "Ann", 1)).await;
    db.tamper("UPDATE known_records SET content = 'nonsense'").await;
    assert_eq!(db.observe(seen("c1", "Ann", 2)).await, []);
    let changed = db.observe(seen("c1", "Ann B.", 3)).await;
    assert_eq!(types(&changed), ["contact.changed"]);
    assert_eq!(db.log.parked().list(None, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_contact_that_cannot_be_read_at_all_is_parked_alone() {
    let db = database("append_poison").await;
    observe(&db.log, &db.location, &[seen("c1", "Ann", 1), seen("c2", "Bob", 1)]).await.unwrap();
    db.tamper("UPDATE known_records SET content = '{}' WHERE contact_id = 'c1'").await;
    db.tamper("UPDATE events SET payload = '{\"v\":99}' WHERE contact_id = 'c1'").await;
    let both = [seen("c1", "Ann B.", 2), seen("c2", "Bob B.", 2)];
    assert_eq!(types(&observe(&db.log, &db.location, &both).await.unwrap()), ["contact.changed", "delivery.parked"]);
    assert_eq!(types(&observe(&db.log, &db.location, &both).await.unwrap()), [] as [&str; 0]);
    let parked = db.log.parked().list(Some(&db.location), None, 10).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].parking.contact_id, Some(contact_id("c1")));
    assert!(parked[0].parking.reason.contains("event 1.1"), "{}", parked[0].parking.reason);
}

#[tokio::test]
async fn whoever_waits_for_an_append_is_woken_and_misses_none() {
    let db = database("append_wakes").await;
    let mut appends = db.log.clone().appends();
    assert!(appends.wait_for_append().now_or_never().is_none());
    db.observe(seen("c1", "Ann", 1)).await;
    tokio::time::timeout(Duration::from_secs(5), appends.wait_for_append()).await.expect("woken");
    db.observe(seen("c1", "Ann", 2)).await;
    assert!(appends.wait_for_append().now_or_never().is_none());
}

#[tokio::test]
async fn what_a_person_did_is_appended() {
    let db = database("append_operator").await;
    assert_eq!(db.log.append(&db.location, vec![act("paused")]).await.unwrap()[0].seq, 1);
    let empty = DeliveryFact { outcome: DeliveryOutcome::Delivered, deliveries: Vec::new() };
    let entries = vec![act("a"), Entry { body: Body::Delivery(empty), traceparent: Some("bad\r\n".to_owned()), ..act("b") }];
    let appended = db.log.append(&db.location, entries).await.unwrap();
    assert_eq!(types(&appended), ["operator.a", "delivery.delivered"]);
    assert_eq!(opened(db.log.read(&db.location, 1, 10).await.unwrap()), appended);
}
