//! Plans, replays, generations, and reading contact by contact.

use std::time::Duration;

use domain::{DeliveryOutcome, ObjectKey, Revision, Rules, Workspace};
use eventlog::{ContactRange, ErasureRequest, Phase, Plan, ReplayProgress, Role, Settlement, Totals};
use uuid::Uuid;

use crate::support::{TestDatabase, at, contact_id, database, delivered, note_key, seen, seen_with_notes, settlement};

fn plan(db: &TestDatabase, hash: u8, contact: Option<&str>) -> Plan {
    let rules = Rules::builtin().unwrap().revision().clone();
    Plan {
        location_id: db.location.clone(),
        hash: [hash; 32],
        workspace: Workspace::new("loc").unwrap(),
        rules: rules.clone(),
        rules_then: rules,
        edition: 0,
        contact_id: contact.map(contact_id),
        head: (0, [0; 32]),
        bounded: false,
        present: true,
        totals: Totals { puts: 3, ..Totals::default() },
        who: "ann".to_owned(),
        made_at: at(1),
    }
}

async fn last_type(db: &TestDatabase) -> String {
    let head = db.head().await;
    db.log.read(&db.location, head - 1, 1).await.unwrap().pop().unwrap().type_name
}

#[tokio::test]
async fn a_location_is_replayed_once_at_a_time_and_what_has_ended_stays_so() {
    let db = database("replays_phases").await;
    let planned = plan(&db, 1, None);
    db.log.replays().keep_plan(&planned).await.unwrap();
    db.log.replays().keep_plan(&planned).await.unwrap();
    assert_eq!(db.log.replays().plan(&[1; 32]).await.unwrap(), planned);
    assert!(db.log.replays().plan(&[2; 32]).await.is_err());

    let replay = db.log.replays().start(&planned, "ann").await.unwrap();
    assert_eq!((replay.phase, replay.total, replay.forgets), (Phase::Running, 3, true));
    assert_eq!(last_type(&db).await, "operator.replay_started");
    assert!(db.log.replays().start(&planned, "ann").await.unwrap_err().is_taken());
    db.log.replays().set_phase(&replay, Phase::Paused, "", "bob").await.unwrap();
    assert_eq!(db.log.replays().next(None).await.unwrap(), None, "what is held is not worked on");
    assert!(db.log.replays().start(&planned, "ann").await.unwrap_err().is_taken(), "nor overtaken");
    let progressed = ReplayProgress { done: 2, rounds: 1, worked: Duration::from_millis(30), ..ReplayProgress::default() };
    assert_eq!(db.log.replays().record_progress(&replay, &progressed).await.unwrap(), Phase::Paused);
    db.log.replays().set_phase(&replay, Phase::Running, "", "bob").await.unwrap();
    db.log.replays().record_progress(&replay, &progressed).await.unwrap();
    let next = db.log.replays().next(None).await.unwrap().unwrap();
    assert_eq!((next.done, next.rounds, next.forgets, next.worked), (2, 1, false, Duration::from_millis(60)));
    let head = db.head().await;
    db.log.replays().set_phase(&replay, Phase::Running, "", "bob").await.unwrap();
    assert_eq!(db.head().await, head, "doing what it does is nothing");

    let ended = db.log.replays().set_phase(&replay, Phase::Cancelled, "", "bob").await.unwrap();
    assert!(ended.ended_at.is_some());
    assert_eq!(last_type(&db).await, "operator.replay_cancelled");
    assert!(matches!(db.log.replays().set_phase(&replay, Phase::Running, "", "bob").await, Err(eventlog::Error::AlreadyResolved)));
    let second = db.log.replays().start(&planned, "ann").await.unwrap();
    let replays = db.log.replays();
    let listed = |after| replays.list(Some(&db.location), after, 1);
    let first_page = listed(None).await.unwrap();
    assert_eq!(first_page.iter().map(|one| one.replay_id).collect::<Vec<_>>(), [second.replay_id]);
    let second_page = listed(Some(second.replay_id)).await.unwrap();
    assert_eq!(second_page.iter().map(|one| one.replay_id).collect::<Vec<_>>(), [replay.replay_id]);
}

#[tokio::test]
async fn a_plan_for_rules_that_have_moved_starts_nothing() {
    let db = database("replays_moved").await;
    let text = Rules::BUILTIN.replace("\"email\", ", "");
    let other = Rules::parse(&text).unwrap().revision().clone();
    db.log.workspaces().keep_rules(&other, &text).await.unwrap();
    let changing = Plan { rules: other.clone(), ..plan(&db, 1, None) };
    let before = plan(&db, 2, None);
    for planned in [&changing, &before] {
        db.log.replays().keep_plan(planned).await.unwrap();
    }
    let replay = db.log.replays().start(&changing, "ann").await.unwrap();
    let live = db.log.workspaces().list(&db.location).await.unwrap().pop().unwrap();
    assert_eq!((live.rules, live.edition, replay.edition), (Some(other), 1, 1), "taken on in the same step");
    db.log.replays().set_phase(&replay, Phase::Done, "", "admin").await.unwrap();
    assert!(matches!(db.log.replays().start(&before, "ann").await, Err(eventlog::Error::AlreadyResolved)));
}

#[tokio::test]
async fn one_executor_works_until_its_lease_runs_out() {
    let db = database("replays_lease").await;
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    assert!(db.log.replays().lease(one, Duration::from_secs(600)).await.unwrap());
    assert!(!db.log.replays().lease(other, Duration::from_secs(600)).await.unwrap());
    assert!(db.log.replays().lease(one, Duration::ZERO).await.unwrap());
    assert!(db.log.replays().lease(other, Duration::from_secs(600)).await.unwrap());
    assert!(!db.log.replays().lease(one, Duration::from_secs(600)).await.unwrap());
}

#[tokio::test]
async fn erasing_purges_what_was_planned_for_the_contact_alone() {
    let db = database("replays_erased").await;
    db.observe(seen("c1", "Ann", 1)).await;
    for (hash, contact) in [(1, Some("c1")), (2, Some("c2")), (3, None)] {
        let planned = plan(&db, hash, contact);
        db.log.replays().keep_plan(&planned).await.unwrap();
        let replay = db.log.replays().start(&planned, "ann").await.unwrap();
        db.log.replays().set_phase(&replay, Phase::Done, "", "admin").await.unwrap();
    }
    let erase = ErasureRequest { reason: "asked by letter".to_owned(), who: "ann".to_owned(), leave_plain_events: true };
    db.log.erasures().erase(&db.location, &contact_id("c1"), &erase).await.unwrap();
    assert!(matches!(db.log.replays().plan(&[1; 32]).await, Err(eventlog::Error::NotFound)));
    let left = db.log.replays().list(None, None, 10).await.unwrap();
    assert_eq!(left.iter().map(|replay| replay.plan.hash).collect::<Vec<_>>(), [[3; 32], [2; 32]]);
}

#[tokio::test]
async fn old_plans_and_replays_are_forgotten_but_for_what_goes_on_and_the_last_of_each_workspace() {
    let db = database("replays_retention").await;
    let shadow = Workspace::new("shadow").unwrap();
    db.log.workspaces().create(&db.location, &shadow, None, "ann").await.unwrap();
    let mut owner = db.as_owner().await;
    let day = 24 * 3_600;
    // Never applied, old and new; two replays of one workspace; one of another; one that goes on.
    for (hash, workspace, applied) in [
        (1, "loc", None),
        (2, "loc", None),
        (3, "loc", Some(Phase::Done)),
        (4, "loc", Some(Phase::Done)),
        (5, "shadow", Some(Phase::Failed)),
        (6, "loc", Some(Phase::Paused)),
    ] {
        let planned = Plan { workspace: Workspace::new(workspace).unwrap(), ..plan(&db, hash, None) };
        db.log.replays().keep_plan(&planned).await.unwrap();
        if let Some(phase) = applied {
            let replay = db.log.replays().start(&planned, "ann").await.unwrap();
            db.log.replays().set_phase(&replay, phase, "", "ann").await.unwrap();
        }
    }
    let age =
        "UPDATE replays SET ended_at = ended_at - interval '30 days', started_at = started_at - interval '30 days' WHERE plan_hash <> $1";
    sqlx::query(age).bind([3_u8; 32].as_slice()).execute(&mut owner).await.unwrap();
    let age = "UPDATE plans SET made_at = CASE WHEN hash = $1 THEN now() ELSE now() - interval '30 days' END";
    sqlx::query(age).bind([2_u8; 32].as_slice()).execute(&mut owner).await.unwrap();

    assert_eq!(db.log.replays().forget(Duration::from_secs(31 * day)).await.unwrap(), 0);
    let left = async || db.log.replays().list(None, None, 10).await.unwrap().iter().map(|replay| replay.plan.hash[0]).collect::<Vec<_>>();
    assert_eq!(left().await, [3, 6, 5, 4]);
    assert_eq!(
        db.log.replays().forget(Duration::from_secs(20 * day)).await.unwrap(),
        3,
        "a replay, its plan, and one that was not applied"
    );
    assert_eq!(left().await, [3, 6, 5], "the fourth is the only one that was followed by another");
    for (hash, is_kept) in [(1, false), (2, true), (3, true), (4, false), (5, true), (6, true)] {
        assert_eq!(db.log.replays().plan(&[hash; 32]).await.is_ok(), is_kept, "{hash}");
    }
    let paused = db.log.replays().list(None, None, 10).await.unwrap().remove(1);
    db.log.replays().set_phase(&paused, Phase::Running, "", "ann").await.unwrap();
    assert!(db.log.replays().next(None).await.unwrap().is_some(), "what goes on has its plan");
}

#[tokio::test]
async fn a_plan_that_was_forgotten_meanwhile_starts_nothing() {
    let db = database("replays_forgotten").await;
    let planned = plan(&db, 1, None);
    db.log.replays().keep_plan(&planned).await.unwrap();
    assert_eq!(db.log.replays().forget(Duration::ZERO).await.unwrap(), 1);
    assert!(matches!(db.log.replays().start(&planned, "ann").await, Err(eventlog::Error::NotFound)));
    assert_eq!(db.log.replays().next(None).await.unwrap(), None);
}

#[tokio::test]
async fn every_contact_is_read_once_in_the_order_of_bytes_however_it_is_cut() {
    let db = database("replays_contacts").await;
    let ids = ["b", "B", "a", "É", "c-1", "c1"];
    for round in 1..4 {
        for id in ids {
            db.observe(seen_with_notes(id, &format!("name {round}"), round, &[("n", &format!("note {round} of {id}"))])).await;
        }
    }
    db.log.ledger().settle(&db.location, &[delivered("a", 1)]).await.unwrap();
    let head = db.head().await;
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    for parts in [1, 2, 5] {
        for limit in [1, 4, 1000] {
            let mut read = Vec::new();
            for part in db.log.answers().parts_of_contacts(&db.location, head, parts).await.unwrap() {
                let mut cursor = None::<(String, u64)>;
                loop {
                    let after = cursor.as_ref().map(|(contact, seq)| (contact.as_str(), *seq));
                    let page = db.log.answers().records_by_contact(&db.location, &part, after, head, limit).await.unwrap();
                    let Some(last) = page.last() else { break };
                    cursor = Some((last.contact_id().unwrap().to_owned(), last.revision().unwrap().seq));
                    read.extend(page.iter().map(|event| (event.contact_id().unwrap().to_owned(), event.revision().unwrap().seq)));
                }
            }
            assert!(read.is_sorted(), "{parts} parts, {limit} at once");
            let mut contacts: Vec<&str> = read.iter().map(|(contact, _)| contact.as_str()).collect();
            assert_eq!(contacts.len(), 36, "a contact and a note each, three times");
            contacts.dedup();
            assert_eq!(contacts, sorted);
        }
    }
    let records = db.log.answers().records_at(&db.location, &[1, 2, head, head + 1]).await.unwrap();
    let positions: Vec<(u64, &str)> = records.iter().map(|(revision, object)| (revision.seq, object.as_str())).collect();
    assert_eq!(positions, [(1, "ghl:contact/b"), (2, "ghl:note/n")], "a delivery is of no record");
    let only = ContactRange::Only(contact_id("b"));
    let some = db.log.answers().records_by_contact(&db.location, &only, Some(("b", 0)), head, 4).await.unwrap();
    assert_eq!(some.len(), 4);
}

#[tokio::test]
async fn the_ledger_forgets_only_what_it_still_says_and_nothing_that_came_after_the_plan() {
    let db = database("replays_forget").await;
    let note = |seq| settlement("c1", note_key("n1"), seq, DeliveryOutcome::Delivered);
    let all = [delivered("c1", 3), note(9), Settlement { removed: true, ..delivered("c2", 4) }];
    db.log.ledger().settle(&db.location, &all).await.unwrap();
    let workspace = Workspace::new("loc").unwrap();
    let held = db.log.ledger().held(&db.location, &workspace, &["c1", "c2"]).await.unwrap();
    assert_eq!(held.get("c1").unwrap().len(), 2);
    assert!(held.get("c2").unwrap().values().all(|held| held.removed));
    let wrong = |key: &str, seq| (ObjectKey::from(key.to_owned()), Revision { epoch: 1, seq });
    let objects = [wrong("ghl:contact/c1", 3), wrong("ghl:note/n1", 9), wrong("ghl:contact/c2", 3)];
    db.log.ledger().forget(&db.location, &workspace, 8, &objects).await.unwrap();
    let held = db.log.ledger().held(&db.location, &workspace, &["c1", "c2"]).await.unwrap();
    assert_eq!(held.get("c1").unwrap().keys().collect::<Vec<_>>(), [&note_key("n1")]);
    assert_eq!(held.get("c2").unwrap().len(), 1);
}

#[tokio::test]
async fn a_shadow_becomes_live_goes_back_and_ends_with_its_replay() {
    let db = database("replays_roles").await;
    let (loc, shadow) = (Workspace::new("loc").unwrap(), Workspace::new("shadow").unwrap());
    let roles = || async { db.log.workspaces().list(&db.location).await.unwrap().into_iter().map(|one| one.role).collect::<Vec<_>>() };
    db.log.workspaces().create(&db.location, &shadow, None, "ann").await.unwrap();
    assert!(db.log.workspaces().create(&db.location, &shadow, None, "ann").await.unwrap_err().is_taken());
    assert_eq!(roles().await, [Role::Live, Role::Shadow]);
    db.log.workspaces().promote(&db.location, &shadow, Role::Former, "ann").await.unwrap();
    assert_eq!(roles().await, [Role::Former, Role::Live]);
    assert!(
        matches!(db.log.workspaces().retire(&db.location, &shadow, "ann").await, Err(eventlog::Error::AlreadyResolved)),
        "people work in it"
    );
    db.log.workspaces().promote(&db.location, &loc, Role::Shadow, "ann").await.unwrap();
    assert_eq!(roles().await, [Role::Live, Role::Shadow]);
    assert_eq!(last_type(&db).await, "operator.workspace_rolled_back");

    let planned = Plan { workspace: shadow.clone(), ..plan(&db, 1, None) };
    db.log.replays().keep_plan(&planned).await.unwrap();
    db.log.replays().start(&planned, "ann").await.unwrap();
    db.log.ledger().settle(&db.location, &[Settlement { workspace: shadow.clone(), ..delivered("c1", 1) }]).await.unwrap();
    assert_eq!(db.log.ledger().count(&db.location, &shadow).await.unwrap(), 1);
    db.log.workspaces().retire(&db.location, &shadow, "ann").await.unwrap();
    let head = db.head().await;
    db.log.workspaces().retire(&db.location, &shadow, "ann").await.unwrap();
    assert_eq!((db.head().await, roles().await), (head, vec![Role::Live, Role::Retired]));
    assert_eq!(db.log.ledger().count(&db.location, &shadow).await.unwrap(), 0);
    assert_eq!(db.log.replays().get(None).await.unwrap().phase, Phase::Cancelled);
    assert!(matches!(db.log.workspaces().promote(&db.location, &shadow, Role::Former, "ann").await, Err(eventlog::Error::AlreadyResolved)));
    assert!(matches!(db.log.replays().start(&planned, "ann").await, Err(eventlog::Error::AlreadyResolved)));
}
