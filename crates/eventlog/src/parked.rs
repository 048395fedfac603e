//! What waits for a person.

use domain::{ContactId, LocationId, ObjectKey, Revision};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{EventLog, Result};

/// Where something got stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    Poller,
    Mapper,
    Writer,
}

impl Stage {
    pub const ALL: [Self; 3] = [Self::Poller, Self::Mapper, Self::Writer];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poller => "poller",
            Self::Mapper => "mapper",
            Self::Writer => "writer",
        }
    }

    pub fn parse(stage: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == stage)
    }
}

/// Something that cannot go on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parking {
    pub stage: Stage,
    pub location_id: LocationId,
    pub contact_id: Option<ContactId>,
    pub object: Option<ObjectKey>,
    pub revision: Option<Revision>,
    /// Where the message goes when it is sent again.
    pub subject: String,
    pub message: Vec<u8>,
    /// Why, in words a person can act on; nothing personal.
    pub reason: String,
    /// HTTP status of the last answer, where there was one.
    pub status: Option<u16>,
    pub attempts: u32,
    pub traceparent: Option<String>,
}

/// Something that waits, or has waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    pub id: Uuid,
    pub parking: Parking,
    pub parked_at: Timestamp,
    /// When it was last sent again without having been settled since.
    pub redriven_at: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
}

impl EventLog {
    /// Parks what never became a settlement. Parking the same again while it waits is one row. Appends `delivery.parked` when the
    /// location has a log.
    pub async fn park(&self, parking: Parking) -> Result<Uuid> {
        todo!("{parking:?}")
    }

    /// What waits, oldest first, after the row `after`.
    pub async fn parked(&self, location_id: Option<&LocationId>, after: Option<Uuid>, limit: u32) -> Result<Vec<Parked>> {
        todo!("{location_id:?} {after:?} {limit}")
    }

    /// Notes that a person sends it again and appends `delivery.redriven`; the caller publishes the message and then calls
    /// `redrive_published`. The row of an object waits on until the delivery is settled.
    ///
    /// # Errors
    /// `NotFound`, or `AlreadyResolved` when it no longer waits.
    pub async fn redrive(&self, location_id: &LocationId, parked_id: Uuid, who: &str) -> Result<Parked> {
        todo!("{location_id} {parked_id} {who}")
    }

    /// Resolves a redriven row that no settlement will ever resolve, because it is about no object. Does nothing to others.
    pub async fn redrive_published(&self, location_id: &LocationId, parked_id: Uuid) -> Result<()> {
        todo!("{location_id} {parked_id}")
    }
}
