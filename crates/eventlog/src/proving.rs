//! A location's log as a whole.
//!
//! - `verify`: walks the chain and compares it with the head
//! - `transfer`: exports a log and imports one, hash for hash
//! - `rebuild`: what stands beside an imported log, from the log alone

pub(crate) mod rebuild;
pub(crate) mod transfer;
pub(crate) mod verify;

use domain::{Hash, LocationId};
use proof::BEGINNING;
use sqlx::{PgPool, Row};

use crate::appends::Appended;
use crate::columns::signed;
use crate::keys::Keys;
use crate::{Error, Result};

/// A location's log as a whole. Cheap to clone.
#[derive(Clone)]
pub struct Chain {
    pub(crate) pool: PgPool,
    pub(crate) keys: Keys,
    pub(crate) appended: Appended,
}

impl Chain {
    /// The hash of the event at a position; before the first, that of nothing.
    ///
    /// # Errors
    /// `NotFound` when there is no event at the position.
    pub async fn hash_at(&self, location_id: &LocationId, position: u64) -> Result<Hash> {
        if position == 0 {
            return Ok(BEGINNING);
        }
        let row = sqlx::query("SELECT hash FROM events WHERE location_id = $1 AND seq = $2");
        let row = row.bind(location_id.as_str()).bind(signed(position)).fetch_optional(&self.pool).await?.ok_or(Error::NotFound)?;
        let corrupt = |_| Error::Corrupt { location_id: location_id.clone(), seq: position, problem: "malformed hash" };
        row.try_get::<&[u8], _>(0)?.try_into().map_err(corrupt)
    }
}
