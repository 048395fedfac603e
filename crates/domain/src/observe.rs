//! From what was seen to what changed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::fields::{changes, fields, written};
use crate::{Cause, Change, Contact, ContactId, FieldChange, LocationId, Moment, Names, Record, RecordFact, RecordId, RecordKind};

/// One look at a contact and what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub location_id: LocationId,
    pub contact_id: ContactId,
    /// When GHL was asked: an observation asked for earlier than what is known is ignored.
    pub asked_at: Timestamp,
    /// When the location was connected: what GHL created later is new.
    pub connected_at: Timestamp,
    pub contact: Sighting,
    pub tasks: Listing,
    pub notes: Listing,
    pub appointments: Listing,
    pub names: Names,
    pub cause: Cause,
    pub traceparent: Option<String>,
}

impl Observation {
    fn listing(&self, kind: RecordKind) -> &Listing {
        match kind {
            RecordKind::Contact => &Listing::NotAsked,
            RecordKind::Task => &self.tasks,
            RecordKind::Note => &self.notes,
            RecordKind::Appointment => &self.appointments,
        }
    }
}

/// What was seen of the contact itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Sighting {
    NotAsked,
    Present {
        contact: Box<Contact>,
        /// Fields that the answer was silent about, by name: what is known of them stays.
        silent: BTreeSet<String>,
    },
    /// GHL was asked for this very contact and said that it does not exist.
    Gone,
}

/// What was seen of the contact's records of one kind. A partial listing can never be taken for a complete one.
#[derive(Clone, Debug, PartialEq)]
pub enum Listing {
    NotAsked,
    /// Some records, each seen or confirmed gone (`None`).
    Partial(Vec<(RecordId, Option<Record>)>),
    /// All there are: what is not listed does not exist.
    Complete(Vec<(RecordId, Record)>),
}

/// What the log knows of a contact and its records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownContact {
    pub records: BTreeMap<(RecordKind, RecordId), KnownRecord>,
    pub looks: Looks,
}

/// The last known content of a record, kept when it vanished.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownRecord {
    pub present: bool,
    pub record: Record,
    pub asked_at: Timestamp,
}

/// When each part of a contact was last looked at as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looks {
    pub asked_at: BTreeMap<RecordKind, Timestamp>,
    /// `dateUpdated` of the contact when it was last looked at.
    pub updated_at: Option<Moment>,
}

/// What an observation amounts to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    pub drafts: Vec<Draft>,
    /// Records seen singly and unchanged: their `asked_at` moves.
    pub confirmed: Vec<(RecordKind, RecordId)>,
}

/// An event that has no place in the log yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub record_id: RecordId,
    pub occurred_at: Timestamp,
    pub fact: RecordFact,
}

/// Says what changed between what is known and what was seen. Seeing the same again gives nothing.
pub fn observe(known: &KnownContact, seen: &Observation) -> Observed {
    let mut observed = Observed::default();
    see_contact(known, seen, &mut observed);
    if known.is_gone_by(seen) {
        return observed;
    }
    for kind in [RecordKind::Task, RecordKind::Note, RecordKind::Appointment] {
        match seen.listing(kind) {
            Listing::NotAsked => {}
            Listing::Partial(records) => see_singly(known, seen, kind, records, &mut observed),
            Listing::Complete(records) => see_listing(known, seen, kind, records, &mut observed),
        }
    }
    observed
}

impl KnownContact {
    /// Takes in what an observation amounted to, as the log now holds it.
    pub fn apply(&mut self, seen: &Observation, observed: &Observed) {
        for draft in &observed.drafts {
            let record =
                KnownRecord { present: draft.fact.change != Change::Vanished, record: draft.fact.record.clone(), asked_at: seen.asked_at };
            self.records.insert((draft.fact.record.kind(), draft.record_id.clone()), record);
        }
        for key in &observed.confirmed {
            if let Some(record) = self.records.get_mut(key) {
                record.asked_at = record.asked_at.max(seen.asked_at);
            }
        }
        let gone = self.is_gone_by(seen);
        match &seen.contact {
            Sighting::Present { contact, silent }
                if !silent.contains("updated_at") && !self.is_stale(RecordKind::Contact, seen.asked_at) =>
            {
                self.looks.updated_at.clone_from(&contact.updated_at);
            }
            // Should it come back, it is to be looked at whole, even if its update time has not moved.
            Sighting::Gone if gone => self.looks.updated_at = None,
            Sighting::NotAsked | Sighting::Present { .. } | Sighting::Gone => {}
        }
        let looked = |kind| match kind {
            RecordKind::Contact => seen.contact != Sighting::NotAsked,
            RecordKind::Task | RecordKind::Note | RecordKind::Appointment => gone || matches!(seen.listing(kind), Listing::Complete(_)),
        };
        for kind in RecordKind::ALL.into_iter().filter(|kind| looked(*kind)) {
            let at = self.looks.asked_at.entry(kind).or_insert(seen.asked_at);
            *at = (*at).max(seen.asked_at);
        }
    }

    /// Whether GHL has the contact, as far as is known.
    pub fn is_present(&self, contact_id: &ContactId) -> bool {
        self.records.get(&(RecordKind::Contact, RecordId::from(contact_id))).is_some_and(|contact| contact.present)
    }

    /// A contact that is gone has no records, whatever was listed of them in the same look.
    fn is_gone_by(&self, seen: &Observation) -> bool {
        seen.contact == Sighting::Gone && !self.is_stale(RecordKind::Contact, seen.asked_at)
    }

    fn is_stale(&self, kind: RecordKind, asked_at: Timestamp) -> bool {
        self.looks.asked_at.get(&kind).is_some_and(|known| asked_at < *known)
    }
}

fn see_contact(known: &KnownContact, seen: &Observation, observed: &mut Observed) {
    if known.is_stale(RecordKind::Contact, seen.asked_at) {
        return;
    }
    let id = RecordId::from(&seen.contact_id);
    match &seen.contact {
        Sighting::NotAsked => {}
        Sighting::Present { contact, silent } => {
            let last = known.records.get(&(RecordKind::Contact, id.clone())).map(|last| &last.record);
            let record = fill_silent(last, Record::Contact(contact.clone()), silent);
            see_record(known, seen, RecordKind::Contact, &id, Some(&record), false, observed);
        }
        Sighting::Gone => {
            see_record(known, seen, RecordKind::Contact, &id, None, false, observed);
            let records = known.records.keys().filter(|(kind, _)| *kind != RecordKind::Contact);
            for (kind, id) in records {
                see_record(known, seen, *kind, id, None, false, observed);
            }
        }
    }
}

fn see_singly(known: &KnownContact, seen: &Observation, kind: RecordKind, records: &[(RecordId, Option<Record>)], observed: &mut Observed) {
    let mut listed = BTreeSet::new();
    for (id, record) in records {
        if listed.insert(id) {
            see_record(known, seen, kind, id, record.as_ref(), true, observed);
        }
    }
}

fn see_listing(known: &KnownContact, seen: &Observation, kind: RecordKind, records: &[(RecordId, Record)], observed: &mut Observed) {
    if known.is_stale(kind, seen.asked_at) {
        return;
    }
    let mut listed = BTreeSet::new();
    for (id, record) in records {
        // A listing that changes while it is read may name a record twice; the first sight of it counts.
        if listed.insert(id) {
            see_record(known, seen, kind, id, Some(record), false, observed);
        }
    }
    for (_, id) in known.records.keys().filter(|(of, id)| *of == kind && !listed.contains(id)) {
        see_record(known, seen, kind, id, None, false, observed);
    }
}

fn see_record(
    known: &KnownContact,
    seen: &Observation,
    kind: RecordKind,
    id: &RecordId,
    record: Option<&Record>,
    singly: bool,
    observed: &mut Observed,
) {
    let key = (kind, id.clone());
    let last = known.records.get(&key);
    if last.is_some_and(|last| seen.asked_at < last.asked_at) || (singly && known.is_stale(kind, seen.asked_at)) {
        return;
    }
    let fact = match (last, record) {
        (None, None) => None,
        (None, Some(record)) => Some((Change::Appeared, record, field_changes(None, record))),
        (Some(last), None) => last.present.then_some((Change::Vanished, &last.record, Vec::new())),
        (Some(last), Some(record)) => {
            let changes = field_changes(Some(&last.record), record);
            if !last.present {
                Some((Change::Returned, record, changes))
            } else if changes.is_empty() {
                None
            } else {
                Some((Change::Changed, record, changes))
            }
        }
    };
    let Some((change, record, changes)) = fact else {
        if singly && last.is_some() {
            observed.confirmed.push(key);
        }
        return;
    };
    observed.drafts.push(Draft {
        record_id: id.clone(),
        occurred_at: occurred_at(change, record, seen.asked_at),
        fact: RecordFact {
            change,
            names: seen.names.only_for(record),
            new_in_ghl: change == Change::Appeared && is_new(record, seen.connected_at),
            record: record.clone(),
            changes,
        },
    });
}

/// GHL's own word for when it happened, where it has one; otherwise the moment it was seen. Never later than it was seen.
fn occurred_at(change: Change, record: &Record, asked_at: Timestamp) -> Timestamp {
    let said = match change {
        Change::Appeared => record.added_at(),
        Change::Changed => record.updated_at(),
        Change::Vanished | Change::Returned | Change::Remained => None,
    };
    said.and_then(Moment::instant).map_or(asked_at, |said| said.min(asked_at))
}

fn is_new(record: &Record, connected_at: Timestamp) -> bool {
    record.added_at().and_then(Moment::instant).is_some_and(|added| added >= connected_at)
}

/// Moves without the record having changed.
const VOLATILE: &str = "updated_at";

fn field_changes(before: Option<&Record>, after: &Record) -> Vec<FieldChange> {
    if before == Some(after) {
        return Vec::new();
    }
    let mut changes = changes(&before.map(fields).unwrap_or_default(), &fields(after));
    changes.retain(|change| change.field != VOLATILE);
    changes
}

/// Takes what an answer was silent about, by name of field, from what is known.
pub fn fill_silent(last: Option<&Record>, seen: Record, silent: &BTreeSet<String>) -> Record {
    let Some(last) = last.filter(|last| !silent.is_empty() && last.kind() == seen.kind()) else { return seen };
    let (known, mut filled) = (written(last), written(&seen));
    for name in silent {
        match known.get(name) {
            Some(value) => filled.insert(name.clone(), value.clone()),
            None => filled.remove(name),
        };
    }
    serde_json::from_value(Value::Object(filled)).unwrap_or(seen)
}
