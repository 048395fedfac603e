//! Which locations there are.

use domain::LocationId;
use jiff::Timestamp;
use proof::BEGINNING;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Postgres, Row, Transaction};

use crate::chain::Head;
use crate::columns::{At, as_stored, epoch, location_id, unsigned};
use crate::{Error, Result};

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

/// The connected locations. Cheap to clone.
#[derive(Clone)]
pub struct Locations {
    pub(crate) pool: PgPool,
}

impl Locations {
    /// Begins the log of a location; does nothing but answer when it was begun before.
    pub async fn connect(&self, location_id: &LocationId, now: Timestamp) -> Result<Location> {
        if let Some(known) = self.find(location_id).await? {
            return Ok(known);
        }
        let mut transaction = self.pool.begin().await?;
        begin(&mut transaction, location_id, now).await?;
        transaction.commit().await?;
        self.find(location_id).await?.ok_or(Error::NotFound)
    }

    /// Every location that was connected.
    pub async fn list(&self) -> Result<Vec<Location>> {
        let rows = sqlx::query(
            "SELECT location_id, connected_at, epoch, seq FROM locations JOIN log_head USING (location_id) ORDER BY location_id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(location).collect()
    }

    /// The last position of a location's log.
    ///
    /// # Errors
    /// `NotFound` when the location was never connected.
    pub async fn head(&self, location_id: &LocationId) -> Result<u64> {
        Ok(Head::look(&self.pool, location_id).await?.seq)
    }

    pub(crate) async fn find(&self, location_id: &LocationId) -> Result<Option<Location>> {
        let row = sqlx::query(
            "SELECT location_id, connected_at, epoch, seq FROM locations JOIN log_head USING (location_id) WHERE location_id = $1",
        )
        .bind(location_id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(location).transpose()
    }
}

pub(crate) async fn begin(transaction: &mut Transaction<'static, Postgres>, location_id: &LocationId, now: Timestamp) -> Result<()> {
    sqlx::query("INSERT INTO locations (location_id, connected_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(location_id.as_str())
        .bind(At(as_stored(now)))
        .execute(&mut **transaction)
        .await?;
    sqlx::query("INSERT INTO log_head (location_id, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(location_id.as_str())
        .bind(BEGINNING.as_slice())
        .execute(&mut **transaction)
        .await?;
    for table in [
        "INSERT INTO relay (location_id) VALUES ($1) ON CONFLICT DO NOTHING",
        "INSERT INTO progress (location_id) VALUES ($1) ON CONFLICT DO NOTHING",
        "INSERT INTO workspaces (location_id, workspace, role, created_seq, created_at) VALUES ($1, $1, 'live', 0, now()) ON CONFLICT DO NOTHING",
    ] {
        sqlx::query(table).bind(location_id.as_str()).execute(&mut **transaction).await?;
    }
    Ok(())
}

fn location(row: &PgRow) -> Result<Location> {
    Ok(Location {
        location_id: location_id(row.try_get(0)?)?,
        connected_at: row.try_get::<At, _>(1)?.0,
        epoch: epoch(row.try_get(2)?),
        head: unsigned(row.try_get(3)?),
    })
}
