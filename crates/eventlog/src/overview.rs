//! Answers for people: where everything stands.

use domain::{ContactId, LocationId, ObjectKey, ObjectKind, Revision};
use jiff::Timestamp;

use crate::{EventLog, Progress, Result};

#[derive(Clone, Debug, PartialEq)]
pub struct LocationOverview {
    pub location_id: LocationId,
    pub connected_at: Timestamp,
    pub epoch: u32,
    pub head: u64,
    /// The last position published to the bus.
    pub relayed: u64,
    /// The last position all of whose consequences have arrived.
    pub settled: u64,
    /// Records present in GHL, by kind.
    pub contacts: u64,
    pub tasks: u64,
    pub notes: u64,
    pub appointments: u64,
    /// Objects in the live workspace that the ledger holds as applied and not removed.
    pub applied: u64,
    pub parked: u64,
    /// Contacts with an object that is older in Pagico than in GHL.
    pub behind: u64,
    pub last_recorded_at: Option<Timestamp>,
    pub progress: Progress,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContactFilter {
    #[default]
    Any,
    InSync,
    Behind,
    Parked,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactSummary {
    pub contact_id: ContactId,
    /// The contact exists in GHL.
    pub present: bool,
    /// The position of the last change seen in GHL.
    pub ghl_seq: u64,
    /// Everything of the contact up to this position is in Pagico.
    pub applied_seq: u64,
    /// Records present in GHL, the contact itself included.
    pub records: u64,
    /// Objects that are older in Pagico than in GHL.
    pub behind: u64,
    pub parked: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactState {
    pub summary: ContactSummary,
    /// When GHL was last asked for the contact.
    pub asked_at: Option<Timestamp>,
    pub objects: Vec<ObjectState>,
}

/// One Pagico object of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectState {
    pub object: ObjectKey,
    pub kind: ObjectKind,
    /// The record exists in GHL; false for what a trigger started.
    pub present: bool,
    /// The last change in GHL; none for what a trigger started.
    pub ghl: Option<Revision>,
    pub applied: Option<Revision>,
    pub state: SyncState,
    pub delivered_at: Option<Timestamp>,
    /// What the workspace last answered.
    pub answer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    InSync,
    Behind,
    Parked,
    /// Gone in GHL, and gone in Pagico.
    Removed,
    /// Started by a trigger: the user's own since.
    Started,
}

impl SyncState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Behind => "behind",
            Self::Parked => "parked",
            Self::Removed => "removed",
            Self::Started => "started",
        }
    }
}

impl EventLog {
    /// Every location at a glance.
    pub async fn overview(&self) -> Result<Vec<LocationOverview>> {
        todo!()
    }

    /// Contacts in the order of their ids, after `after`.
    pub async fn contacts(
        &self,
        location_id: &LocationId,
        filter: ContactFilter,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<ContactSummary>> {
        todo!("{location_id} {filter:?} {after:?} {limit}")
    }

    /// Everything of one contact.
    ///
    /// # Errors
    /// `NotFound` when the contact was never seen.
    pub async fn contact(&self, location_id: &LocationId, contact_id: &ContactId) -> Result<ContactState> {
        todo!("{location_id} {contact_id}")
    }
}
