//! Reading the log.

use domain::{ContactId, LocationId, Stored};

use crate::{EventLog, Result};

impl EventLog {
    /// The events after a position, oldest first.
    pub async fn read(&self, location_id: &LocationId, after: u64, limit: u32) -> Result<Vec<Stored>> {
        todo!("{location_id} {after} {limit}")
    }

    /// The events of a contact before a position (or all), newest first.
    pub async fn history(&self, location_id: &LocationId, contact_id: &ContactId, before: Option<u64>, limit: u32) -> Result<Vec<Stored>> {
        todo!("{location_id} {contact_id} {before:?} {limit}")
    }
}
