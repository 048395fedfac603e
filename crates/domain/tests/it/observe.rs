//! The changes that observations cause: one check for each feature.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Appointment, Contact, KnownContact, Listing, Note, Observation, Record, RecordKind, Shown, Sighting, observe};
use serde_json::json;

use crate::support::{
    Listings, all_tasks, at, described, known_kind, look, minute, moment, named, names, present, record_id, some_tasks, task,
};

#[track_caller]
fn check(looks: &[Observation], events: &str) {
    assert_eq!(described(looks), events);
}

fn sees_contact(minute: i64, contact: Contact) -> Observation {
    Observation { contact: present(contact), ..look(minute) }
}

fn sees_tasks(minute: i64, listings: Listings) -> Observation {
    Observation { listings, ..look(minute) }
}

fn gone(minute: i64) -> Observation {
    Observation { contact: Sighting::Gone, ..look(minute) }
}

#[test]
fn what_was_never_seen_appears() {
    check(&[sees_contact(1, named("Ann"))], "contact ann appeared");
    check(&[sees_tasks(1, all_tasks(&[("t1", task("Call")), ("t2", task("Write"))]))], "task t1 appeared\ntask t2 appeared");
}

#[test]
fn what_is_seen_again_unchanged_is_no_event() {
    let seen = Observation { listings: all_tasks(&[("t1", task("Call"))]), ..sees_contact(1, named("Ann")) };
    check(&[seen.clone(), seen.clone()], "");
    check(&[seen.clone(), Observation { asked_at: minute(9), ..seen }], "");
}

#[test]
fn what_differs_has_changed_field_by_field() {
    let moved = Contact { phone: Some("1".to_owned()), ..named("Anna") };
    check(&[sees_contact(1, named("Ann")), sees_contact(2, moved)], r#"contact ann changed name:"Ann"→"Anna" phone:null→"1""#);
}

#[test]
fn a_moved_update_time_alone_is_no_change() {
    let updated = |time: &str| Contact { updated_at: moment(time), ..named("Ann") };
    check(&[sees_contact(1, updated("2026-03-02T00:00:00Z")), sees_contact(2, updated("2026-03-03T00:00:00Z"))], "");
}

#[test]
fn a_custom_field_changes_by_itself() {
    let with = |fields: &[(&str, serde_json::Value)]| Contact {
        custom_fields: fields.iter().map(|(id, value)| ((*id).to_owned(), value.clone())).collect(),
        ..Contact::default()
    };
    let before = with(&[("size", json!(4)), ("colours", json!(["red"])), ("old", json!("x"))]);
    let after = with(&[("size", json!(4)), ("colours", json!(["red", "blue"])), ("new", json!(true))]);
    check(
        &[sees_contact(1, before), sees_contact(2, after)],
        r#"contact ann changed custom_fields.colours:["red"]→["red","blue"] custom_fields.new:null→true custom_fields.old:"x"→null"#,
    );
}

#[test]
fn an_absent_custom_field_and_an_empty_one_are_the_same() {
    let empty = Contact { custom_fields: BTreeMap::from([("size".to_owned(), json!(null))]), ..named("Ann") };
    check(&[sees_contact(1, named("Ann")), sees_contact(2, empty.clone())], "");
    check(&[sees_contact(1, empty), sees_contact(2, named("Ann"))], "");
}

#[test]
fn a_renamed_field_or_user_is_no_change() {
    let contact = Contact {
        assigned_to: Some("u1".to_owned()),
        custom_fields: BTreeMap::from([("f1".to_owned(), json!("x"))]),
        ..Contact::default()
    };
    let called = |user: &str, field: &str| names(&[("u1", user), ("u2", "Bob")], &[("f1", field), ("f2", "Other")], &[]);
    let before = Observation { names: called("Ben", "Size"), ..sees_contact(1, contact.clone()) };
    let after = Observation { names: called("Benjamin", "Shoe size"), ..sees_contact(2, contact) };
    check(&[before.clone(), after], "");
    let observed = observe(&KnownContact::default(), &before);
    assert_eq!(observed.drafts[0].fact.names, names(&[("u1", "Ben")], &[("f1", "Size")], &[]), "only the names that the contact refers to");
}

#[test]
fn what_a_complete_listing_lacks_has_vanished() {
    let first = sees_tasks(1, all_tasks(&[("t1", task("Call")), ("t2", task("Write"))]));
    check(&[first.clone(), sees_tasks(2, all_tasks(&[("t2", task("Write"))]))], "task t1 vanished");
    check(&[first, sees_tasks(2, all_tasks(&[]))], "task t1 vanished\ntask t2 vanished");
}

#[test]
fn a_partial_listing_says_nothing_of_what_it_lacks() {
    let first = sees_tasks(1, all_tasks(&[("t1", task("Call")), ("t2", task("Write"))]));
    check(&[first.clone(), sees_tasks(2, some_tasks(&[("t2", Some(task("Write")))]))], "");
    check(&[first.clone(), sees_tasks(2, some_tasks(&[]))], "");
    check(&[first, sees_tasks(2, some_tasks(&[("t1", None)]))], "task t1 vanished");
}

#[test]
fn what_was_confirmed_gone_vanishes_once() {
    let first = sees_tasks(1, all_tasks(&[("t1", task("Call"))]));
    let confirmed = |minute| sees_tasks(minute, some_tasks(&[("t1", None)]));
    check(&[first, confirmed(2), confirmed(3)], "");
    check(&[sees_tasks(1, some_tasks(&[("never seen", None)]))], "");
}

#[test]
fn what_comes_back_returns_with_what_is_different() {
    let looks = [
        sees_tasks(1, all_tasks(&[("t1", task("Call"))])),
        sees_tasks(2, all_tasks(&[])),
        sees_tasks(3, all_tasks(&[("t1", task("Call again"))])),
    ];
    check(&looks, r#"task t1 returned title:"Call"→"Call again""#);
    check(&[sees_contact(1, named("Ann")), gone(2), sees_contact(3, named("Ann"))], "contact ann returned");
}

#[test]
fn a_listing_that_names_a_record_twice_counts_the_first() {
    check(&[sees_tasks(1, all_tasks(&[("t1", task("Call")), ("t1", task("Call!"))]))], "task t1 appeared");
    check(&[sees_tasks(1, some_tasks(&[("t1", Some(task("Call"))), ("t1", Some(task("Call!")))]))], "task t1 appeared");
    check(&[sees_tasks(1, some_tasks(&[("t1", Some(task("Call"))), ("t1", None)]))], "task t1 appeared");
}

#[test]
fn a_contact_that_is_gone_takes_its_records() {
    let notes = Listing::Complete(vec![(record_id("n1"), Record::Note(Note::default()).into())]);
    let listings = all_tasks(&[("t1", task("Call"))]).into_iter().chain([(RecordKind::Note, notes)]).collect();
    let first = Observation { listings, ..sees_contact(1, named("Ann")) };
    check(&[first, gone(2)], "contact ann vanished\ntask t1 vanished\nnote n1 vanished");
}

#[test]
fn a_contact_that_is_gone_takes_its_records_once_whatever_else_was_listed() {
    let first = Observation { listings: all_tasks(&[("t1", task("Call"))]), ..sees_contact(1, named("Ann")) };
    check(&[first.clone(), Observation { listings: all_tasks(&[]), ..gone(2) }], "contact ann vanished\ntask t1 vanished");
    let leftovers = all_tasks(&[("t1", task("Call!")), ("t2", task("Write"))]);
    check(&[first, Observation { listings: leftovers, ..gone(2) }], "contact ann vanished\ntask t1 vanished");
}

#[test]
fn an_older_look_is_ignored() {
    check(&[sees_contact(5, named("Anna")), sees_contact(4, named("Ann"))], "");
    check(&[sees_contact(5, named("Anna")), gone(4)], "");
    let newer = sees_tasks(5, all_tasks(&[("t1", task("Call"))]));
    check(&[newer.clone(), sees_tasks(4, all_tasks(&[("t2", task("Write"))]))], "");
    check(&[newer.clone(), sees_tasks(4, some_tasks(&[("t2", Some(task("Write")))]))], "");
    check(&[newer, sees_tasks(4, some_tasks(&[("t1", None)]))], "");
}

#[test]
fn an_older_listing_does_not_speak_of_a_record_seen_since() {
    let single = sees_tasks(5, some_tasks(&[("t1", Some(task("Call")))]));
    check(&[single.clone(), sees_tasks(4, all_tasks(&[("t2", task("Write"))]))], "task t2 appeared");
    let unchanged = [sees_tasks(1, all_tasks(&[("t1", task("Call"))])), single, sees_tasks(4, all_tasks(&[]))];
    check(&unchanged, "");
}

#[test]
fn a_look_from_before_the_contact_was_gone_brings_nothing_back() {
    let first = Observation { listings: all_tasks(&[("t1", task("Call"))]), ..sees_contact(1, named("Ann")) };
    let looks = |late| [first.clone(), gone(5), late];
    check(&looks(sees_tasks(4, all_tasks(&[("t1", task("Call")), ("t2", task("Write"))]))), "");
    check(&looks(sees_tasks(4, some_tasks(&[("t2", Some(task("Write")))]))), "");
    check(&looks(sees_tasks(6, all_tasks(&[("t1", task("Call"))]))), "task t1 returned");
}

#[test]
fn fields_that_an_answer_is_silent_about_stay_as_known() {
    let tagged = Contact { tags: BTreeSet::from(["vip".to_owned()]), phone: Some("1".to_owned()), ..named("Ann") };
    let silent = |fields: &[&'static str]| Observation { contact: silent_about(fields, named("Anna")), ..look(2) };
    check(&[sees_contact(1, tagged.clone()), silent(&["tags", "phone"])], r#"contact ann changed name:"Ann"→"Anna""#);
    check(&[sees_contact(1, tagged), silent(&["tags"])], r#"contact ann changed name:"Ann"→"Anna" phone:"1"→null"#);
    check(&[silent(&["tags", "phone"])], "contact ann appeared");
}

/// A contact as an answer shows it that does not speak of these fields.
fn silent_about(fields: &[&'static str], contact: Contact) -> Sighting {
    let shown = Shown { silent: fields.iter().copied().collect(), ..Shown::from(Record::Contact(Box::new(contact))) };
    Sighting::Present { shown: Box::new(shown), by_id: true }
}

#[test]
fn records_keep_what_their_listing_is_silent_about() {
    let visit =
        |place: Option<&str>| Appointment { title: Some("Visit".to_owned()), place: place.map(str::to_owned), ..Appointment::default() };
    let listed = |at, shown: Shown| {
        let listings = [(RecordKind::Appointment, Listing::Complete(vec![(record_id("a1"), shown)]))].into();
        Observation { listings, ..look(at) }
    };
    let whole = || listed(1, Record::Appointment(visit(Some("Room 2"))).into());
    let silent = Shown { silent: ["place"].into(), ..Shown::from(Record::Appointment(visit(None))) };
    check(&[whole(), listed(2, silent)], "");
    check(&[whole(), listed(2, Record::Appointment(visit(None)).into())], r#"appointment a1 changed place:"Room 2"→null"#);
}

#[test]
fn what_was_asked_for_by_its_id_is_remembered_until_it_is_gone() {
    let mut known = KnownContact::default();
    let mut see = |seen: &Observation| {
        let observed = observe(&known, seen);
        known.apply(seen, &observed);
        known.looks.by_id_at
    };
    let Sighting::Present { shown, .. } = present(named("Ann")) else { panic!("present") };
    let row = Observation { contact: Sighting::Present { shown, by_id: false }, ..look(1) };
    assert_eq!(see(&row), None);
    assert_eq!(see(&sees_contact(2, named("Ann"))), Some(minute(2)));
    assert_eq!(see(&Observation { asked_at: minute(3), ..row }), Some(minute(2)));
    assert_eq!(see(&gone(4)), None);
}

#[test]
fn a_contact_that_a_search_shows_changed_is_to_be_asked_for_by_its_id() {
    let mut known = KnownContact::default();
    let mut see = |seen: &Observation| {
        let observed = observe(&known, seen);
        known.apply(seen, &observed);
        known.looks.by_id_at
    };
    assert_eq!(see(&sees_contact(1, named("Ann"))), Some(minute(1)));
    let Sighting::Present { shown, .. } = present(named("Anna")) else { panic!("present") };
    let row = Observation { contact: Sighting::Present { shown, by_id: false }, ..look(2) };
    assert_eq!(see(&row), None, "more may have changed than it shows");
    assert_eq!(see(&sees_contact(3, named("Anna"))), Some(minute(3)));
}

#[test]
fn new_in_ghl_is_only_what_ghl_created_after_the_location_was_connected() {
    let added = |time: &str| sees_contact(99, Contact { added_at: moment(time), ..named("Ann") });
    check(&[added("2026-03-01T00:00:00Z")], "contact ann appeared new");
    check(&[added("2026-02-28T23:59:59Z")], "contact ann appeared");
    check(&[added("yesterday")], "contact ann appeared");
    check(&[sees_contact(1, named("Ann"))], "contact ann appeared");
    let back = [added("2026-03-01T00:30:00Z"), gone(100), Observation { asked_at: minute(101), ..added("2026-03-01T00:30:00Z") }];
    check(&back, "contact ann returned");
}

#[test]
fn an_event_happened_when_ghl_says_but_never_after_it_was_seen() {
    let occurred = |added: &str| {
        let appointment = Record::Appointment(Appointment { added_at: moment(added), ..Appointment::default() });
        let listings = [(RecordKind::Appointment, Listing::Complete(vec![(record_id("a1"), appointment.into())]))].into();
        let seen = Observation { listings, ..look(10) };
        observe(&KnownContact::default(), &seen).drafts[0].occurred_at
    };
    assert_eq!(occurred("2026-03-01T00:05:00Z"), minute(5));
    assert_eq!(occurred("2036-03-01T00:05:00Z"), minute(10));
    assert_eq!(occurred("2026-03-01 00:05:00"), minute(10));
}

#[test]
fn what_vanished_keeps_its_last_content() {
    let mut known = KnownContact::default();
    for seen in [sees_tasks(1, all_tasks(&[("t1", task("Call"))])), sees_tasks(2, all_tasks(&[]))] {
        let observed = observe(&known, &seen);
        known.apply(&seen, &observed);
    }
    assert_eq!(known_kind(&known, RecordKind::Task, "t1"), Some(false));
    assert_eq!(known.records.values().next().unwrap().record, task("Call"));
}

#[test]
fn the_update_time_that_was_looked_at_is_remembered_until_the_contact_is_gone() {
    let updated = Contact { updated_at: moment("2026-03-02T00:00:00Z"), ..named("Ann") };
    let mut known = KnownContact::default();
    let mut see = |seen: &Observation| {
        let observed = observe(&known, seen);
        known.apply(seen, &observed);
        known.looks.updated_at.clone()
    };
    assert_eq!(see(&sees_contact(5, updated)), moment("2026-03-02T00:00:00Z"));
    let older = Contact { updated_at: moment("2026-03-01T00:00:00Z"), ..named("Ann") };
    assert_eq!(see(&sees_contact(4, older)), moment("2026-03-02T00:00:00Z"));
    assert_eq!(see(&Observation { contact: silent_about(&["updated_at"], named("Ann")), ..look(6) }), moment("2026-03-02T00:00:00Z"));
    assert_eq!(see(&gone(7)), None, "a contact that comes back is looked at, even with its old update time");
}

#[test]
fn the_same_number_is_the_same_after_it_was_stored() {
    let seen: Contact = serde_json::from_str(r#"{"custom_fields":{"n":9355.300000000001,"m":2.2250738585072011e-308}}"#).unwrap();
    let stored: Contact = serde_json::from_slice(&serde_json::to_vec(&seen).unwrap()).unwrap();
    assert_eq!(stored, seen);
    assert_eq!(at(crate::support::CONNECTED), minute(0));
}
