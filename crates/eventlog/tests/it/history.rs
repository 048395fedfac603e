//! Looking back, and remembering who did.

use std::time::Duration;

use domain::{Body, Past, Point, RecordKind, Recorded, Sighting, Stored, as_of};
use eventlog::{Access, AccessFilter, EventFilter, TimeRange};

use crate::support::{TestDatabase, at, contact_id, database, delivered, readable, seen, seen_with_notes};

/// Notes come, change and go; the contact moves; something is delivered in between.
async fn a_life(name: &str) -> TestDatabase {
    let db = database(name).await;
    db.observe(seen_with_notes("c1", "Ann", 1, &[("n1", "a"), ("n2", "b")])).await; // 1, 2, 3
    db.observe(seen_with_notes("c2", "Bob", 2, &[("n3", "c")])).await; // 4, 5
    db.log.ledger().settle(&db.location, &[delivered("c1", 1)]).await.unwrap(); // 6
    db.observe(seen_with_notes("c1", "Ann B.", 3, &[("n1", "a2")])).await; // 7, 8, 9
    let mut gone = seen("c1", "Ann B.", 4);
    gone.contact = Sighting::Gone;
    db.observe(gone).await; // 10, 11
    db
}

fn opened(events: Vec<Stored>) -> Vec<Recorded> {
    events.into_iter().map(readable).collect()
}

fn seqs(events: &[Stored]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

#[tokio::test]
async fn a_contact_stands_as_the_fold_of_its_events_left_it() {
    let db = a_life("history_standing").await;
    let all = opened(db.log.read(&db.location, 0, 100).await.unwrap());
    let head = db.log.locations().head(&db.location).await.unwrap();
    assert_eq!(head, 11);
    for contact in ["c1", "c2"] {
        let own: Vec<&Recorded> = all.iter().filter(|event| event.contact_id == Some(contact_id(contact))).collect();
        let positions = (0..=head).map(Point::Position);
        let instants = all.iter().flat_map(|event| [Point::RecordedAt(event.recorded_at), Point::OccurredAt(event.occurred_at)]);
        for point in positions.chain(instants) {
            let standing = opened(db.log.answers().records_as_of(&db.location, &[contact_id(contact)], point).await.unwrap());
            let mut past = Past::default();
            standing.iter().for_each(|event| past.take(event));
            assert_eq!(past, as_of(own.iter().copied(), point), "{contact} at {point:?}");
        }
    }
    let both = db.log.answers().records_as_of(&db.location, &[contact_id("c2"), contact_id("c1")], Point::Position(5)).await.unwrap();
    assert_eq!(seqs(&both), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn contacts_are_found_in_the_log_one_after_the_other() {
    let db = a_life("history_contacts").await;
    let found = async |after: Option<&str>, limit| {
        let contacts = db.log.answers().contacts_in_log(&db.location, after.map(contact_id).as_ref(), limit).await.unwrap();
        contacts.into_iter().map(|id| id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found(None, 10).await, ["c1", "c2"]);
    assert_eq!(found(None, 1).await, ["c1"]);
    assert_eq!(found(Some("c1"), 10).await, ["c2"]);
    assert_eq!(found(Some("c2"), 10).await, [] as [&str; 0]);
    assert!(db.log.answers().has_contact(&db.location, &contact_id("c1")).await.unwrap());
    assert!(!db.log.answers().has_contact(&db.location, &contact_id("c9")).await.unwrap());
}

#[tokio::test]
async fn events_are_chosen_by_what_they_are() {
    let db = a_life("history_select").await;
    let chosen = async |selection: &EventFilter| {
        let newest = db.log.answers().history(&db.location, &contact_id("c1"), selection, None, 100).await.unwrap();
        seqs(&newest)
    };
    let types = |types: &[&str]| EventFilter { types: types.iter().map(|text| (*text).to_owned()).collect(), ..EventFilter::default() };
    assert_eq!(chosen(&EventFilter::default()).await, [11, 10, 9, 8, 7, 6, 3, 2, 1]);
    assert_eq!(chosen(&types(&["note"])).await, [11, 9, 8, 3, 2]);
    assert_eq!(chosen(&types(&["note.vanished", "delivery"])).await, [11, 9, 6]);
    assert_eq!(chosen(&EventFilter { kinds: vec![RecordKind::Contact], ..EventFilter::default() }).await, [10, 7, 1]);
    assert_eq!(chosen(&EventFilter { causes: vec!["writer".to_owned()], ..EventFilter::default() }).await, [6]);
    let occurred = TimeRange { from: Some(at(3)), until: Some(at(4)) };
    let occurred = EventFilter { occurred, kinds: RecordKind::ALL.to_vec(), ..EventFilter::default() };
    assert_eq!(chosen(&occurred).await, [9, 8, 7]);
    let recorded = TimeRange { from: None, until: Some(at(0)) };
    assert_eq!(chosen(&EventFilter { recorded, ..EventFilter::default() }).await, [] as [u64; 0]);
    let older = db.log.answers().history(&db.location, &contact_id("c1"), &EventFilter::default(), Some(7), 2).await.unwrap();
    assert_eq!(seqs(&older), [6, 3]);
}

#[tokio::test]
async fn a_walk_through_what_matches_leaves_nothing_out_and_repeats_nothing() {
    let db = a_life("history_walk").await;
    let notes = EventFilter { kinds: vec![RecordKind::Note], ..EventFilter::default() };
    for (limit, scan) in [(1, 1), (1, 100), (2, 3), (100, 2), (100, 100)] {
        for contact in [None, Some(contact_id("c1"))] {
            let (mut after, mut found) = (0, Vec::new());
            while after < 11 {
                let stretch = db.log.answers().select(&db.location, contact.as_ref(), &notes, after, limit, scan).await.unwrap();
                assert!(stretch.through > after, "every look goes on");
                found.extend(seqs(&stretch.events));
                after = stretch.through;
            }
            let expected: &[u64] = if contact.is_some() { &[2, 3, 8, 9, 11] } else { &[2, 3, 5, 8, 9, 11] };
            assert_eq!(found, expected, "{limit} of {scan}");
        }
    }
    let end = db.log.answers().select(&db.location, None, &notes, 11, 5, 5).await.unwrap();
    assert_eq!((end.events.len(), end.through), (0, 11));
    assert!(matches!(opened(db.log.read(&db.location, 5, 1).await.unwrap())[0].body, Body::Delivery(_)));
}

fn access(who: &str, contact: Option<&str>) -> Access {
    Access {
        who: who.to_owned(),
        peer: "127.0.0.1:1".to_owned(),
        token: "0badcafe".to_owned(),
        call: "GetHistory".to_owned(),
        contact_id: contact.map(contact_id),
        traceparent: None,
    }
}

#[tokio::test]
async fn accesses_are_kept_and_found_newest_first() {
    let db = database("history_access").await;
    let asked = [access("ann", Some("c1")), access("bob", Some("c2")), access("ann\u{0}", None)];
    for access in &asked {
        db.log.answers().record_access(&db.location, access).await.unwrap();
    }
    let found = async |filter: AccessFilter, before, limit| {
        let accesses = db.log.answers().accesses(&db.location, &filter, before, limit).await.unwrap();
        accesses.into_iter().map(|accessed| (accessed.id, accessed.access.who)).collect::<Vec<_>>()
    };
    let whole = AccessFilter::default();
    let entry = |id, who: &str| (id, who.to_owned());
    assert_eq!(found(whole.clone(), None, 10).await, [entry(3, "ann\u{fffd}"), entry(2, "bob"), entry(1, "ann")]);
    assert_eq!(found(whole.clone(), Some(3), 1).await, [entry(2, "bob")]);
    let of_c1 = AccessFilter { contact_id: Some(contact_id("c1")), ..whole.clone() };
    assert_eq!(found(of_c1, None, 10).await, [entry(3, "ann\u{fffd}"), entry(1, "ann")]);
    assert_eq!(found(AccessFilter { who: Some("bob".to_owned()), ..whole.clone() }, None, 10).await, [entry(2, "bob")]);
    let past = TimeRange { from: None, until: Some(at(0)) };
    assert_eq!(found(AccessFilter { at: past, ..whole }, None, 10).await, []);
}

#[tokio::test]
async fn only_old_accesses_are_ever_forgotten() {
    let db = database("history_forget").await;
    db.log.answers().record_access(&db.location, &access("ann", None)).await.unwrap();
    db.log.answers().record_access(&db.location, &access("bob", None)).await.unwrap();
    let mut owner = db.as_owner().await;
    sqlx::query("UPDATE access_log SET at = now() - interval '30 hours' WHERE who = 'ann'").execute(&mut owner).await.unwrap();
    assert_eq!(db.log.answers().forget_accesses(Duration::from_secs(40 * 3_600)).await.unwrap(), 0);
    assert_eq!(db.log.answers().forget_accesses(Duration::ZERO).await.unwrap(), 1, "what is younger than a day stays");
    let left = db.log.answers().accesses(&db.location, &AccessFilter::default(), None, 10).await.unwrap();
    assert_eq!(left.into_iter().map(|accessed| accessed.access.who).collect::<Vec<_>>(), ["bob"]);
    let mut service = db.as_service().await;
    for statement in ["DELETE FROM access_log", "UPDATE access_log SET who = 'nobody'", "TRUNCATE access_log"] {
        let error = sqlx::raw_sql(statement).execute(&mut service).await.expect_err(statement);
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("42501"), "{statement}");
    }
}
