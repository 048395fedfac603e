//! Whoever is above the guards may change the log, and is found out: by the chain, or by what was signed before.

use std::num::{NonZeroU64, NonZeroUsize};

use domain::Hash;
use eventlog::{Error, Verification, Verified};
use jiff::Timestamp;
use proof::{BEGINNING, Checkpoint, Flaw, FlawKind, Link, SigningKey, extends};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::support::{TestDatabase, database, observe, seen, verify};

const EVENTS: u64 = 12;

async fn twelve_events(name: &str) -> TestDatabase {
    let db = database(name).await;
    let looks: Vec<_> = (0..EVENTS).map(|number| seen(&format!("c{number}"), "Ann", 1)).collect();
    assert_eq!(observe(&db.log, &db.location, &looks).await.unwrap().len() as u64, EVENTS);
    db
}

/// A superuser to whom triggers do not apply.
async fn above_the_guards(db: &TestDatabase) -> PgConnection {
    let mut owner = db.as_owner().await;
    sqlx::raw_sql("SET session_replication_role = replica").execute(&mut owner).await.unwrap();
    owner
}

async fn change(db: &TestDatabase, statements: &str) {
    let mut owner = above_the_guards(db).await;
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut owner).await.expect("tampering");
}

fn ranges_of(range_events: u64) -> Verification {
    let range_events = NonZeroU64::new(range_events).expect("not zero");
    Verification { range_events, workers: const { NonZeroUsize::new(3).unwrap() }, ..Verification::default() }
}

async fn verified(db: &TestDatabase, how: &Verification) -> Result<Verified, (u64, &'static str)> {
    match db.log.chain().verify(&db.location, how, |_, _| ()).await {
        Ok(verified) => Ok(verified),
        Err(Error::Corrupt { seq, problem, .. }) => Err((seq, problem)),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_any_length_are_verified_as_one_chain() {
    let db = twelve_events("verify_ranges").await;
    let whole = verify(&db.log, &db.location).await.unwrap();
    for range_events in [1, 3, 5, 12, 1_000] {
        let mut reached = Vec::new();
        let how = Verification { wanted: [1, 5, 6, 12, 13].into(), ..ranges_of(range_events) };
        let parts = db.log.chain().verify(&db.location, &how, |seq, head| reached.push((seq, head))).await.unwrap();
        assert_eq!((parts.head, parts.hash), (EVENTS, whole.hash));
        assert_eq!(parts.hashes.keys().copied().collect::<Vec<_>>(), [1, 5, 6, 12]);
        assert_eq!(parts.hashes.get(&12), Some(&whole.hash));
        assert_eq!((reached.len() as u64, reached.last()), (EVENTS.div_ceil(range_events), Some(&(EVENTS, EVENTS))));
        let after = |hash| Verification { after: (5, hash), ..ranges_of(range_events) };
        let rest = db.log.chain().verify(&db.location, &after(parts.hashes[&5]), |_, _| ()).await.unwrap();
        assert_eq!(rest.hash, whole.hash);
        let other = db.log.chain().verify(&db.location, &after(parts.hashes[&6]), |_, _| ()).await;
        assert!(matches!(other, Err(Error::Corrupt { seq: 6, .. })), "{other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_named_at_every_position_and_across_every_seam() {
    let db = twelve_events("verify_flips").await;
    for seq in 1..=EVENTS {
        for column in ["payload", "hash"] {
            let flip = format!("UPDATE events SET {column} = set_byte({column}, 7, get_byte({column}, 7) # 1) WHERE seq = {seq}");
            change(&db, &flip).await;
            for range_events in [1, 4] {
                assert_eq!(verified(&db, &ranges_of(range_events)).await, Err((seq, "the hash does not match")), "{column}");
            }
            change(&db, &flip).await;
        }
    }
    verified(&db, &ranges_of(4)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_several_changes_is_named() {
    let db = twelve_events("verify_first").await;
    change(&db, "UPDATE events SET payload = payload || '\\x20' WHERE seq IN (5, 8, 11)").await;
    assert_eq!(verified(&db, &ranges_of(2)).await, Err((5, "the hash does not match")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_event_is_named_wherever_it_was() {
    for seq in [1, 4, 5, 12] {
        let db = twelve_events(&format!("verify_deleted_{seq}")).await;
        change(&db, &format!("DELETE FROM events WHERE seq = {seq}")).await;
        for range_events in [1, 4, 100] {
            assert_eq!(verified(&db, &ranges_of(range_events)).await, Err((seq, "the event is missing")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_events_are_named() {
    let db = twelve_events("verify_swapped").await;
    let swap =
        "UPDATE events SET seq = 99 WHERE seq = 4; UPDATE events SET seq = 4 WHERE seq = 9; UPDATE events SET seq = 9 WHERE seq = 99";
    change(&db, swap).await;
    assert_eq!(verified(&db, &ranges_of(3)).await, Err((4, "the hash does not match")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_put_behind_the_head_is_named() {
    let db = twelve_events("verify_behind").await;
    let again = "INSERT INTO events SELECT location_id, 13, epoch, event_id, contact_id, record_kind, record_id, type, occurred_at, \
                 recorded_at, cause, traceparent, key_id, payload, hash FROM events WHERE seq = 12";
    change(&db, again).await;
    assert_eq!(verified(&db, &ranges_of(3)).await, Err((13, "the event is after the head")));
}

async fn checkpoint(db: &TestDatabase, seq: u64) -> Checkpoint {
    let how = Verification { wanted: [seq].into(), ..Verification::default() };
    let hash = verified(db, &how).await.unwrap().hashes[&seq];
    Checkpoint::sign(&SigningKey::from_seed(&[7; 32]), db.location.clone(), seq, hash, Timestamp::UNIX_EPOCH)
}

async fn extended(db: &TestDatabase, checkpoints: &[Checkpoint]) -> Result<(), Flaw> {
    let wanted = checkpoints.iter().map(|checkpoint| checkpoint.seq).collect();
    let found = verified(db, &Verification { wanted, ..Verification::default() }).await.expect("the chain is whole");
    extends(found.head, checkpoints, &[SigningKey::from_seed(&[7; 32]).public()], |seq| found.hashes.get(&seq).copied())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_cut_off_with_its_head_is_named_by_a_checkpoint() {
    let db = twelve_events("verify_tail").await;
    let checkpoints = [checkpoint(&db, 5).await, checkpoint(&db, 12).await];
    extended(&db, &checkpoints).await.unwrap();
    change(&db, "DELETE FROM events WHERE seq > 9; UPDATE log_head SET seq = 9, hash = (SELECT hash FROM events WHERE seq = 9)").await;
    assert!(matches!(extended(&db, &checkpoints).await, Err(Flaw { seq: 10, kind: FlawKind::Cut { checkpoint: 12, .. } })));
    extended(&db, &checkpoints[..1]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_built_anew_after_a_change_is_named_by_a_checkpoint() {
    let db = twelve_events("verify_rebuilt").await;
    let checkpoints = [checkpoint(&db, 5).await, checkpoint(&db, 8).await, checkpoint(&db, 12).await];
    change(&db, "UPDATE events SET payload = payload || '\\x20' WHERE seq = 7").await;
    build_anew(&db).await;
    assert!(matches!(extended(&db, &checkpoints).await, Err(Flaw { seq: 8, kind: FlawKind::Rewritten { .. } })));
    extended(&db, &checkpoints[..1]).await.unwrap();
}

/// What somebody does who knows how the chain is made.
async fn build_anew(db: &TestDatabase) {
    let mut owner = above_the_guards(db).await;
    let rows = sqlx::query(
        "SELECT location_id, epoch, event_id, contact_id, record_kind, record_id, type, (extract(epoch FROM occurred_at) * 1000000)::bigint, \
         (extract(epoch FROM recorded_at) * 1000000)::bigint, cause::text, traceparent, key_id, payload FROM events ORDER BY seq",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let mut hash: Hash = BEGINNING;
    for (seq, row) in (1..).zip(&rows) {
        let link = Link {
            location_id: row.get(0),
            epoch: u32::try_from(row.get::<i32, _>(1)).unwrap(),
            seq,
            event_id: row.get(2),
            contact_id: row.get(3),
            record_kind: row.get(4),
            record_id: row.get(5),
            type_name: row.get(6),
            occurred_at: row.get(7),
            recorded_at: row.get(8),
            cause: row.get(9),
            traceparent: row.get(10),
            key_id: row.get(11),
            payload: row.get(12),
        };
        hash = link.hash(&hash);
        let seq = i64::try_from(seq).unwrap();
        sqlx::query("UPDATE events SET hash = $2 WHERE seq = $1").bind(seq).bind(hash.as_slice()).execute(&mut owner).await.unwrap();
    }
    sqlx::query("UPDATE log_head SET hash = $1").bind(hash.as_slice()).execute(&mut owner).await.unwrap();
}
