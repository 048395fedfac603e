//! What was missing from an answer although it is known, and whether it is gone for certain: by GHL's own word, after a webhook announced
//! it, or when it was missing from complete lists twice, some time apart. And how much has vanished that no webhook announced, and what
//! webhooks said was deleted, rightly.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{ContactId, KnownContact, Listing, Observation, RecordId, RecordKind, Sighting};
use jiff::{SignedDuration, Timestamp};

use crate::config::VanishingSettings;
use crate::look::request::Missing;

/// How much later a webhook may come that was sent before another.
const OVERTAKEN: SignedDuration = SignedDuration::from_mins(1);

/// Records of a contact, or the contact under its own id.
pub(crate) type Keys = BTreeSet<Key>;

type Key = (RecordKind, RecordId);

/// What was missing, and how much has vanished, of one location.
#[derive(Default)]
pub(crate) struct Absences(Mutex<State>);

#[derive(Default)]
struct State {
    /// When a record was first missing from its contact's list.
    missing: BTreeMap<Place, Timestamp>,
    /// What vanished unannounced within the last hour, by kind.
    vanished: BTreeMap<RecordKind, VecDeque<(Timestamp, u64)>>,
    /// When a webhook came that said rightly that this was deleted.
    deleted: BTreeMap<Key, Timestamp>,
}

type Place = (ContactId, RecordKind, RecordId);

/// What is known and missing from an observation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Absent {
    /// Missing for the first time, or not for long enough.
    pub(crate) doubtful: Keys,
    /// Gone for certain, and no webhook said so.
    pub(crate) unannounced: Keys,
}

impl Absences {
    /// What is known and missing from the observation. Remembers what was missing for the first time.
    pub(crate) fn absent(
        &self,
        settings: &VanishingSettings,
        known: &KnownContact,
        seen: &Observation,
        missing: Missing,
        announced: &Keys,
    ) -> Absent {
        let mut absent = Absent::default();
        let contact = (RecordKind::Contact, RecordId::from(&seen.contact_id));
        if seen.contact == Sighting::Gone {
            if known.is_present(&seen.contact_id) && !announced.contains(&contact) {
                absent.unannounced.insert(contact);
            }
            return absent;
        }
        let mut state = self.lock();
        for (kind, listing) in &seen.listings {
            let Listing::Complete(records) = listing else { continue };
            let listed: BTreeSet<&RecordId> = records.iter().map(|(id, _)| id).collect();
            for (key, record) in known.records.iter().filter(|(key, record)| key.0 == *kind && record.present) {
                let place = (seen.contact_id.clone(), key.0, key.1.clone());
                if listed.contains(&key.1) || seen.asked_at < record.asked_at || announced.contains(key) {
                    state.missing.remove(&place);
                } else if missing == Missing::Confirmed || state.is_missing_long(settings, &place, seen.asked_at) {
                    absent.unannounced.insert(key.clone());
                } else {
                    state.note_missing(settings, place, seen.asked_at);
                    absent.doubtful.insert(key.clone());
                }
            }
        }
        absent
    }

    /// How much has vanished within the last hour.
    pub(crate) fn vanished(&self, kind: RecordKind, now: Timestamp) -> u64 {
        let mut state = self.lock();
        let vanished = state.vanished.entry(kind).or_default();
        while vanished.front().is_some_and(|(at, _)| now.duration_since(*at) > SignedDuration::from_hours(1)) {
            vanished.pop_front();
        }
        vanished.iter().map(|(_, count)| count).sum()
    }

    pub(crate) fn note_vanished(&self, kind: RecordKind, count: u64, at: Timestamp) {
        let mut state = self.lock();
        let vanished = state.vanished.entry(kind).or_default();
        match vanished.back_mut() {
            // By seconds, so that the list stays short.
            Some((last, sum)) if last.as_second() == at.as_second() => *sum += count,
            Some(_) | None => vanished.push_back((at, count)),
        }
    }

    /// A webhook that came at this time said that this was deleted, and a look did not show it any more.
    pub(crate) fn note_deleted(&self, settings: &VanishingSettings, key: Key, at: Timestamp) {
        let deleted = &mut self.lock().deleted;
        if deleted.len() >= settings.remembered_max.get() {
            // Webhooks that say that such records were made wait for them in vain for a while.
            deleted.clear();
        }
        deleted.insert(key, at);
    }

    /// Whether what a webhook of this time says was made has been deleted. Only a contact comes back under its id.
    pub(crate) fn was_deleted(&self, key: &Key, made: Timestamp) -> bool {
        self.lock().deleted.get(key).is_some_and(|at| key.0 != RecordKind::Contact || made.duration_since(*at) <= OVERTAKEN)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_missing_long(&self, settings: &VanishingSettings, place: &Place, now: Timestamp) -> bool {
        self.missing.get(place).is_some_and(|first| now.duration_since(*first).unsigned_abs() >= settings.again_after)
    }

    fn note_missing(&mut self, settings: &VanishingSettings, place: Place, at: Timestamp) {
        if self.missing.len() >= settings.remembered_max.get() {
            // Looks to come find them missing for the first time once more.
            self.missing.clear();
        }
        self.missing.entry(place).or_insert(at);
    }
}
