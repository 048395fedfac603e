//! What was seen of a contact.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{Cause, Contact, ContactId, LocationId, Names, Record, RecordId, RecordKind, References};

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
    /// What was seen of the contact's records, by kind; a kind that was not asked for is missing.
    pub listings: BTreeMap<RecordKind, Listing>,
    pub names: Names,
    pub cause: Cause,
    pub traceparent: Option<String>,
}

impl Observation {
    /// The ids that need a name, of everything that was seen.
    pub fn references(&self) -> References<'_> {
        let mut references = References::default();
        if let Sighting::Present { contact, .. } = &self.contact {
            contact.refer(&mut references);
        }
        self.listings.values().flat_map(Listing::records).for_each(|record| record.refer(&mut references));
        references
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
    /// Some records, each seen or confirmed gone (`None`).
    Partial(Vec<(RecordId, Option<Record>)>),
    /// All there are: what is not listed does not exist.
    Complete(Vec<(RecordId, Record)>),
}

impl Listing {
    /// How many records it shows, present or gone.
    pub fn len(&self) -> usize {
        match self {
            Self::Partial(records) => records.len(),
            Self::Complete(records) => records.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records that it shows to be present.
    fn records(&self) -> impl Iterator<Item = &Record> {
        let (partial, complete) = match self {
            Self::Partial(records) => (Some(records.iter().filter_map(|(_, record)| record.as_ref())), None),
            Self::Complete(records) => (None, Some(records.iter().map(|(_, record)| record))),
        };
        partial.into_iter().flatten().chain(complete.into_iter().flatten())
    }
}
