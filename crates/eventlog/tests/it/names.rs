//! Renames, and the records that show them.

use std::time::Duration;

use domain::{Body, Contact, Names, Record, Sighting};
use eventlog::{Lease, Renaming};

use crate::support::{TestDatabase, at, contact_id, database, lease, readable, seen, types, verify};

fn names(user: &str) -> Names {
    Names { users: [("u-1".to_owned(), user.to_owned()), ("u-2".to_owned(), "Bo".to_owned())].into(), ..Names::default() }
}

/// Contacts of two users in turn.
async fn filled(name: &str) -> (TestDatabase, Lease) {
    let db = database(name).await;
    for number in 0..6_i64 {
        let (id, user) = (format!("c{number}"), if number % 2 == 0 { "u-1" } else { "u-2" });
        let contact = Contact { assigned_to: Some(user.to_owned()), ..Contact::default() };
        let contact = Sighting::Present { shown: Box::new(Record::Contact(Box::new(contact)).into()), by_id: true };
        db.observe(domain::Observation { contact, ..seen(&id, "", number + 1) }).await;
    }
    let lease = lease(&db.log, &db.location, "tests", Duration::from_secs(60)).await.expect("lease");
    (db, lease)
}

#[tokio::test]
async fn a_rename_is_carried_on_after_a_crash_and_shown_once() {
    let (db, lease) = filled("names_rename").await;
    let rename = async |user: &str, second: i64| db.log.rename(&lease, &names(user), at(second), 1).await.expect("rename");
    assert_eq!(rename("Ann", 50).await, Renaming::Done, "what is told first is shown");
    assert_eq!(rename("Ann", 51).await, Renaming::Done);
    let before = db.head().await;
    assert_eq!(rename("Anna", 60).await, Renaming::More { events: 1 }, "the rename itself");
    assert_eq!(rename("Anna", 60).await, Renaming::More { events: 1 });
    // Whoever comes after a crash goes on where it stopped.
    assert_eq!(rename("Anna", 70).await, Renaming::More { events: 0 });
    while rename("Anna", 70).await != Renaming::Done {}
    let events: Vec<_> = db.log.read(&db.location, before, 100).await.expect("events").into_iter().map(readable).collect();
    assert_eq!(types(&events), ["operator.renamed", "contact.changed", "contact.changed", "contact.changed"]);
    let contacts: Vec<_> = events.iter().filter_map(|event| event.contact_id.as_ref()).map(|id| id.as_str()).collect();
    assert_eq!(contacts, ["c0", "c2", "c4"]);
    for event in &events[1..] {
        let Body::Record(fact) = &event.body else { panic!("a record") };
        assert_eq!(fact.names.users.get("u-1").map(String::as_str), Some("Anna"));
    }
    assert_eq!(verify(&db.log, &db.location).await.expect("verified").head, before + 4);
    let known = db.log.known().of(&db.location, &[contact_id("c0")], &domain::RecordKind::ALL).await.expect("known");
    assert_eq!(known[&contact_id("c0")].looks.asked_at.values().max(), Some(&at(1)), "nothing was looked at");
    db.observe(seen("c0", "Nina", 80)).await;
    assert_eq!(rename("Anna", 90).await, Renaming::Done);
}

#[tokio::test]
async fn who_gets_a_name_at_last_was_not_renamed_but_is_shown() {
    let (db, lease) = filled("names_at_last").await;
    assert_eq!(db.log.rename(&lease, &Names::default(), at(50), 100).await.expect("first"), Renaming::Done);
    let before = db.head().await;
    while db.log.rename(&lease, &names("Ann"), at(60), 100).await.expect("rename") != Renaming::Done {}
    let events: Vec<_> = db.log.read(&db.location, before, 100).await.expect("events").into_iter().map(readable).collect();
    assert_eq!(types(&events), ["contact.changed"; 6]);
    // A list that GHL does not give for a while renames nobody.
    assert_eq!(db.log.rename(&lease, &Names::default(), at(70), 100).await.expect("silent"), Renaming::Done);
    assert_eq!(db.log.rename(&lease, &names("Ann"), at(80), 100).await.expect("again"), Renaming::Done);
}

#[tokio::test]
async fn parts_of_a_field_that_are_called_otherwise_reach_what_shows_them() {
    let db = database("names_labels").await;
    let contact = Contact { custom_fields: [("f-1".to_owned(), serde_json::json!({"k-1": "May"}))].into(), ..Contact::default() };
    let contact = Sighting::Present { shown: Box::new(Record::Contact(Box::new(contact)).into()), by_id: true };
    db.observe(domain::Observation { contact, ..seen("c1", "", 1) }).await;
    let lease = lease(&db.log, &db.location, "tests", Duration::from_secs(60)).await.expect("lease");
    let fields = || Names { fields: [("f-1".to_owned(), "Visits".to_owned())].into(), ..Names::default() };
    let labelled =
        |label: &str| Names { field_labels: [("f-1".to_owned(), [("k-1".to_owned(), label.to_owned())].into())].into(), ..fields() };
    let told = async |names: &Names| {
        let before = db.head().await;
        while db.log.rename(&lease, names, at(60), 100).await.expect("rename") != Renaming::Done {}
        let events = db.log.read(&db.location, before, 100).await.expect("events").into_iter().map(readable);
        types(&events.collect::<Vec<_>>())
    };
    assert_eq!(told(&fields()).await, [""; 0]);
    assert_eq!(told(&labelled("First")).await, ["contact.changed"], "read first: nothing was renamed");
    assert_eq!(told(&labelled("First")).await, [""; 0]);
    assert_eq!(told(&labelled("First visit")).await, ["operator.renamed", "contact.changed"]);
    assert_eq!(told(&fields()).await, [""; 0], "a list that GHL does not give renames nothing");
}
