//! Which locations there are.

use domain::LocationId;
use jiff::Timestamp;

use crate::{EventLog, Result};

/// A connected location and where its log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub location_id: LocationId,
    /// What GHL created later is new; fixed when the location was first connected.
    pub connected_at: Timestamp,
    pub epoch: u32,
    /// The last position of its log; 0 while it is empty.
    pub head: u64,
}

impl EventLog {
    /// Begins the log of a location; does nothing but answer when it was begun before.
    pub async fn connect_location(&self, location_id: &LocationId, now: Timestamp) -> Result<Location> {
        todo!("{location_id} {now}")
    }

    pub async fn locations(&self) -> Result<Vec<Location>> {
        todo!()
    }
}
