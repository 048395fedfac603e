//! Proving that the log is what was written.

use domain::{Hash, LocationId};

use crate::{EventLog, Result};

/// A log whose places, hashes and head fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The last position; also the number of events.
    pub head: u64,
    /// The hash of the last event, which stands for the whole log.
    pub hash: Hash,
}

impl EventLog {
    /// Walks the chain of a location from its first event to the head as it is now.
    ///
    /// # Errors
    /// `Corrupt` names the first place that does not fit.
    pub async fn verify(&self, location_id: &LocationId) -> Result<Verified> {
        todo!("{location_id}")
    }
}
