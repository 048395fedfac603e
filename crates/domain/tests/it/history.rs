//! The laws of as-of, difference and blame, over histories made by observations.

use std::collections::BTreeMap;

use domain::{
    BlameBuilder, BlameQuery, BlamedValue, Body, Cause, Change, Contact, Delivery, DeliveryFact, DeliveryOutcome, FieldChange, Fields,
    KnownContact, Listing, Names, Net, ObjectKey, ObjectKind, Observation, Past, Point, Record, RecordDifference, RecordFact, RecordId,
    RecordKey, RecordKind, Recorded, Revision, Shown, Sighting, Task, Workspace, as_of, custom_field, difference, event_id, field_within,
    observe,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{contact_id, location, look, minute, present, record_id, recorded};

/// The contact, that it is gone, or nothing of it; and its tasks, if they were listed.
#[derive(Clone, Debug)]
struct Look {
    contact: Option<Option<Contact>>,
    tasks: Option<BTreeMap<u8, Task>>,
}

fn word() -> impl Strategy<Value = Option<String>> {
    prop_oneof![1 => Just(None), 3 => "[ab]".prop_map(Some)]
}

fn contact() -> impl Strategy<Value = Contact> {
    let value = prop_oneof![Just(Value::Null), Just(json!("x")), Just(json!(["x"])), Just(json!({"deep": 1}))];
    (word(), word(), prop::collection::btree_map("[xy]", value, 0..3), prop::collection::btree_set("[tu]", 0..3))
        .prop_map(|(name, city, custom_fields, tags)| Contact { name, city, custom_fields, tags, ..Contact::default() })
}

fn a_look() -> impl Strategy<Value = Look> {
    let task = (word(), any::<bool>()).prop_map(|(title, done)| Task { title, done, ..Task::default() });
    let contact = prop_oneof![2 => Just(None), 6 => contact().prop_map(|contact| Some(Some(contact))), 1 => Just(Some(None))];
    let tasks = prop::option::of(prop::collection::btree_map(0..3_u8, task, 0..3));
    (contact, tasks).prop_map(|(contact, tasks)| Look { contact, tasks })
}

fn named_task((id, task): (&u8, &Task)) -> (RecordId, Shown) {
    (record_id(&format!("t{id}")), Record::Task(task.clone()).into())
}

fn observation(minute: usize, seen: &Look) -> Observation {
    Observation {
        contact: match &seen.contact {
            None => Sighting::NotAsked,
            Some(Some(contact)) => present(contact.clone()),
            Some(None) => Sighting::Gone,
        },
        listings: seen.tasks.iter().map(|tasks| (RecordKind::Task, Listing::Complete(tasks.iter().map(named_task).collect()))).collect(),
        ..look(i64::try_from(minute).unwrap())
    }
}

/// The log of one contact, and what was known after each observation, by position.
#[derive(Clone, Debug)]
struct History {
    events: Vec<Recorded>,
    known: BTreeMap<u64, KnownContact>,
}

/// Observations with deliveries between them, each of a revision that is already in the log.
fn history() -> impl Strategy<Value = History> {
    prop::collection::vec((a_look(), prop::collection::vec((any::<prop::sample::Index>(), 0..2_u8), 0..3)), 1..12).prop_map(|steps| {
        let (mut events, mut known_at, mut known) = (Vec::new(), BTreeMap::new(), KnownContact::default());
        for (step, (seen, deliveries)) in steps.iter().enumerate() {
            let seen = observation(step, seen);
            let observed = observe(&known, &seen);
            known.apply(&seen, &observed);
            for draft in observed.drafts {
                let record = (draft.fact.record.kind(), draft.record_id);
                let at = i64::try_from(step).unwrap();
                events.push(event(&events, at, Some(record), Body::Record(Box::new(draft.fact))));
            }
            known_at.insert(events.len() as u64, known.clone());
            for (index, workspace) in deliveries {
                let Some(delivered) = events.get(index.index(events.len().max(1))) else { continue };
                let Some((kind, id)) = delivered.record.clone() else { continue };
                let delivery = delivery(kind, &id, *workspace, delivered.revision());
                events.push(event(&events, i64::try_from(step).unwrap(), None, delivery));
            }
        }
        History { events, known: known_at }
    })
}

fn event(before: &[Recorded], at: i64, record: Option<RecordKey>, body: Body) -> Recorded {
    let seq = before.len() as u64 + 1;
    Recorded {
        location_id: location(),
        epoch: 1,
        seq,
        event_id: event_id(&location(), 1, seq),
        contact_id: Some(contact_id()),
        record,
        type_name: body.type_name(),
        occurred_at: minute(at),
        recorded_at: minute(at),
        cause: Cause::from(Net::Poll),
        traceparent: None,
        key_id: None,
        body,
    }
}

fn delivery(kind: RecordKind, id: &RecordId, workspace: u8, revision: Revision) -> Body {
    let delivery = Delivery {
        workspace: Workspace::new(format!("w{workspace}")).unwrap(),
        kind: ObjectKind::Task,
        object: ObjectKey::of_record(kind, id),
        revision,
        answer: "updated".to_owned(),
    };
    Body::Delivery(DeliveryFact { outcome: DeliveryOutcome::Delivered, deliveries: vec![delivery] })
}

fn at(events: &[Recorded], position: u64) -> Past {
    as_of(events, Point::Position(position))
}

type PresentFields = BTreeMap<RecordKey, Fields>;
type Differences = BTreeMap<RecordKey, RecordDifference>;

fn held(past: &Past) -> PresentFields {
    past.records.iter().filter(|(_, standing)| standing.present).map(|(key, standing)| (key.clone(), standing.fields.clone())).collect()
}

fn apply(differences: &Differences, held: &mut PresentFields) {
    for (key, RecordDifference { after, changes, .. }) in differences {
        let fields = held.entry(key.clone()).or_default();
        for FieldChange { field, before, after } in changes {
            assert_eq!(fields.get(field).cloned().unwrap_or_default(), *before, "a change begins with what was there");
            if after.is_null() {
                fields.remove(field)
            } else {
                fields.insert(field.clone(), after.clone())
            };
        }
        if !after {
            assert!(fields.is_empty(), "a vanished record has no fields");
            held.remove(key);
        }
    }
}

/// Two differences in sequence as one. A value that returns to its start is no difference.
fn compose(first: &Differences, then: &Differences) -> Differences {
    let mut whole = first.clone();
    for (key, next) in then {
        let Some(so_far) = whole.remove(key) else {
            whole.insert(key.clone(), next.clone());
            continue;
        };
        let mut fields: BTreeMap<String, (Value, Value)> =
            so_far.changes.into_iter().map(|change| (change.field, (change.before, change.after))).collect();
        for change in &next.changes {
            fields.entry(change.field.clone()).or_insert_with(|| (change.before.clone(), Value::Null)).1 = change.after.clone();
        }
        let changes = fields.into_iter().filter(|(_, (before, after))| before != after);
        let changes: Vec<FieldChange> = changes.map(|(field, (before, after))| FieldChange { field, before, after }).collect();
        let composed = RecordDifference { before: so_far.before, after: next.after, changes };
        if composed.before != composed.after || !composed.changes.is_empty() {
            whole.insert(key.clone(), composed);
        }
    }
    whole
}

/// The fields of a record, computed independently of the domain.
fn leaves(record: &Record) -> Fields {
    let Value::Object(written) = serde_json::to_value(record).unwrap() else { panic!("a record is an object") };
    let mut leaves = Fields::new();
    for (name, value) in written {
        if name == "custom_fields" {
            leaves.extend(value.as_object().unwrap().iter().map(|(part, value)| (format!("custom_fields.{part}"), value.clone())));
        } else if name != "kind" {
            leaves.insert(name, value);
        }
    }
    leaves.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn blamed(events: &[Recorded], kind: RecordKind, field: &str) -> Vec<BlamedValue> {
    let mut blaming = BlameBuilder::new(BlameQuery { kind, record_id: None, field: field.to_owned() });
    events.iter().for_each(|event| blaming.take(event));
    blaming.values()
}

proptest! {
    #[test]
    fn as_of_every_position_is_the_fold_of_what_came_before(history in history()) {
        let mut fold = Past::default();
        for (event, position) in history.events.iter().zip(1..) {
            fold.take(event);
            prop_assert_eq!(&at(&history.events, position), &fold);
            let mut last: BTreeMap<_, &Recorded> = BTreeMap::new();
            for event in history.events.iter().take(usize::try_from(position).unwrap()) {
                last.insert(event.record.clone(), event);
            }
            prop_assert_eq!(&as_of(last.into_values(), Point::Position(position)), &fold, "the last event of each record says it all");
        }
    }

    #[test]
    fn as_of_a_position_is_what_was_known_there(history in history()) {
        for (position, known) in &history.known {
            let past = at(&history.events, *position);
            prop_assert_eq!(past.records.len(), known.records.len());
            for (key, known) in &known.records {
                let standing = &past.records[key];
                prop_assert_eq!((standing.present, &standing.fields), (known.present, &leaves(&known.record)));
            }
        }
    }

    #[test]
    fn as_of_an_instant_is_as_of_the_last_position_of_then(history in history(), minutes in 0..12_i64) {
        let instant = minute(minutes);
        let last = history.events.iter().filter(|event| event.recorded_at <= instant).map(|event| event.seq).max().unwrap_or(0);
        prop_assert_eq!(as_of(&history.events, Point::RecordedAt(instant)), at(&history.events, last));
        prop_assert_eq!(as_of(&history.events, Point::OccurredAt(instant)), at(&history.events, last));
    }

    #[test]
    fn differences_lead_from_one_moment_to_the_other_and_add_up(history in history(), moments in prop::array::uniform3(0..40_u64)) {
        let [a, b, c] = moments.map(|position| at(&history.events, position));
        let (first, second, whole) = (difference(&a, &b), difference(&b, &c), difference(&a, &c));
        let mut moved = held(&a);
        apply(&first, &mut moved);
        prop_assert_eq!(&moved, &held(&b));
        prop_assert_eq!(compose(&first, &second), whole);
        prop_assert!(difference(&a, &a).is_empty());
        prop_assert!(compose(&first, &difference(&b, &a)).is_empty(), "a difference and its reverse cancel out");
    }

    #[test]
    fn blame_names_the_value_of_every_position(history in history(), field in prop::sample::select(vec!["title", "done"])) {
        let blamed = blamed(&history.events, RecordKind::Task, field);
        for position in 0..=history.events.len() as u64 {
            for (key, standing) in at(&history.events, position).records.iter().filter(|(key, _)| key.0 == RecordKind::Task) {
                let last = blamed.iter().rfind(|value| value.record == *key && value.revision.seq <= position);
                let is = standing.fields.get(field).filter(|_| standing.present).cloned().unwrap_or_default();
                prop_assert_eq!(last.map(|value| value.after.clone()).unwrap_or_default(), is);
            }
        }
    }

    #[test]
    fn a_value_reached_a_workspace_when_a_revision_that_held_it_was_delivered(history in history()) {
        for value in blamed(&history.events, RecordKind::Task, "title") {
            let mut reached: BTreeMap<Workspace, u64> = BTreeMap::new();
            for event in &history.events {
                let Body::Delivery(fact) = &event.body else { continue };
                for delivery in &fact.deliveries {
                    let held = delivery.revision >= value.revision && value.until.is_none_or(|until| delivery.revision < until);
                    if held && delivery.object == ObjectKey::of_record(value.record.0, &value.record.1) {
                        reached.entry(delivery.workspace.clone()).or_insert(event.seq);
                    }
                }
            }
            let arrivals: BTreeMap<Workspace, u64> = value.reached.iter().map(|(workspace, arrival)| (workspace.clone(), arrival.seq)).collect();
            prop_assert_eq!(arrivals, reached);
        }
    }
}

#[test]
fn blame_of_a_group_of_fields_is_blame_of_each_part_and_ends_with_the_record() {
    let person = |custom: Value| Contact { custom_fields: serde_json::from_value(custom).unwrap(), ..Contact::default() };
    let at = |seq, change, custom| recorded(seq, "ann", change, Record::Contact(Box::new(person(custom))), Names::default(), false);
    let events = [
        at(1, Change::Appeared, json!({"plan": "gold", "size": 3})),
        at(2, Change::Changed, json!({"plan": "silver", "size": 3})),
        at(3, Change::Vanished, json!({"plan": "silver", "size": 3})),
        at(4, Change::Returned, json!({"plan": "silver"})),
    ];
    let lines = |field| {
        let line = |value: &BlamedValue| format!("{} {} {}→{}", value.revision.seq, value.field, value.before, value.after);
        blamed(&events, RecordKind::Contact, field).iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(
        lines("custom_fields"),
        [
            "1 custom_fields.plan null→\"gold\"",
            "1 custom_fields.size null→3",
            "2 custom_fields.plan \"gold\"→\"silver\"",
            "3 custom_fields.plan \"silver\"→null",
            "3 custom_fields.size 3→null",
            "4 custom_fields.plan null→\"silver\"",
        ]
    );
    assert_eq!(lines("custom_fields.size"), ["1 custom_fields.size null→3", "3 custom_fields.size 3→null"]);
    assert_eq!(lines("custom"), [] as [&str; 0]);
}

#[test]
fn fields_are_asked_for_by_name_or_by_what_they_are_a_part_of() {
    assert!(
        field_within("city", "city")
            && field_within("custom_fields.x", "custom_fields")
            && field_within("custom_fields.x.y", "custom_fields.x")
    );
    assert!(!field_within("city_hall", "city") && !field_within("custom_fields", "custom_fields.x") && !field_within("city", ""));
    assert_eq!((custom_field("custom_fields.a.b"), custom_field("custom_fields"), custom_field("city")), (Some("a.b"), None, None));
    let fact = RecordFact {
        change: Change::Appeared,
        record: Record::Task(Task::default()),
        changes: Vec::new(),
        names: Names::default(),
        new_in_ghl: false,
    };
    let task = event(&[], 0, Some((RecordKind::Task, record_id("t"))), Body::Record(Box::new(fact)));
    let past = as_of([&task], Point::Position(1));
    assert_eq!(
        past.records.values().next().map(|standing| standing.fields.clone()),
        Some(Fields::from([("done".to_owned(), json!(false))]))
    );
}
