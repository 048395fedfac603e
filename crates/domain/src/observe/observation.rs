//! What an answer of GHL shows of a contact.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::shown::Shown;
use crate::{Cause, ContactId, LocationId, Names, Record, RecordId, RecordKind, References};

/// One observation of a contact and its records.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub location_id: LocationId,
    pub contact_id: ContactId,
    /// When the request to GHL was sent. An observation older than what is known is ignored.
    pub asked_at: Timestamp,
    /// When the location was connected. Records that GHL created later are new.
    pub connected_at: Timestamp,
    pub contact: Sighting,
    /// The contact's records by kind, without the kinds that were not asked for.
    pub listings: BTreeMap<RecordKind, Listing>,
    pub names: Names,
    pub cause: Cause,
    pub traceparent: Option<String>,
}

impl Observation {
    /// The ids in all observed records that need a name.
    pub fn references(&self) -> References<'_> {
        let mut references = References::default();
        if let Sighting::Present { shown, .. } = &self.contact {
            shown.record.refer(&mut references);
        }
        self.listings.values().flat_map(Listing::records).for_each(|record| record.refer(&mut references));
        references
    }
}

/// What was observed of the contact itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Sighting {
    NotAsked,
    Present {
        shown: Box<Shown>,
        /// GHL was asked for it by its id; otherwise a search showed it, which has fewer fields.
        by_id: bool,
    },
    /// GHL was asked for this contact by id and answered that it does not exist.
    Gone,
}

/// What was observed of the contact's records of one kind. The type keeps a partial listing from being taken for a complete one.
#[derive(Clone, Debug, PartialEq)]
pub enum Listing {
    /// Some records, each present or confirmed gone (`None`).
    Partial(Vec<(RecordId, Option<Shown>)>),
    /// All records of the kind: what is not listed does not exist.
    Complete(Vec<(RecordId, Shown)>),
}

impl Listing {
    /// How many records it contains, present or gone.
    pub fn len(&self) -> usize {
        match self {
            Self::Partial(records) => records.len(),
            Self::Complete(records) => records.len(),
        }
    }

    /// The ids of its records, present or gone.
    pub fn ids(&self) -> impl Iterator<Item = &RecordId> {
        let (partial, complete) = match self {
            Self::Partial(records) => (Some(records.iter().map(|(id, _)| id)), None),
            Self::Complete(records) => (None, Some(records.iter().map(|(id, _)| id))),
        };
        partial.into_iter().flatten().chain(complete.into_iter().flatten())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records that are present, to take in what other answers show of them.
    pub fn present_mut(&mut self) -> impl Iterator<Item = (&RecordId, &mut Shown)> {
        let (partial, complete) = match self {
            Self::Partial(records) => (Some(records.iter_mut().filter_map(|(id, shown)| Some((&*id, shown.as_mut()?)))), None),
            Self::Complete(records) => (None, Some(records.iter_mut().map(|(id, shown)| (&*id, shown)))),
        };
        partial.into_iter().flatten().chain(complete.into_iter().flatten())
    }

    /// The records that are present.
    fn records(&self) -> impl Iterator<Item = &Record> {
        let (partial, complete) = match self {
            Self::Partial(records) => (Some(records.iter().filter_map(|(_, shown)| Some(&shown.as_ref()?.record))), None),
            Self::Complete(records) => (None, Some(records.iter().map(|(_, shown)| &shown.record))),
        };
        partial.into_iter().flatten().chain(complete.into_iter().flatten())
    }
}
