//! Appending: every event gets the next place of its location and a hash over itself and its predecessor.

use std::collections::BTreeMap;

use domain::{Body, Cause, ContactId, LocationId, Moment, Observation, OperatorFact, RecordId, RecordKind, Recorded};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{EventLog, Result};

/// An event that has no place yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub contact_id: Option<ContactId>,
    pub record: Option<(RecordKind, RecordId)>,
    pub occurred_at: Timestamp,
    pub cause: Cause,
    pub traceparent: Option<String>,
    pub body: Body,
}

/// Wakes whoever waits for new events of this process.
pub struct Appends(watch::Receiver<u64>);

impl Appends {
    /// Returns at once when something was appended, by this `EventLog` or a clone, since the last call; otherwise waits for it.
    /// Appends of other processes are not noticed: also look from time to time. Cancellation safe.
    pub async fn wait_for_append(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl EventLog {
    /// Notices of appends from now on.
    pub fn appends(&self) -> Appends {
        Appends(self.appended.subscribe())
    }

    /// Appends what the observations say has changed; what is unchanged appends nothing. Gives the new events in order.
    ///
    /// A long slice becomes several transactions: after an error some may have been appended, and observing the same again
    /// appends only the rest. A contact whose known records cannot be read is parked, the others are observed.
    ///
    /// # Errors
    /// `NotFound` when the location was never connected.
    pub async fn observe(&self, location_id: &LocationId, observations: &[Observation]) -> Result<Vec<Recorded>> {
        todo!("{location_id} {}", observations.len())
    }

    /// Appends these entries as they are, in one transaction.
    pub async fn append(&self, location_id: &LocationId, entries: Vec<Entry>) -> Result<Vec<Recorded>> {
        todo!("{location_id} {}", entries.len())
    }

    /// Appends what a person did.
    pub async fn append_operator(
        &self,
        location_id: &LocationId,
        contact_id: Option<&ContactId>,
        fact: OperatorFact,
        who: &str,
    ) -> Result<Recorded> {
        todo!("{location_id} {contact_id:?} {fact:?} {who}")
    }

    /// `dateUpdated` of each contact when it was last looked at, where it had one.
    pub async fn known_updated_at(&self, location_id: &LocationId, contacts: &[ContactId]) -> Result<BTreeMap<ContactId, Moment>> {
        todo!("{location_id} {}", contacts.len())
    }
}
