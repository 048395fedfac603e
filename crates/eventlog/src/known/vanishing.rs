//! Unusual vanishing, which is held back until a person releases it.

use domain::LocationId;
use jiff::Timestamp;
use sqlx::Row;

use crate::Result;
use crate::columns::{At, as_stored, signed, unsigned};
use crate::known::records::KnownRecords;

/// What is held back of a location.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vanishing {
    /// Since when vanishing is held back; none while it is not.
    pub held_since: Option<Timestamp>,
    /// How often a conclusion was held back since then.
    pub held: u64,
    /// When a person last released it.
    pub released_at: Option<Timestamp>,
}

impl KnownRecords {
    /// What is held back of a location.
    pub async fn vanishing(&self, location_id: &LocationId) -> Result<Vanishing> {
        let row = sqlx::query("SELECT held_since, held, released_at FROM vanishing WHERE location_id = $1")
            .bind(location_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(Vanishing::default()) };
        let at = |column: usize| Ok::<_, crate::Error>(row.try_get::<Option<At>, _>(column)?.map(|At(at)| at));
        Ok(Vanishing { held_since: at(0)?, held: unsigned(row.try_get(1)?), released_at: at(2)? })
    }

    /// Holds back so many more conclusions that something vanished. Gives all that is held back now.
    pub async fn hold_vanishing(&self, location_id: &LocationId, at: Timestamp, more: u64) -> Result<Vanishing> {
        sqlx::query(
            "INSERT INTO vanishing AS v (location_id, held_since, held) VALUES ($1, $2, $3) ON CONFLICT (location_id) DO UPDATE \
             SET held = CASE WHEN v.held_since IS NULL THEN excluded.held ELSE v.held + excluded.held END, \
             held_since = coalesce(v.held_since, excluded.held_since)",
        )
        .bind(location_id.as_str())
        .bind(At(as_stored(at)))
        .bind(signed(more))
        .execute(&self.pool)
        .await?;
        self.vanishing(location_id).await
    }

    /// Lets what is held back go its way. Gives what was held back until now.
    pub async fn release_vanishing(&self, location_id: &LocationId, at: Timestamp, who: &str) -> Result<Vanishing> {
        let before = self.vanishing(location_id).await?;
        sqlx::query(
            "UPDATE vanishing SET held_since = NULL, held = 0, released_at = $2, released_by = $3 \
             WHERE location_id = $1 AND held_since IS NOT NULL",
        )
        .bind(location_id.as_str())
        .bind(At(as_stored(at)))
        .bind(who)
        .execute(&self.pool)
        .await?;
        Ok(before)
    }
}
