//! Answers for people.

use domain::{ContactId, DeliveryOutcome, ObjectKey, Policy, RecordKind, Sighting};
use eventlog::{Backfill, ContactFilter, Error, Progress, Settlement, SyncState};
use serde_json::json;

use crate::support::{TestDatabase, at, contact_id, database, delivered, note_key, parked, seen, seen_with_notes, settlement};

/// c1 is in sync, c2 has a note that is behind, c3 is parked, c4 is gone in both.
async fn a_small_world(name: &str) -> TestDatabase {
    let db = database(name).await;
    db.observe(seen_with_notes("c1", "Ann", 1, &[("n1", "a")])).await; // 1, 2
    db.observe(seen_with_notes("c2", "Bob", 1, &[("n2", "b")])).await; // 3, 4
    db.observe(seen("c3", "Cy", 1)).await; // 5
    db.observe(seen("c4", "Di", 1)).await; // 6
    let mut gone = seen("c4", "Di", 2);
    gone.contact = Sighting::Gone;
    db.observe(gone).await; // 7
    let note = |id, contact, seq| settlement(contact, note_key(id), seq, DeliveryOutcome::Delivered);
    let onboarding = ObjectKey::from("rule:onboarding/1".to_owned());
    let started = Settlement { policy: Policy::Once, ..settlement("c1", onboarding, 1, DeliveryOutcome::Delivered) };
    let removed = Settlement { removed: true, answer: "absent".to_owned(), ..delivered("c4", 7) };
    let all = [delivered("c1", 1), note("n1", "c1", 2), started, delivered("c2", 3), parked("c3", 5), removed];
    db.log.ledger().settle(&db.location, &all).await.unwrap();
    db
}

async fn listed(db: &TestDatabase, filter: ContactFilter, after: Option<&ContactId>, limit: u32) -> Vec<String> {
    let contacts = db.log.answers().contacts(&db.location, filter, after, limit).await.unwrap();
    contacts.into_iter().map(|contact| contact.contact_id.to_string()).collect()
}

#[tokio::test]
async fn contacts_are_found_by_how_they_stand() {
    let db = a_small_world("answers_contacts").await;
    assert_eq!(listed(&db, ContactFilter::Any, None, 10).await, ["c1", "c2", "c3", "c4"]);
    assert_eq!(listed(&db, ContactFilter::InSync, None, 10).await, ["c1", "c4"]);
    assert_eq!(listed(&db, ContactFilter::Behind, None, 10).await, ["c2", "c3"]);
    assert_eq!(listed(&db, ContactFilter::Parked, None, 10).await, ["c3"]);
    assert_eq!(listed(&db, ContactFilter::Any, Some(&contact_id("c1")), 2).await, ["c2", "c3"]);
    let summaries = db.log.answers().contacts(&db.location, ContactFilter::Any, None, 10).await.unwrap();
    let figures: Vec<_> = summaries
        .iter()
        .map(|contact| (contact.present, contact.ghl_seq, contact.applied_seq, contact.records, contact.behind, contact.parked))
        .collect();
    assert_eq!(figures, [(true, 2, 2, 2, 0, 0), (true, 4, 3, 2, 1, 0), (true, 5, 0, 1, 1, 1), (false, 7, 7, 0, 0, 0)]);
}

#[tokio::test]
async fn a_contact_shows_the_state_of_each_object() {
    let db = a_small_world("answers_contact").await;
    let states = async |id: &str| {
        let contact = db.log.answers().contact(&db.location, &contact_id(id)).await.unwrap();
        contact.objects.into_iter().map(|object| (object.object.to_string(), object.state)).collect::<Vec<_>>()
    };
    let object = |key: &str, state| (key.to_owned(), state);
    assert_eq!(
        states("c1").await,
        [
            object("ghl:contact/c1", SyncState::InSync),
            object("ghl:note/n1", SyncState::InSync),
            object("rule:onboarding/1", SyncState::Started)
        ]
    );
    assert_eq!(states("c2").await, [object("ghl:contact/c2", SyncState::InSync), object("ghl:note/n2", SyncState::Behind)]);
    assert_eq!(states("c3").await, [object("ghl:contact/c3", SyncState::Parked)]);
    assert_eq!(states("c4").await, [object("ghl:contact/c4", SyncState::Removed)]);
    let contact = db.log.answers().contact(&db.location, &contact_id("c4")).await.unwrap();
    assert_eq!(contact.asked_at, Some(at(2)));
    assert_eq!(contact.objects[0].answer.as_deref(), Some("absent"));
    assert!(contact.objects[0].delivered_at.is_some());
    assert!(matches!(db.log.answers().contact(&db.location, &contact_id("c9")).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn what_vanished_before_the_workspace_was_built_is_not_behind_in_it() {
    let db = database("answers_vanished").await;
    db.observe(seen("c1", "Ann", 1)).await;
    let behind = async || db.log.answers().overview().await.unwrap()[0].behind;
    assert_eq!(behind().await, 1);
    let mut gone = seen("c1", "Ann", 2);
    gone.contact = Sighting::Gone;
    db.observe(gone).await;
    assert_eq!(behind().await, 0);
    assert_eq!(listed(&db, ContactFilter::InSync, None, 10).await, ["c1"]);
    let contact = db.log.answers().contact(&db.location, &contact_id("c1")).await.unwrap();
    assert_eq!(contact.objects[0].state, SyncState::Removed);
}

#[tokio::test]
async fn the_overview_counts_what_is_there() {
    let db = a_small_world("answers_overview").await;
    let [overview] = db.log.answers().overview().await.unwrap().try_into().expect("one location");
    assert_eq!((overview.location_id.clone(), overview.connected_at, overview.epoch), (db.location.clone(), at(0), 1));
    assert_eq!((overview.head, overview.relayed, overview.settled), (db.head().await, 0, 0));
    assert_eq!(overview.records, [(RecordKind::Contact, 3), (RecordKind::Note, 2)].into());
    assert_eq!((overview.applied, overview.parked, overview.behind), (4, 1, 2));
    assert!(overview.last_recorded_at.is_some());
    assert_eq!(overview.progress, Progress::default());
}

#[tokio::test]
async fn progress_is_kept_and_backfills_can_begin_again() {
    let db = database("answers_progress").await;
    assert_eq!(db.log.passes().progress(&db.location).await.unwrap(), Progress::default());
    let backfill = Backfill {
        cursor: Some(json!([1_700_000_000_000_i64, "x\u{0}y"])),
        seen: 200,
        total: Some(300),
        started_at: Some(at(1)),
        finished_at: Some(at(2)),
    };
    let progress = Progress { watermark: Some(at(3)), backfill };
    db.log.passes().save_progress(&db.location, &progress).await.unwrap();
    assert_eq!(db.log.passes().progress(&db.location).await.unwrap(), progress);
    db.log.passes().restart_backfills().await.unwrap();
    assert_eq!(db.log.passes().progress(&db.location).await.unwrap(), Progress { watermark: Some(at(3)), backfill: Backfill::default() });
}
