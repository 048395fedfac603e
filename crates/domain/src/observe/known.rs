//! What the log knows of a contact, and how an observation updates it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::observation::{Listing, Observation, Sighting};
use crate::{Change, ContactId, Moment, Reading, Record, RecordFact, RecordId, RecordKind};

/// What the log knows of a contact and its records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownContact {
    pub records: BTreeMap<(RecordKind, RecordId), KnownRecord>,
    pub looks: Looks,
}

/// The last known content of a record; a vanished record keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownRecord {
    pub present: bool,
    pub record: Record,
    pub asked_at: Timestamp,
    /// How much of it was read.
    pub reading: Reading,
}

/// When the contact and each kind of its records were last observed completely.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looks {
    pub asked_at: BTreeMap<RecordKind, Timestamp>,
    /// `dateUpdated` of the contact when it was last observed.
    pub updated_at: Option<Moment>,
    /// When the contact was last asked for by its id; none when a search has shown a change since, which does not show all of its fields.
    pub by_id_at: Option<Timestamp>,
}

/// What an observation changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    pub drafts: Vec<Draft>,
    /// Records that were observed one by one and are unchanged: their `asked_at` is updated.
    pub confirmed: Vec<(RecordKind, RecordId)>,
    /// Records that are unchanged, and of which more was read than before.
    pub reread: Vec<((RecordKind, RecordId), Reading)>,
}

/// An event that has no position in the log yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub record_id: RecordId,
    pub occurred_at: Timestamp,
    /// How much of the record was read by then.
    pub reading: Reading,
    pub fact: RecordFact,
}

impl KnownContact {
    /// Applies the changes of an observation after the log has stored them.
    pub fn apply(&mut self, seen: &Observation, observed: &Observed) {
        for draft in &observed.drafts {
            let record = KnownRecord {
                present: draft.fact.change != Change::Vanished,
                record: draft.fact.record.clone(),
                asked_at: seen.asked_at,
                reading: draft.reading,
            };
            self.records.insert((draft.fact.record.kind(), draft.record_id.clone()), record);
        }
        for key in &observed.confirmed {
            if let Some(record) = self.records.get_mut(key) {
                record.asked_at = record.asked_at.max(seen.asked_at);
            }
        }
        for (key, reading) in &observed.reread {
            if let Some(record) = self.records.get_mut(key) {
                record.reading = *reading;
            }
        }
        let gone = self.is_gone_by(seen);
        match &seen.contact {
            Sighting::Present { shown, by_id } if !self.is_stale(RecordKind::Contact, seen.asked_at) => {
                if !shown.silent.contains("updated_at") {
                    self.looks.updated_at = shown.record.updated_at().cloned();
                }
                let is_changed =
                    observed.drafts.iter().any(|draft| draft.fact.record.kind() == RecordKind::Contact && draft.fact.is_news());
                if *by_id {
                    self.looks.by_id_at = Some(seen.asked_at);
                } else if is_changed {
                    // More may have changed than a search shows.
                    self.looks.by_id_at = None;
                }
            }
            // If the contact comes back, it must be observed completely even with an unchanged update time.
            Sighting::Gone if gone => (self.looks.updated_at, self.looks.by_id_at) = (None, None),
            Sighting::NotAsked | Sighting::Present { .. } | Sighting::Gone => {}
        }
        let looked = |kind| {
            if kind == RecordKind::Contact {
                return seen.contact != Sighting::NotAsked;
            }
            gone || matches!(seen.listings.get(&kind), Some(Listing::Complete(_)))
        };
        for kind in RecordKind::ALL.into_iter().filter(|kind| looked(*kind)) {
            let at = self.looks.asked_at.entry(kind).or_insert(seen.asked_at);
            *at = (*at).max(seen.asked_at);
        }
    }

    /// Whether GHL had the contact when it was last observed.
    pub fn is_present(&self, contact_id: &ContactId) -> bool {
        self.records.get(&(RecordKind::Contact, RecordId::from(contact_id))).is_some_and(|contact| contact.present)
    }

    /// Whether the observation shows that the contact is gone. Then it has no records, whatever the same observation lists.
    pub(super) fn is_gone_by(&self, seen: &Observation) -> bool {
        seen.contact == Sighting::Gone && !self.is_stale(RecordKind::Contact, seen.asked_at)
    }

    pub(super) fn is_stale(&self, kind: RecordKind, asked_at: Timestamp) -> bool {
        self.looks.asked_at.get(&kind).is_some_and(|known| asked_at < *known)
    }
}
