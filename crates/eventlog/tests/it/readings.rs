//! Fields that a newer program reads first.

use domain::{Body, Change, Net, Observation, Record, RecordKind, Sighting};

use crate::support::{at, contact_id, database, readable, seen, types};

/// A look that shows a further address, which the first programs did not read.
fn with_address(asked: i64, address: &str) -> Observation {
    let mut seen = seen("c1", "Ann", asked);
    if let Sighting::Present { shown, .. } = &mut seen.contact
        && let Record::Contact(contact) = &mut shown.record
    {
        contact.additional_emails.insert(address.to_owned());
    }
    seen.cause.net = Net::Sweep;
    seen
}

#[tokio::test]
async fn what_is_read_first_is_filled_in_and_is_no_change() {
    let db = database("readings").await;
    db.observe(seen("c1", "Ann", 1)).await;
    // As the program before has left it.
    db.tamper("UPDATE known_records SET reading = 1").await;
    let before = db.head().await;
    let appended = db.observe(with_address(2, "second@example.com")).await;
    assert_eq!(types(&appended), ["contact.changed"]);
    let Body::Record(fact) = &appended[0].body else { panic!("a record") };
    assert_eq!((fact.change, fact.changes.len(), fact.is_news()), (Change::Changed, 0, false));
    let coverage = db.log.known().coverage(&db.location).await.expect("coverage");
    assert!(coverage.iter().all(|kind| !kind.found.contains_key("sweep")), "nothing was missed");

    // It is in the log as in what is known, so that whatever is built from the log has it, too.
    let logged: Vec<_> = db.log.read(&db.location, before, 10).await.expect("events").into_iter().map(readable).collect();
    let Body::Record(logged) = &logged[0].body else { panic!("a record") };
    let known = db.log.known().of(&db.location, &[contact_id("c1")], &RecordKind::ALL).await.expect("known");
    let known = known[&contact_id("c1")].records.values().next().expect("the contact");
    assert_eq!(known.record, logged.record);
    assert_eq!(known.asked_at, at(2));

    assert_eq!(db.observe(with_address(3, "second@example.com")).await, []);
    let Body::Record(fact) = &db.observe(with_address(4, "third@example.com")).await[0].body else { panic!("a record") };
    assert_eq!(fact.changes[0].field, "additional_emails", "from then on it changes");
}

#[tokio::test]
async fn what_was_read_as_empty_counts_as_read_without_an_event() {
    let db = database("readings_empty").await;
    db.observe(seen("c1", "Ann", 1)).await;
    db.tamper("UPDATE known_records SET reading = 1").await;
    assert_eq!(db.observe(seen("c1", "Ann", 2)).await, []);
    let Body::Record(fact) = &db.observe(with_address(3, "second@example.com")).await[0].body else { panic!("a record") };
    assert_eq!(fact.changes[0].field, "additional_emails");
}
