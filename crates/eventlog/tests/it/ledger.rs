//! What was brought to Pagico.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use domain::{Applied, DeliveryOutcome, ObjectKey, Policy, Revision, Workspace};
use eventlog::{Error, EventLog, Settings, Settlement};
use sqlx::PgConnection;

use crate::support::{TestDatabase, contact_id, database, delivered, note_key, parked, readable, settlement, verify};

async fn applied(db: &TestDatabase, object: &ObjectKey) -> Option<Applied> {
    let workspace = Workspace::live_of(&db.location);
    let hostile = ObjectKey::from("\u{0}".to_owned());
    db.log.ledger().applied(&db.location, &workspace, &[object.clone(), hostile]).await.unwrap().remove(object)
}

fn mirror(seq: u64) -> Option<Applied> {
    Some(Applied { revision: Revision { epoch: 1, seq }, edition: 0, policy: Policy::Mirror })
}

async fn settle(db: &TestDatabase, settlements: &[Settlement]) {
    db.log.ledger().settle(&db.location, settlements).await.unwrap();
}

#[tokio::test]
async fn the_ledger_never_moves_back() {
    let db = database("ledger_monotonic").await;
    let object = ObjectKey::of_contact(&contact_id("c1"));
    settle(&db, &[delivered("c1", 5)]).await;
    settle(&db, &[delivered("c1", 4)]).await;
    assert_eq!(applied(&db, &object).await, mirror(5));
    // In one batch the newest counts, wherever it stands.
    settle(&db, &[delivered("c1", 7), delivered("c1", 9), delivered("c1", 8)]).await;
    assert_eq!(applied(&db, &object).await, mirror(9));
    let next_epoch = Settlement { revision: Revision { epoch: 2, seq: 1 }, ..delivered("c1", 1) };
    settle(&db, std::slice::from_ref(&next_epoch)).await;
    settle(&db, &[delivered("c1", 100)]).await;
    assert_eq!(applied(&db, &object).await.map(|applied| applied.revision), Some(next_epoch.revision));
}

#[tokio::test]
async fn a_repeated_settlement_appends_nothing() {
    let db = database("ledger_repeated").await;
    let batch = [delivered("c1", 5), settlement("c1", note_key("n1"), 6, DeliveryOutcome::Delivered), parked("c2", 7)];
    settle(&db, &batch).await;
    let events = db.log.read(&db.location, 0, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.type_name.as_str()).collect::<Vec<_>>(), ["delivery.delivered", "delivery.parked"]);
    settle(&db, &batch).await;
    assert_eq!(db.head().await, 2);
    assert_eq!(db.log.parked().list(None, None, 10).await.unwrap().len(), 1);
    verify(&db.log, &db.location).await.unwrap();
}

#[tokio::test]
async fn one_event_tells_of_all_objects_of_a_contact_that_ended_the_same_way() {
    let db = database("ledger_grouped").await;
    let traced = Settlement { traceparent: Some("00-a-b-01".to_owned()), ..delivered("c1", 2) };
    let refused = settlement("c1", note_key("n2"), 3, DeliveryOutcome::Refused);
    settle(&db, &[delivered("c2", 1), settlement("c1", note_key("n1"), 3, DeliveryOutcome::Delivered), traced, refused]).await;
    let events = db.log.read(&db.location, 0, 10).await.unwrap();
    let shown: Vec<_> = events
        .into_iter()
        .map(|event| {
            let recorded = readable(event);
            let domain::Body::Delivery(fact) = recorded.body else { panic!("no delivery") };
            (recorded.contact_id.unwrap().to_string(), fact.outcome, fact.deliveries.len(), recorded.traceparent)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("c1".to_owned(), DeliveryOutcome::Delivered, 2, Some("00-a-b-01".to_owned())),
            ("c1".to_owned(), DeliveryOutcome::Refused, 1, None),
            ("c2".to_owned(), DeliveryOutcome::Delivered, 1, None),
        ]
    );
    assert_eq!(applied(&db, &note_key("n2")).await, None);
}

#[tokio::test]
async fn what_was_started_for_the_user_is_known_as_theirs() {
    let db = database("ledger_once").await;
    let object = ObjectKey::from("rule:onboarding/1".to_owned());
    let started = Settlement { policy: Policy::Once, ..settlement("c1", object.clone(), 3, DeliveryOutcome::Delivered) };
    settle(&db, &[started]).await;
    assert_eq!(applied(&db, &object).await.map(|applied| applied.policy), Some(Policy::Once));
}

#[tokio::test]
async fn many_settlements_become_several_transactions() {
    let db = database("ledger_many").await;
    let log = EventLog::connect(&Settings { transaction_records_max: const { NonZeroUsize::new(10).unwrap() }, ..db.service.clone() })
        .await
        .unwrap();
    let settlements: Vec<_> = (1..=95).map(|seq| delivered(&format!("c{seq}"), seq)).collect();
    log.ledger().settle(&db.location, &settlements).await.unwrap();
    assert_eq!(db.head().await, 95);
    assert_eq!(applied(&db, &ObjectKey::of_contact(&contact_id("c95"))).await, mirror(95));
}

#[tokio::test]
async fn hostile_keys_and_answers_are_kept_as_far_as_they_can_be() {
    let db = database("ledger_hostile").await;
    let hostile = |key: &str| Settlement {
        answer: "no \u{0} answer".to_owned(),
        ..settlement("c1", ObjectKey::from(key.to_owned()), 1, DeliveryOutcome::Delivered)
    };
    settle(&db, &[hostile("a'\u{0}"), hostile("a'\u{fffd}"), hostile("\"; *>🙂")]).await;
    settle(&db, &[Settlement { object: ObjectKey::from("b\u{0}".to_owned()), ..parked("c1", 2) }]).await;
    assert_eq!(applied(&db, &ObjectKey::from("\"; *>🙂".to_owned())).await, mirror(1));
    verify(&db.log, &db.location).await.unwrap();
}

#[tokio::test]
async fn a_location_that_was_never_connected_has_no_ledger() {
    let db = database("ledger_unknown").await;
    let unknown = domain::LocationId::new("elsewhere").unwrap();
    assert!(matches!(db.log.ledger().settle(&unknown, &[delivered("c1", 1)]).await, Err(Error::NotFound)));
}

/// Rows read of the ledger so far, and how often its contacts were looked up, as far as the server has counted it.
async fn counted(owner: &mut PgConnection) -> (i64, i64, i64) {
    let row = sqlx::query_as(
        "SELECT t.n_tup_ins, (t.seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'ledger'))::bigint, \
         (SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'ledger_of_contact') \
         FROM pg_stat_user_tables t WHERE t.relname = 'ledger'",
    );
    row.fetch_one(owner).await.unwrap()
}

#[tokio::test]
async fn looking_up_an_object_reads_its_row_alone_though_nobody_analyzed_the_table() {
    const CONTACTS: u64 = 2_000;
    let db = database("ledger_never_analyzed").await;
    let mut owner = db.as_owner().await;
    sqlx::raw_sql("ALTER TABLE ledger SET (autovacuum_enabled = false)").execute(&mut owner).await.unwrap();
    let all: Vec<Settlement> = (1..=CONTACTS).map(|number| delivered(&format!("c{number}"), number)).collect();
    for some in all.chunks(200) {
        settle(&db, some).await;
    }
    let asked: Vec<&str> = all.iter().map(|one| one.contact_id.as_str()).collect();
    let workspace = Workspace::live_of(&db.location);
    for some in asked.chunks(200) {
        assert_eq!(db.log.ledger().held(&db.location, &workspace, some).await.unwrap().len(), some.len());
    }
    // A connection that ends tells the server what it read.
    drop(db);
    let begun = Instant::now();
    let wanted = i64::try_from(CONTACTS).unwrap();
    let read = loop {
        let (inserted, read, of_contacts) = counted(&mut owner).await;
        if inserted >= wanted && of_contacts >= wanted {
            break read;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{inserted} rows, {of_contacts} contacts looked up, {read} rows read");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(read <= 10 * wanted, "{read} rows were read for {wanted} objects");
}
