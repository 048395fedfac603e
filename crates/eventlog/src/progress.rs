//! How far polling has come.

use domain::LocationId;
use jiff::Timestamp;

use crate::{EventLog, Result};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Everything GHL changed before this instant has been looked at.
    pub watermark: Option<Timestamp>,
    pub backfill: Backfill,
}

/// The first complete look at a location.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backfill {
    /// Where to go on, in GHL's own terms.
    pub cursor: Option<serde_json::Value>,
    /// Contacts looked at so far.
    pub seen: u64,
    /// Contacts there are, as far as GHL said.
    pub total: Option<u64>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

impl EventLog {
    pub async fn progress(&self, location_id: &LocationId) -> Result<Progress> {
        todo!("{location_id}")
    }

    pub async fn save_progress(&self, location_id: &LocationId, progress: &Progress) -> Result<()> {
        todo!("{location_id} {progress:?}")
    }

    /// Has every location looked at again from the beginning.
    pub async fn restart_backfills(&self) -> Result<()> {
        todo!()
    }
}
