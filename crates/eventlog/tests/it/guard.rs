//! The log is only ever appended to, and shows when somebody did more.

use eventlog::Error;
use sqlx::PgConnection;

use crate::support::{TestDatabase, database, seen, verify};

const CHANGES: [&str; 5] = [
    "UPDATE events SET payload = ''",
    "UPDATE events SET payload = '' WHERE false",
    "DELETE FROM events",
    "TRUNCATE events",
    "MERGE INTO events USING (VALUES (1)) v (n) ON true WHEN MATCHED THEN DELETE",
];

async fn three_events(name: &str) -> TestDatabase {
    let db = database(name).await;
    for (second, name) in [(1, "Ann"), (2, "Ann B."), (3, "Ann C.")] {
        db.observe(seen("c1", name, second)).await;
    }
    db
}

async fn refusal(connection: &mut PgConnection, statement: &'static str) -> String {
    let error = sqlx::raw_sql(statement).execute(connection).await.expect_err(statement);
    error.as_database_error().expect("an answer").code().expect("a code").into_owned()
}

#[tokio::test]
async fn the_service_role_may_not_change_events() {
    let db = three_events("guard_service").await;
    let mut service = db.as_service().await;
    for statement in CHANGES {
        assert_eq!(refusal(&mut service, statement).await, "42501", "{statement}");
    }
    assert_eq!(refusal(&mut service, "ALTER TABLE events DISABLE TRIGGER USER").await, "42501");
    assert_eq!(refusal(&mut service, "DROP TABLE events").await, "42501");
    assert_eq!(refusal(&mut service, "DELETE FROM log_head").await, "42501");
    assert_eq!(verify(&db.log, &db.location).await.unwrap().head, 3);
}

#[tokio::test]
async fn not_even_the_owner_changes_events() {
    let db = three_events("guard_owner").await;
    let mut owner = db.as_owner().await;
    for statement in CHANGES {
        assert_eq!(refusal(&mut owner, statement).await, "23001", "{statement}");
    }
    assert_eq!(verify(&db.log, &db.location).await.unwrap().head, 3);
}

async fn found(db: &TestDatabase) -> (u64, &'static str) {
    match verify(&db.log, &db.location).await {
        Err(Error::Corrupt { seq, problem, .. }) => (seq, problem),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_flipped_byte_is_found() {
    let db = three_events("guard_byte").await;
    let flip = "UPDATE events SET payload = set_byte(payload, 20, get_byte(payload, 20) # 1) WHERE seq = 2";
    assert_eq!(db.tamper(flip).await, 1);
    assert_eq!(found(&db).await, (2, "the hash does not match"));
}

#[tokio::test]
async fn other_words_for_the_same_cause_are_found() {
    let db = three_events("guard_cause").await;
    assert_eq!(db.tamper("UPDATE events SET cause = (cause::text || ' ')::json WHERE seq = 1").await, 1);
    assert_eq!(found(&db).await, (1, "the hash does not match"));
}

#[tokio::test]
async fn a_deleted_event_is_found_wherever_it_was() {
    let db = three_events("guard_deleted").await;
    assert_eq!(db.tamper("DELETE FROM events WHERE seq = 3").await, 1);
    assert_eq!(found(&db).await, (3, "the event is missing"));
    assert_eq!(db.tamper("DELETE FROM events WHERE seq = 1").await, 1);
    assert_eq!(found(&db).await, (1, "the event is missing"));
}

#[tokio::test]
async fn a_chain_written_anew_does_not_fit_the_head() {
    let db = three_events("guard_head").await;
    db.tamper("UPDATE log_head SET hash = sha256('x')").await;
    assert_eq!(found(&db).await, (3, "the head has another hash than the last event"));
}
