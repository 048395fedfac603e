//! The past: the state of a contact and its records at any moment, how two moments differ, and where each value came from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::fields::{Fields, changes, field_within, fields};
use crate::{
    Body, Cause, Change, Delivery, DeliveryOutcome, FieldChange, Names, ObjectKey, RecordFact, RecordId, RecordKind, Recorded, Revision,
    Workspace,
};

/// Identifies a record of a contact.
pub type RecordKey = (RecordKind, RecordId);

/// A moment in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Everything up to this position of the log.
    Position(u64),
    /// Everything recorded by this instant: what was known then.
    RecordedAt(Timestamp),
    /// Everything that had happened by this instant according to GHL, as far as it is known today.
    OccurredAt(Timestamp),
}

impl Point {
    /// Whether an event had happened or was known at this moment.
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
    /// Every record seen until then. A vanished record keeps its last content.
    pub records: BTreeMap<RecordKey, Standing>,
}

/// The state of a record at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// It existed in GHL.
    pub present: bool,
    pub fields: Fields,
    /// The names for the ids in its fields, as of its last change.
    pub names: Names,
    /// The last change until then.
    pub revision: Revision,
    pub occurred_at: Timestamp,
    pub recorded_at: Timestamp,
}

impl Past {
    /// Applies the next event of the contact, in the order of the log. Each event holds the whole record, so applying only the last event
    /// of each record gives the same result.
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

/// The state of a contact at a moment, from its events in the order of the log.
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
    /// The fields that differ; all fields where the record existed at only one of the moments.
    pub changes: Vec<FieldChange>,
}

/// The records that differ between two moments. A vanished record counts as absent.
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

/// One value that a field had, the event that set it, and when it reached Pagico.
#[derive(Clone, Debug, PartialEq)]
pub struct BlamedValue {
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
    /// The change that replaced it; none for the current value.
    pub until: Option<Revision>,
    /// When each workspace first held it.
    pub reached: BTreeMap<Workspace, Arrival>,
}

/// When a value arrived in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The delivered revision: of the change itself, or of a later event that left the value unchanged.
    pub revision: Revision,
    /// The position of the delivery in the log.
    pub seq: u64,
    pub at: Timestamp,
    pub answer: String,
}

/// Which values a query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlameQuery {
    pub kind: RecordKind,
    /// One record; none for all of the kind.
    pub record_id: Option<RecordId>,
    /// The field, or the field that it is a part of.
    pub field: String,
}

/// Collects every value that a field ever had, event by event.
#[derive(Debug)]
pub struct BlameBuilder {
    query: BlameQuery,
    values: Vec<BlamedValue>,
    /// For the mirroring object of each record and each of its fields: the indexes of the values in `values`, oldest first.
    indexes: BTreeMap<ObjectKey, BTreeMap<String, Vec<usize>>>,
}

impl BlameBuilder {
    pub fn new(query: BlameQuery) -> Self {
        Self { query, values: Vec::new(), indexes: BTreeMap::new() }
    }

    /// Applies the next event of the contact, in the order of the log.
    pub fn take(&mut self, event: &Recorded) {
        match (&event.body, &event.record) {
            (Body::Record(fact), Some((kind, id))) if *kind == self.query.kind => self.change(event, fact, id),
            (Body::Delivery(fact), _) if fact.outcome == DeliveryOutcome::Delivered => {
                fact.deliveries.iter().for_each(|delivery| self.deliver(event, delivery));
            }
            (Body::Record(_) | Body::Delivery(_) | Body::Operator(_) | Body::Erased, _) => {}
        }
    }

    /// The values, oldest first.
    pub fn values(self) -> Vec<BlamedValue> {
        self.values
    }

    fn change(&mut self, event: &Recorded, fact: &RecordFact, id: &RecordId) {
        if self.query.record_id.as_ref().is_some_and(|wanted| wanted != id) {
            return;
        }
        let mut after = if fact.change == Change::Vanished { Fields::new() } else { fields(&fact.record) };
        after.retain(|field, _| field_within(field, &self.query.field));
        let indexes = self.indexes.entry(ObjectKey::of_record(self.query.kind, id)).or_default();
        let last = |indexes: &Vec<usize>| indexes.last().and_then(|index| self.values.get(*index)).map(|value| value.after.clone());
        let before: Fields = indexes
            .iter()
            .filter_map(|(field, indexes)| Some((field.clone(), last(indexes)?)))
            .filter(|(_, value)| !value.is_null())
            .collect();
        for FieldChange { field, before, after } in changes(&before, &after) {
            let indexes = indexes.entry(field.clone()).or_default();
            if let Some(replaced) = indexes.last().and_then(|index| self.values.get_mut(*index)) {
                replaced.until = Some(event.revision());
            }
            indexes.push(self.values.len());
            self.values.push(BlamedValue {
                record: (self.query.kind, id.clone()),
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

    /// A delivery carries the whole record as of its revision, so each field arrives with its value as of that revision.
    fn deliver(&mut self, event: &Recorded, delivery: &Delivery) {
        let Some(fields) = self.indexes.get(&delivery.object) else { return };
        for indexes in fields.values() {
            let then = indexes.partition_point(|index| self.values.get(*index).is_some_and(|value| value.revision <= delivery.revision));
            let value = then.checked_sub(1).and_then(|last| indexes.get(last)).and_then(|index| self.values.get_mut(*index));
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
