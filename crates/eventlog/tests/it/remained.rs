//! What vanishes from one contact and is still on another.

use domain::{Body, Change, Observation, RecordFact, Recorded, Rules, Sighting, map};

use crate::support::{contact_id, database, seen, seen_with_notes, types};

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
    let of_winner = &db.log.history(&db.location, &contact_id("winner"), &eventlog::Selection::default(), None, 10).await.expect("history");
    let appeared =
        of_winner.iter().find(|event| event.type_name == "note.appeared").expect("the note appeared").clone().open().expect("readable");
    assert_eq!(fact(remained).record, fact(&appeared).record);
    assert_eq!((fact(remained).change, fact(remained).changes.len()), (Change::Remained, 0));
    db.log.verify(&db.location).await.expect("the chain holds");
    // It is known from there on as before.
    assert_eq!(db.observe(seen_with_notes("winner", "Ann", 4, &[("n1", "hello, edited")])).await, []);
    assert_eq!(types(&db.observe(seen_with_notes("winner", "Ann", 5, &[])).await), ["note.vanished"]);
}

#[tokio::test]
async fn what_is_on_another_contact_later_than_it_vanished_needs_no_word() {
    let db = database("remained_not").await;
    db.observe(seen_with_notes("loser", "Ann", 1, &[("n1", "hello")])).await;
    let both = [gone("loser", 2), seen_with_notes("winner", "Ann", 2, &[("n1", "hello")])];
    let last = db.log.observe(&db.location, &both).await.expect("observed");
    assert_eq!(types(&last), ["contact.vanished", "note.vanished", "contact.appeared", "note.appeared"]);
}

#[tokio::test]
async fn what_is_on_several_contacts_goes_with_the_last_of_them() {
    let db = database("remained_shared").await;
    for (asked, id) in (1..).zip(["a", "b", "c"]) {
        db.observe(seen_with_notes(id, id, asked, &[("n1", "shared")])).await;
    }
    let without = |id: &str, asked| seen_with_notes(id, id, asked, &[]);
    // In one batch from two of them: one word is enough.
    let two = db.log.observe(&db.location, &[without("b", 4), without("c", 4)]).await.expect("observed");
    assert_eq!(types(&two), ["note.vanished", "note.vanished", "note.remained"]);
    assert_eq!(two.last().and_then(|event| event.contact_id.clone()), Some(contact_id("a")));
    assert_eq!(types(&db.observe(without("a", 5)).await), ["note.vanished"]);
}
