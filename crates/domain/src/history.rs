//! Looking back: how a contact and its records stood at any moment, how two moments differ, and where each value came from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::fields::{Fields, changes, field_within, fields};
use crate::{
    Body, Cause, Change, Delivery, DeliveryOutcome, FieldChange, Names, ObjectKey, RecordFact, RecordId, RecordKind, Recorded, Revision,
    Workspace,
};

/// Names a record of a contact.
pub type RecordKey = (RecordKind, RecordId);

/// A moment to look back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Everything up to this position of the log.
    Position(u64),
    /// What was in the log at this instant: what was known then.
    RecordedAt(Timestamp),
    /// What had happened by this instant, by GHL's word, as far as it is known today.
    OccurredAt(Timestamp),
}

impl Point {
    /// Whether an event is in the past of this moment.
    pub fn includes(&self, event: &Recorded) -> bool {
        match self {
            Self::Position(position) => event.seq <= *position,
            Self::RecordedAt(at) => event.recorded_at <= *at,
            Self::OccurredAt(at) => event.occurred_at <= *at,
        }
    }
}

/// A contact and its records at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Every record seen until then. One that had vanished keeps its last content.
    pub records: BTreeMap<RecordKey, Standing>,
}

/// How a record stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// It existed in GHL.
    pub present: bool,
    pub fields: Fields,
    /// What the ids in its fields stand for, as of its last change.
    pub names: Names,
    /// The last change until then.
    pub revision: Revision,
    pub occurred_at: Timestamp,
    pub recorded_at: Timestamp,
}

impl Past {
    /// Takes in the next event of the contact, in the order of the log. Each event holds the whole record, so the last one of each
    /// record alone gives the same.
    pub fn take(&mut self, event: &Recorded) {
        let (Body::Record(fact), Some(key)) = (&event.body, &event.record) else { return };
        let standing = Standing {
            present: fact.change != Change::Vanished,
            fields: fields(&fact.record),
            names: fact.names.clone(),
            revision: event.revision(),
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
        };
        self.records.insert(key.clone(), standing);
    }
}

/// How the events of a contact, in the order of the log, leave it at a moment.
pub fn as_of<'a>(events: impl IntoIterator<Item = &'a Recorded>, point: Point) -> Past {
    let mut past = Past::default();
    events.into_iter().filter(|event| point.includes(event)).for_each(|event| past.take(event));
    past
}

/// How one record differs between two moments.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordDifference {
    /// It existed at the first moment.
    pub before: bool,
    /// It existed at the second.
    pub after: bool,
    /// All of its fields, where it existed at one of them only.
    pub changes: Vec<FieldChange>,
}

/// The records that differ between two moments. What had vanished counts as not there.
pub fn difference(from: &Past, to: &Past) -> BTreeMap<RecordKey, RecordDifference> {
    let keys: BTreeSet<&RecordKey> = from.records.keys().chain(to.records.keys()).collect();
    let nothing = Fields::new();
    let mut differences = BTreeMap::new();
    for key in keys {
        let standing = |past: &Past| past.records.get(key).filter(|standing| standing.present).map(|standing| standing.fields.clone());
        let (before, after) = (standing(from), standing(to));
        let changes = changes(before.as_ref().unwrap_or(&nothing), after.as_ref().unwrap_or(&nothing));
        if before.is_some() != after.is_some() || !changes.is_empty() {
            differences.insert(key.clone(), RecordDifference { before: before.is_some(), after: after.is_some(), changes });
        }
    }
    differences
}

/// One value that a field had, who is to blame for it, and whether it reached Pagico.
#[derive(Clone, Debug, PartialEq)]
pub struct Blamed {
    pub record: RecordKey,
    pub field: String,
    pub before: Value,
    /// Null where the field became empty or the record vanished.
    pub after: Value,
    pub change: Change,
    pub names: Names,
    pub revision: Revision,
    pub occurred_at: Timestamp,
    pub recorded_at: Timestamp,
    pub cause: Cause,
    pub traceparent: Option<String>,
    /// The change that replaced it; none for the value of today.
    pub until: Option<Revision>,
    /// When a workspace first held it.
    pub reached: BTreeMap<Workspace, Arrival>,
}

/// When something was in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The revision that was delivered: the change itself or a later one that left the value as it was.
    pub revision: Revision,
    /// The position of the delivery in the log.
    pub seq: u64,
    pub at: Timestamp,
    pub answer: String,
}

/// Which values are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    pub kind: RecordKind,
    /// One record; none for all of the kind.
    pub record_id: Option<RecordId>,
    /// The field, or what it is a part of.
    pub field: String,
}

/// Every value that a field ever had, gathered event by event.
#[derive(Debug)]
pub struct Blaming {
    asked: Blame,
    values: Vec<Blamed>,
    /// Of each record, by the object that mirrors it, and each field: the places of its values in `values`, oldest first.
    places: BTreeMap<ObjectKey, BTreeMap<String, Vec<usize>>>,
}

impl Blaming {
    pub fn new(asked: Blame) -> Self {
        Self { asked, values: Vec::new(), places: BTreeMap::new() }
    }

    /// Takes in the next event of the contact, in the order of the log.
    pub fn take(&mut self, event: &Recorded) {
        match (&event.body, &event.record) {
            (Body::Record(fact), Some((kind, id))) if *kind == self.asked.kind => self.change(event, fact, id),
            (Body::Delivery(fact), _) if fact.outcome == DeliveryOutcome::Delivered => {
                fact.deliveries.iter().for_each(|delivery| self.deliver(event, delivery));
            }
            (Body::Record(_) | Body::Delivery(_) | Body::Operator(_) | Body::Erased, _) => {}
        }
    }

    /// The values in the order in which they came to be.
    pub fn values(self) -> Vec<Blamed> {
        self.values
    }

    fn change(&mut self, event: &Recorded, fact: &RecordFact, id: &RecordId) {
        if self.asked.record_id.as_ref().is_some_and(|asked| asked != id) {
            return;
        }
        let mut after = if fact.change == Change::Vanished { Fields::new() } else { fields(&fact.record) };
        after.retain(|field, _| field_within(field, &self.asked.field));
        let places = self.places.entry(ObjectKey::of_record(self.asked.kind, id)).or_default();
        let last = |places: &Vec<usize>| places.last().and_then(|place| self.values.get(*place)).map(|value| value.after.clone());
        let before: Fields = places
            .iter()
            .filter_map(|(field, places)| Some((field.clone(), last(places)?)))
            .filter(|(_, value)| !value.is_null())
            .collect();
        for FieldChange { field, before, after } in changes(&before, &after) {
            let places = places.entry(field.clone()).or_default();
            if let Some(replaced) = places.last().and_then(|place| self.values.get_mut(*place)) {
                replaced.until = Some(event.revision());
            }
            places.push(self.values.len());
            self.values.push(Blamed {
                record: (self.asked.kind, id.clone()),
                field,
                before,
                after,
                change: fact.change,
                names: fact.names.clone(),
                revision: event.revision(),
                occurred_at: event.occurred_at,
                recorded_at: event.recorded_at,
                cause: event.cause.clone(),
                traceparent: event.traceparent.clone(),
                until: None,
                reached: BTreeMap::new(),
            });
        }
    }

    /// What is delivered is the whole record as it stood at the revision: of each field the value of then.
    fn deliver(&mut self, event: &Recorded, delivery: &Delivery) {
        let Some(fields) = self.places.get(&delivery.object) else { return };
        for places in fields.values() {
            let then = places.partition_point(|place| self.values.get(*place).is_some_and(|value| value.revision <= delivery.revision));
            let value = then.checked_sub(1).and_then(|last| places.get(last)).and_then(|place| self.values.get_mut(*place));
            if let Some(value) = value {
                value.reached.entry(delivery.workspace.clone()).or_insert_with(|| Arrival {
                    revision: delivery.revision,
                    seq: event.seq,
                    at: event.recorded_at,
                    answer: delivery.answer.clone(),
                });
            }
        }
    }
}
