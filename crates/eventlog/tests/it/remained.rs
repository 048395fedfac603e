//! What vanishes from one contact and is still on another.

use std::collections::BTreeMap;

use domain::{Body, Change, Observation, RecordFact, RecordKind, Recorded, Rules, Sighting, map};

use crate::support::{contact_id, database, observe, readable, seen, seen_with_notes, types, verify};

fn gone(id: &str, asked: i64) -> Observation {
    Observation { contact: Sighting::Gone, ..seen(id, "", asked) }
}

fn fact(recorded: &Recorded) -> &RecordFact {
    let Body::Record(fact) = &recorded.body else { panic!("{} is about no record", recorded.body.type_name()) };
    fact
}

#[tokio::test]
async fn what_came_to_another_contact_before_it_vanished_from_the_first_remained() {
    let db = database("remained_merged").await;
    db.observe(seen_with_notes("loser", "Ann", 1, &[("n1", "hello"), ("n2", "only here")])).await;
    // Merged into the winner, which is looked at first.
    db.observe(seen_with_notes("winner", "Ann", 2, &[("n1", "hello, edited")])).await;
    let last = db.observe(gone("loser", 3)).await;
    assert_eq!(types(&last), ["contact.vanished", "note.vanished", "note.vanished", "note.remained"]);
    let [.., remained] = last.as_slice() else { panic!("nothing was recorded") };
    assert_eq!(remained.contact_id, Some(contact_id("winner")));
    let vanished = last.iter().find(|event| event.record == remained.record).expect("the note has vanished");
    assert_eq!((&remained.cause, remained.occurred_at), (&vanished.cause, vanished.occurred_at));
    // Whoever mirrors the log has the note as the winner has it.
    let rules = Rules::builtin().expect("rules");
    let [removed, put] = [vanished, remained].map(|event| map(event, &rules).pop().expect("an intent"));
    assert_eq!(removed.object, put.object);
    assert!(removed.revision < put.revision);
    let of_winner =
        &db.log.answers().history(&db.location, &contact_id("winner"), &eventlog::EventFilter::default(), None, 10).await.expect("history");
    let appeared = readable(of_winner.iter().find(|event| event.type_name == "note.appeared").expect("the note appeared").clone());
    assert_eq!(fact(remained).record, fact(&appeared).record);
    assert_eq!((fact(remained).change, fact(remained).changes.len()), (Change::Remained, 0));
    verify(&db.log, &db.location).await.expect("the chain holds");
    // It is known from there on as before.
    assert_eq!(db.observe(seen_with_notes("winner", "Ann", 4, &[("n1", "hello, edited")])).await, []);
    assert_eq!(types(&db.observe(seen_with_notes("winner", "Ann", 5, &[])).await), ["note.vanished"]);
}

#[tokio::test]
async fn what_is_on_another_contact_later_than_it_vanished_needs_no_word() {
    let db = database("remained_not").await;
    db.observe(seen_with_notes("loser", "Ann", 1, &[("n1", "hello")])).await;
    let both = [gone("loser", 2), seen_with_notes("winner", "Ann", 2, &[("n1", "hello")])];
    let last = observe(&db.log, &db.location, &both).await.expect("observed");
    assert_eq!(types(&last), ["contact.vanished", "note.vanished", "contact.appeared", "note.appeared"]);
}

#[tokio::test]
async fn what_is_on_several_contacts_is_told_for_any_moment_whatever_came_afterwards() {
    let db = database("remained_moments").await;
    let lives: [(&str, &[(&str, &str)]); 9] = [
        ("a", &[("n1", "shared"), ("n2", "alone")]),
        ("b", &[("n1", "shared")]),
        ("a", &[("n1", "edited"), ("n2", "alone")]),
        ("c", &[("n3", "other")]),
        ("b", &[]),
        ("c", &[("n3", "other"), ("n1", "edited")]),
        ("b", &[("n1", "edited"), ("n3", "other")]),
        ("a", &[("n2", "alone")]),
        ("c", &[]),
    ];
    for (asked, (id, notes)) in (1..).zip(lives) {
        db.observe(seen_with_notes(id, id, asked, notes)).await;
    }
    let events = db.log.read(&db.location, 0, 1_000).await.expect("read");
    let mut shared_at = 0;
    for through in 0..=db.head().await {
        let shared = db.log.known().shared_records(&db.location, through).await.expect("shared");
        for note in ["n1", "n2", "n3"] {
            // Where it was then: of each contact the last event counts, and where it was seen last is where it is mirrored.
            let mut holders = BTreeMap::new();
            for event in events.iter().filter(|event| event.seq <= through) {
                if event.record.as_ref().is_some_and(|(_, id)| id.as_str() == note) {
                    holders.insert(event.contact_id.clone(), (event.type_name != "note.vanished").then_some(event.seq));
                }
            }
            let there: BTreeMap<u64, String> =
                holders.into_iter().filter_map(|(contact, seq)| Some((seq?, contact?.to_string()))).collect();
            let holder = there.last_key_value().map(|(_, contact)| contact.clone()).filter(|_| there.len() > 1);
            shared_at += usize::from(holder.is_some());
            for contact in ["a", "b", "c"] {
                let expected = holder.as_ref().is_some_and(|holder| holder != contact);
                assert_eq!(shared.is_elsewhere(RecordKind::Note, note, contact), expected, "{note} of {contact} at {through}");
            }
        }
        assert_eq!(["n1", "n2", "n3"].map(|note| shared.is_on_several(RecordKind::Note, note)), [true, false, true]);
    }
    assert!(shared_at > 5, "{shared_at}");
}

#[tokio::test]
async fn what_is_on_several_contacts_goes_with_the_last_of_them() {
    let db = database("remained_shared").await;
    for (asked, id) in (1..).zip(["a", "b", "c"]) {
        db.observe(seen_with_notes(id, id, asked, &[("n1", "shared")])).await;
    }
    let without = |id: &str, asked| seen_with_notes(id, id, asked, &[]);
    // In one batch from two of them: one word is enough.
    let two = observe(&db.log, &db.location, &[without("b", 4), without("c", 4)]).await.expect("observed");
    assert_eq!(types(&two), ["note.vanished", "note.vanished", "note.remained"]);
    assert_eq!(two.last().and_then(|event| event.contact_id.clone()), Some(contact_id("a")));
    assert_eq!(types(&db.observe(without("a", 5)).await), ["note.vanished"]);
}
