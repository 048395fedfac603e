//! How far passes have come, and what they did not meet.

use std::time::{Duration, Instant};

use domain::{Listing, Record, RecordId, RecordKind, Sighting, Task};
use eventlog::{BrokenOff, Pass};
use serde_json::json;

use crate::support::{at, contact_id, database, lease, seen, seen_with_notes, types};

#[tokio::test]
async fn a_pass_is_read_back_as_it_was_saved() {
    let db = database("passes_saved").await;
    assert_eq!(db.log.passes().get(&db.location, "sweep", RecordKind::Task).await.unwrap(), Pass::default());
    let pass = Pass {
        started_at: Some(at(1)),
        cursor: Some(json!([1, "c"])),
        seen: 100,
        total: Some(250),
        ended_at: Some(at(2)),
        complete_since: Some(at(0)),
        complete_at: Some(at(2)),
        has_unreadable: true,
        broken_off: Some(BrokenOff { times: 3, at: at(2), why: "empty_pages".to_owned(), seen: 90 }),
    };
    db.log.passes().save(&db.location, "sweep", RecordKind::Task, &pass).await.unwrap();
    assert_eq!(db.log.passes().get(&db.location, "sweep", RecordKind::Task).await.unwrap(), pass);
    assert_eq!(db.log.passes().get(&db.location, "poll", RecordKind::Task).await.unwrap(), Pass::default());
    let next = Pass { cursor: None, seen: 0, has_unreadable: false, broken_off: None, ..pass };
    db.log.passes().save(&db.location, "sweep", RecordKind::Task, &next).await.unwrap();
    assert_eq!(db.log.passes().get(&db.location, "sweep", RecordKind::Task).await.unwrap(), next);
}

#[tokio::test]
async fn confirming_what_is_known_appends_nothing_and_a_change_is_left_for_a_look() {
    let db = database("passes_confirm").await;
    db.observe(seen_with_notes("c1", "Ann", 1, &[("n1", "hello")])).await;
    let lease = lease(&db.log, &db.location, "a", Duration::from_secs(600)).await.unwrap();
    db.log.known().confirm(&lease, &[seen("c1", "Ann", 10)]).await.unwrap();
    assert!(db.log.known().unseen_contacts(&db.location, at(10), None, 10).await.unwrap().is_empty());
    db.log.known().confirm(&lease, &[seen("c1", "Bob", 20)]).await.unwrap();
    assert_eq!(db.head().await, 2, "nothing is appended");
    assert_eq!(
        db.log.known().unseen_contacts(&db.location, at(20), None, 10).await.unwrap(),
        [contact_id("c1")],
        "it does not count as seen"
    );
    assert_eq!(types(&db.observe(seen("c1", "Bob", 15)).await), ["contact.changed"], "nor does it hold off a look");
}

#[tokio::test]
async fn contacts_that_nobody_has_asked_for_since_are_told_unless_they_are_gone() {
    let db = database("passes_unseen").await;
    for (id, asked) in [("c1", 1), ("c2", 5), ("c3", 1), ("c4", 1)] {
        db.observe(seen(id, "Ann", asked)).await;
    }
    db.observe(domain::Observation { contact: Sighting::Gone, ..seen("c3", "", 2) }).await;
    let unseen = async |after: Option<&str>, limit| {
        let after = after.map(contact_id);
        db.log.known().unseen_contacts(&db.location, at(5), after.as_ref(), limit).await.unwrap()
    };
    assert_eq!(unseen(None, 10).await, [contact_id("c1"), contact_id("c4")]);
    assert_eq!(unseen(None, 1).await, [contact_id("c1")]);
    assert_eq!(unseen(Some("c1"), 10).await, [contact_id("c4")]);
    assert_eq!(db.log.known().contacts_present(&db.location).await.unwrap(), 3);
    db.observe(seen("c3", "Ann", 6)).await;
    assert_eq!(db.log.known().contacts_present(&db.location).await.unwrap(), 4, "who came back is present again");
}

#[tokio::test]
async fn a_record_counts_as_seen_singly_or_in_a_listing() {
    let db = database("passes_records").await;
    let task = |title: &str| Record::Task(Task { title: Some(title.to_owned()), ..Task::default() });
    let id = |id: &str| RecordId::new(id).unwrap();
    let tasks = |contact: &str, asked, tasks: Listing| domain::Observation {
        listings: [(RecordKind::Task, tasks)].into(),
        ..seen(contact, "Ann", asked)
    };
    let whole = |ids: &[&str]| Listing::Complete(ids.iter().map(|task_id| (id(task_id), task("Call").into())).collect());
    for contact in ["c1", "c2", "c3"] {
        db.observe(tasks(contact, 1, whole(&[&format!("{contact}-a"), &format!("{contact}-b")]))).await;
    }
    let singly = Listing::Partial(vec![(id("c1-a"), Some(task("Call").into()))]);
    let singly = domain::Observation { contact: Sighting::NotAsked, ..tasks("c1", 5, singly) };
    let lease = lease(&db.log, &db.location, "a", Duration::from_secs(600)).await.unwrap();
    db.log.known().confirm(&lease, &[singly]).await.unwrap();
    db.observe(tasks("c2", 5, whole(&["c2-a", "c2-b"]))).await;
    let unseen = db.log.known().unseen_records(&db.location, RecordKind::Task, at(5), None, 10).await.unwrap();
    let ids: Vec<&str> = unseen.iter().map(|(_, record_id, _)| record_id.as_str()).collect();
    assert_eq!(ids, ["c1-b", "c3-a", "c3-b"]);
    assert_eq!(unseen[0].2, Some(task("Call")));
    let after = (&contact_id("c3"), &id("c3-a"));
    let rest = db.log.known().unseen_records(&db.location, RecordKind::Task, at(5), Some(after), 10).await.unwrap();
    assert_eq!(rest.len(), 1);
}

#[tokio::test]
async fn notes_are_due_in_the_order_in_which_they_were_last_seen() {
    let db = database("passes_notes").await;
    for (contact, asked) in [("c1", 30), ("c2", 10), ("c3", 20)] {
        db.observe(seen_with_notes(contact, "Ann", asked, &[])).await;
    }
    db.observe(seen("c4", "never", 5)).await;
    let due = async |before, after: Option<&eventlog::NotesDue>, limit| {
        db.log.known().notes_due(&db.location, at(before), after, limit).await.unwrap()
    };
    let ids = |due: &[eventlog::NotesDue]| due.iter().map(|due| due.contact_id.to_string()).collect::<Vec<_>>();
    let first = due(25, None, 2).await;
    assert_eq!(ids(&first), ["c4", "c2"]);
    assert_eq!(ids(&due(25, first.last(), 2).await), ["c3"]);
}

#[tokio::test]
async fn whose_notes_are_due_is_read_in_the_order_of_an_index_however_many_contacts_there_are() {
    const TURNS: i64 = 5;
    let db = database("passes_due_index").await;
    let mut owner = db.as_owner().await;
    sqlx::query(
        "INSERT INTO known_contacts (location_id, contact_id, note_asked_at) \
         SELECT $1, 'c' || n, to_timestamp(1780000000 + n) FROM generate_series(1, 20000) AS n",
    )
    .bind(db.location.as_str())
    .execute(&mut owner)
    .await
    .unwrap();
    sqlx::raw_sql("ANALYZE known_contacts").execute(&mut owner).await.unwrap();
    let mut after = None;
    for _ in 0..TURNS {
        let due = db.log.known().notes_due(&db.location, at(30_000), after.as_ref(), 10).await.unwrap();
        assert_eq!(due.len(), 10);
        after = due.into_iter().last();
    }
    // A connection that ends tells the server what it read.
    drop(db);
    let begun = Instant::now();
    let read = loop {
        let query = "SELECT idx_scan, idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'known_contacts_by_notes'";
        let (scans, read): (i64, i64) = sqlx::query_as(query).fetch_one(&mut owner).await.unwrap();
        if scans >= TURNS {
            break read;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{scans} scans of the index");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(read <= 100 * TURNS, "{read} entries were read for {TURNS} turns");
}
