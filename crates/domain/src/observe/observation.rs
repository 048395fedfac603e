//! What was seen of a contact.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{Cause, Contact, ContactId, LocationId, Names, Record, RecordId, RecordKind};

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
    pub(super) fn listing(&self, kind: RecordKind) -> &Listing {
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
