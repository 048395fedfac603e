//! What a person is told: each change once, however conditions come and go.

use std::time::Duration;

use domain::{LocationId, RecordKind};
use eventlog::{Alerts, Change, Due, Finding, Pass};
use sqlx::raw_sql;

use crate::support::{TestDatabase, at, database};

const NOW: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(3_600);

fn finding(condition: &'static str, location: Option<&LocationId>, cause: &str) -> Finding {
    Finding { condition, location_id: location.cloned(), subject: String::new(), since: None, cause: cause.to_owned() }
}

async fn due(alerts: &Alerts) -> Due {
    alerts.due("mail", NOW, None, 100).await.unwrap()
}

/// Tells what is due, and gives what that is.
async fn tell(alerts: &Alerts) -> Vec<Change> {
    let due = due(alerts).await;
    alerts.begin_telling("mail", &due.changes).await.unwrap();
    alerts.end_telling("mail", &due.changes).await.unwrap();
    due.changes.into_iter().map(|(_, change)| change).collect()
}

async fn run(db: &TestDatabase, statements: &'static str) {
    raw_sql(statements).execute(&mut db.as_owner().await).await.unwrap();
}

#[tokio::test]
async fn a_condition_that_comes_and_goes_is_raised_once_and_resolved_once() {
    let db = database("alerts_once").await;
    let (alerts, parked) = (db.log.alerts(), [finding("parked", Some(&db.location), "1 waits")]);
    let asked = ["parked"];
    alerts.reconcile(&parked, &asked, LONG).await.unwrap();
    assert_eq!(tell(alerts).await, [Change::Raised]);
    for _ in 0..3 {
        alerts.reconcile(&[], &asked, LONG).await.unwrap();
        assert!(alerts.open(None, None, 9).await.unwrap()[0].gone_at.is_some());
        alerts.reconcile(&[finding("parked", Some(&db.location), "2 wait")], &asked, LONG).await.unwrap();
    }
    let open = alerts.open(Some(&db.location), None, 9).await.unwrap();
    assert_eq!((open.len(), open[0].cause.as_str(), open[0].gone_at), (1, "2 wait", None));
    assert_eq!(tell(alerts).await, []);
    alerts.reconcile(&[], &asked, LONG).await.unwrap();
    assert_eq!(tell(alerts).await, [], "it may come back");
    alerts.reconcile(&[], &asked, NOW).await.unwrap();
    assert_eq!(tell(alerts).await, [Change::Resolved]);
    assert_eq!(tell(alerts).await, []);
    assert!(alerts.open(None, None, 9).await.unwrap().is_empty());
    alerts.reconcile(&parked, &asked, NOW).await.unwrap();
    assert_eq!(tell(alerts).await, [Change::Raised], "the next time is another one");
}

#[tokio::test]
async fn what_is_gone_before_anybody_was_told_leaves_no_trace() {
    let db = database("alerts_untold").await;
    let alerts = db.log.alerts();
    alerts.reconcile(&[finding("lag", Some(&db.location), "late")], &["lag"], NOW).await.unwrap();
    assert_eq!(alerts.due("mail", LONG, None, 9).await.unwrap(), Due::default(), "it waits for others");
    alerts.reconcile(&[], &["lag"], NOW).await.unwrap();
    assert_eq!((due(alerts).await, alerts.open(None, None, 9).await.unwrap().len()), (Due::default(), 0));
}

#[tokio::test]
async fn of_what_was_not_asked_for_nothing_is_concluded() {
    let db = database("alerts_unasked").await;
    let alerts = db.log.alerts();
    let both = [finding("lag", Some(&db.location), "late"), finding("no_poller", None, "gone")];
    alerts.reconcile(&both, &["lag", "no_poller"], NOW).await.unwrap();
    alerts.reconcile(&[], &["no_poller"], NOW).await.unwrap();
    let open = alerts.open(None, None, 9).await.unwrap();
    assert_eq!((open.len(), open[0].condition.as_str(), open[0].gone_at), (1, "lag", None));
    alerts.reconcile(&[], &["lag"], LONG).await.unwrap();
    alerts.reconcile(&[], &["no_poller"], NOW).await.unwrap();
    assert_eq!(alerts.open(None, None, 9).await.unwrap()[0].gone_at, None, "it may have been there all the time");
}

#[tokio::test]
async fn what_may_have_arrived_is_told_again_and_what_certainly_did_not_counts_as_untold() {
    let db = database("alerts_lost").await;
    let alerts = db.log.alerts();
    alerts.reconcile(&[finding("lag", Some(&db.location), "late")], &["lag"], NOW).await.unwrap();
    let changes = due(alerts).await.changes;
    let first = alerts.begin_telling("mail", &changes).await.unwrap();
    assert_eq!(first, changes);
    // The answer was lost, the next attempt certainly fails: the first one may have arrived nevertheless.
    assert_eq!(alerts.begin_telling("mail", &changes).await.unwrap(), []);
    assert_eq!(due(alerts).await.changes, changes);
    alerts.reconcile(&[], &["lag"], NOW).await.unwrap();
    assert_eq!(tell(alerts).await, [Change::Raised, Change::Resolved], "whoever heard of it hears the end");
    // Withdrawn: nobody heard of it.
    alerts.reconcile(&[finding("lag", Some(&db.location), "late")], &["lag"], NOW).await.unwrap();
    let changes = due(alerts).await.changes;
    let first = alerts.begin_telling("mail", &changes).await.unwrap();
    alerts.withdraw_telling("mail", &first).await.unwrap();
    alerts.reconcile(&[], &["lag"], NOW).await.unwrap();
    assert_eq!(tell(alerts).await, []);
}

#[tokio::test]
async fn a_silence_covers_its_condition_its_location_or_everything() {
    let db = database("alerts_silent").await;
    let alerts = db.log.alerts();
    let all = [finding("lag", Some(&db.location), "late"), finding("parked", Some(&db.location), "1"), finding("no_poller", None, "gone")];
    alerts.reconcile(&all, &["lag", "parked", "no_poller"], NOW).await.unwrap();
    let raised = async || due(alerts).await.raised.into_iter().map(|alert| alert.condition).collect::<Vec<_>>();
    for (condition, location, left) in [
        (Some("lag"), None, vec!["no_poller", "parked"]),
        (None, Some(&db.location), vec!["no_poller"]),
        (Some("parked"), Some(&db.location), vec!["lag", "no_poller"]),
        (None, None, vec![]),
    ] {
        alerts.silence(condition, location, LONG, "ann").await.unwrap();
        let mut heard = raised().await;
        heard.sort();
        assert_eq!(heard, left, "{condition:?} {location:?}");
        assert_eq!(alerts.silences().await.unwrap().len(), 1);
        assert!(alerts.unsilence(condition, location).await.unwrap());
        assert!(!alerts.unsilence(condition, location).await.unwrap());
    }
    let only = alerts.due("mail", NOW, Some(&["parked"]), 9).await.unwrap();
    assert_eq!((only.raised.len(), only.raised[0].condition.as_str()), (1, "parked"), "of quiet hours");
}

#[tokio::test]
async fn one_replica_has_the_turn_until_it_gives_it_back_or_dies() {
    let db = database("alerts_turn").await;
    let alerts = db.log.alerts();
    assert!(alerts.take_turn("a", LONG).await.unwrap() && alerts.take_turn("a", LONG).await.unwrap());
    assert!(!alerts.take_turn("b", LONG).await.unwrap());
    alerts.end_turn("b").await.unwrap();
    assert!(!alerts.take_turn("b", LONG).await.unwrap(), "only the holder gives it back");
    alerts.end_turn("a").await.unwrap();
    assert!(alerts.take_turn("b", NOW).await.unwrap());
    assert!(alerts.take_turn("c", LONG).await.unwrap(), "its time is over");
}

#[tokio::test]
async fn a_backfill_is_stuck_while_none_of_its_lists_gets_further() {
    let db = database("alerts_stuck").await;
    let alerts = db.log.alerts();
    let stuck = async || alerts.stuck_backfills(LONG).await.unwrap().pop();
    run(&db, "UPDATE progress SET started_at = now() - interval '2 hours', seen = 3").await;
    assert_eq!(stuck().await, None, "nobody looks after it, so nobody is to blame");
    run(
        &db,
        "INSERT INTO pollers (instance, alive_until) VALUES ('p', now() + interval '1 hour'); \
              INSERT INTO location_leases VALUES ('loc', 'p', 1, 'infinity')",
    )
    .await;
    assert_eq!(stuck().await.map(|stuck| stuck.seen), Some(3));
    db.log.passes().save(&db.location, "backfill", RecordKind::Task, &Pass { started_at: Some(at(1)), ..Pass::default() }).await.unwrap();
    assert_eq!(stuck().await, None);
    run(&db, "UPDATE passes SET moved_at = now() - interval '2 hours'").await;
    assert!(stuck().await.is_some());
    run(&db, "UPDATE progress SET finished_at = now()").await;
    assert_eq!(stuck().await, None);
}

#[tokio::test]
async fn a_sweep_is_overdue_by_its_kind_and_counts_from_the_backfill_at_first() {
    let db = database("alerts_sweep").await;
    let alerts = db.log.alerts();
    run(
        &db,
        "INSERT INTO pollers (instance, alive_until) VALUES ('p', now() + interval '1 hour'); \
              INSERT INTO location_leases VALUES ('loc', 'p', 1, 'infinity'); \
              UPDATE progress SET finished_at = now() - interval '2 hours'; \
              INSERT INTO passes (location_id, net, kind, complete_since) VALUES ('loc', 'sweep', 'contact', now()), \
              ('loc', 'sweep', 'task', now() - interval '3 hours')",
    )
    .await;
    let overdue = async || {
        let all = alerts.overdue_sweeps(LONG).await.unwrap();
        all.into_iter().map(|overdue| (overdue.kind, overdue.complete_since.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(overdue().await, [(RecordKind::Appointment, false), (RecordKind::Task, true)], "there are no contacts with notes");
    run(
        &db,
        "INSERT INTO known_contacts (location_id, contact_id, note_asked_at) VALUES ('loc', 'c1', now() - interval '3 hours'), \
              ('loc', 'c2', NULL)",
    )
    .await;
    assert_eq!(overdue().await.last(), Some(&(RecordKind::Note, true)));
    run(&db, "UPDATE known_contacts SET note_asked_at = now() WHERE contact_id = 'c1'").await;
    assert!(!overdue().await.iter().any(|(kind, _)| *kind == RecordKind::Note), "somebody new is looked at soon");
}

#[tokio::test]
async fn a_lost_stream_is_shown_until_what_was_lost_is_made_good() {
    let db = database("alerts_stream").await;
    let alerts = db.log.alerts();
    db.log.relay().remember_stream("EVENTS", &eventlog::StreamState { created_at: at(1), last_sequence: 5 }).await.unwrap();
    let lost = async |at_least| alerts.lost_streams(at_least).await.unwrap().into_iter().map(|lost| lost.name).collect::<Vec<_>>();
    assert!(lost(LONG).await.is_empty());
    run(&db, "UPDATE progress SET started_at = '2026-01-01', finished_at = '2026-01-02'").await;
    alerts.note_lost_stream("EVENTS").await.unwrap();
    assert_eq!(lost(LONG).await, ["EVENTS"], "so that nobody misses it");
    assert!(lost(NOW).await.is_empty(), "there was nothing to lose");
    run(
        &db,
        "INSERT INTO pollers (instance, alive_until) VALUES ('p', now() + interval '1 hour'); \
              INSERT INTO location_leases VALUES ('loc', 'p', 1, 'infinity'); \
              UPDATE progress SET started_at = NULL, finished_at = NULL",
    )
    .await;
    assert_eq!(lost(NOW).await, ["EVENTS"], "the location is looked at again");
    run(&db, "UPDATE progress SET started_at = now(), finished_at = now()").await;
    assert!(lost(NOW).await.is_empty());
}
