//! From the log to the bus: which events have been published, and how far back a wiped bus must be refilled from.

use std::collections::BTreeMap;

use domain::{LocationId, Stored};
use jiff::Timestamp;
use sqlx::{Postgres, Transaction};

use crate::{EventLog, Result};

/// One attempt to relay.
pub enum RelayTurn {
    /// Everything is published.
    Idle,
    /// Another replica is publishing this location.
    Busy,
    Batch(RelayBatch),
}

/// Events to publish. Holds the lease on the location's cursor; dropping it without `done` gives the lease back with the cursor
/// where it was, and the same events come again.
pub struct RelayBatch {
    /// In order of the log.
    pub events: Vec<Stored>,
    round: u32,
    through: u64,
    location_id: LocationId,
    transaction: Transaction<'static, Postgres>,
}

impl RelayBatch {
    /// The message id of an event: names the fact, so that publishing it twice is noticed, and the round, so that publishing it
    /// again on purpose, after the bus lost something, is not mistaken for a repetition.
    pub fn message_id(&self, event: &Stored) -> String {
        let Stored { location_id, epoch, seq, .. } = event;
        if self.round == 0 { format!("{location_id}:{epoch}.{seq}") } else { format!("{location_id}:{epoch}.{seq}~{}", self.round) }
    }

    /// Moves the cursor past the batch. Call it when every event is acknowledged by the bus.
    pub async fn done(self) -> Result<()> {
        drop(self.transaction);
        todo!("{} {}", self.through, self.location_id)
    }
}

/// What was last seen of a stream: one that is younger or shorter has lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSeen {
    pub created_at: Timestamp,
    pub last_sequence: u64,
}

impl EventLog {
    /// The locations with events that are not yet published.
    pub async fn behind(&self) -> Result<Vec<LocationId>> {
        todo!()
    }

    /// Takes the next events to publish.
    pub async fn relay(&self, location_id: &LocationId, limit: u32) -> Result<RelayTurn> {
        todo!("{location_id} {limit}")
    }

    /// How far each location is published.
    pub async fn relay_positions(&self) -> Result<BTreeMap<LocationId, u64>> {
        todo!()
    }

    /// Remembers positions whose consequences have all arrived: nothing before them needs publishing again. Never moves back.
    pub async fn save_settled(&self, positions: &BTreeMap<LocationId, u64>) -> Result<()> {
        todo!("{}", positions.len())
    }

    /// Sends the relay of every location back to its settled mark, because the bus has lost something.
    pub async fn rewind_relay(&self) -> Result<()> {
        todo!()
    }

    pub async fn remembered_stream(&self, name: &str) -> Result<Option<StreamSeen>> {
        todo!("{name}")
    }

    pub async fn remember_stream(&self, name: &str, seen: &StreamSeen) -> Result<()> {
        todo!("{name} {seen:?}")
    }
}
