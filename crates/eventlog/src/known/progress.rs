//! How far polling has come.

use std::collections::BTreeMap;

use domain::LocationId;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::Result;
use crate::columns::{At, location_id, signed, unsigned};
use crate::known::passes::Passes;

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

impl Passes {
    /// How far polling of a location has come; nothing yet for one that was never polled.
    pub async fn progress(&self, location_id: &LocationId) -> Result<Progress> {
        let row = sqlx::query("SELECT watermark, cursor::text, seen, total, started_at, finished_at FROM progress WHERE location_id = $1")
            .bind(location_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.map_or_else(|| Ok(Progress::default()), |row| read(&row, 0))
    }

    pub async fn save_progress(&self, location_id: &LocationId, progress: &Progress) -> Result<()> {
        let Backfill { cursor, seen, total, started_at, finished_at } = &progress.backfill;
        sqlx::query(
            "INSERT INTO progress (location_id, watermark, cursor, seen, total, started_at, finished_at) \
             VALUES ($1, $2, $3::json, $4, $5, $6, $7) ON CONFLICT (location_id) DO UPDATE SET watermark = excluded.watermark, \
             cursor = excluded.cursor, seen = excluded.seen, total = excluded.total, started_at = excluded.started_at, \
             finished_at = excluded.finished_at",
        )
        .bind(location_id.as_str())
        .bind(progress.watermark.map(At))
        .bind(cursor.as_ref().map(ToString::to_string))
        .bind(signed(*seen))
        .bind(total.map(signed))
        .bind(started_at.map(At))
        .bind(finished_at.map(At))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The backfills that are not done, begun or not.
    pub async fn unfinished_backfills(&self) -> Result<BTreeMap<LocationId, Backfill>> {
        let rows = sqlx::query(
            "SELECT NULL::timestamptz, NULL::text, seen, total, started_at, finished_at, location_id FROM progress WHERE finished_at IS NULL",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((location_id(row.try_get(6)?)?, read(row, 0)?.backfill))).collect()
    }

    /// Has every location looked at again from the beginning.
    pub async fn restart_backfills(&self) -> Result<()> {
        sqlx::query("UPDATE progress SET cursor = NULL, seen = 0, total = NULL, started_at = NULL, finished_at = NULL")
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Reads the six columns that begin at `first`.
pub(crate) fn read(row: &PgRow, first: usize) -> Result<Progress> {
    let at = |column| Ok::<_, crate::Error>(row.try_get::<Option<At>, _>(column)?.map(|At(at)| at));
    let cursor = row.try_get::<Option<&str>, _>(first + 1)?;
    Ok(Progress {
        watermark: at(first)?,
        backfill: Backfill {
            cursor: cursor.map(serde_json::from_str).transpose().map_err(domain::Decode::from)?,
            seen: row.try_get::<Option<i64>, _>(first + 2)?.map_or(0, unsigned),
            total: row.try_get::<Option<i64>, _>(first + 3)?.map(unsigned),
            started_at: at(first + 4)?,
            finished_at: at(first + 5)?,
        },
    })
}
