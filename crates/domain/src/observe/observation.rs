//! What an answer of GHL shows of a contact.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{Cause, Contact, ContactId, LocationId, Names, Record, RecordId, RecordKind, References};

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
        if let Sighting::Present { contact, .. } = &self.contact {
            contact.refer(&mut references);
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
        contact: Box<Contact>,
        /// The names of fields that the answer did not mention: they keep their known values.
        silent: BTreeSet<String>,
    },
    /// GHL was asked for this contact by id and answered that it does not exist.
    Gone,
}

/// What was observed of the contact's records of one kind. The type keeps a partial listing from being taken for a complete one.
#[derive(Clone, Debug, PartialEq)]
pub enum Listing {
    /// Some records, each present or confirmed gone (`None`).
    Partial(Vec<(RecordId, Option<Record>)>),
    /// All records of the kind: what is not listed does not exist.
    Complete(Vec<(RecordId, Record)>),
}

impl Listing {
    /// How many records it contains, present or gone.
    pub fn len(&self) -> usize {
        match self {
            Self::Partial(records) => records.len(),
            Self::Complete(records) => records.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records that are present.
    fn records(&self) -> impl Iterator<Item = &Record> {
        let (partial, complete) = match self {
            Self::Partial(records) => (Some(records.iter().filter_map(|(_, record)| record.as_ref())), None),
            Self::Complete(records) => (None, Some(records.iter().map(|(_, record)| record))),
        };
        partial.into_iter().flatten().chain(complete.into_iter().flatten())
    }
}
