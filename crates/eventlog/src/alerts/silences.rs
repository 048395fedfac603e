//! What is not told for a while.

use std::time::Duration;

use domain::LocationId;
use jiff::Timestamp;
use sqlx::Row;

use crate::Result;
use crate::alerts::Alerts;
use crate::columns::{At, location_id, millis, text};

/// What is not told, and until when. It is still found out and listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// None for every condition.
    pub condition: Option<String>,
    /// None for every location and the installation as a whole.
    pub location_id: Option<LocationId>,
    pub until: Timestamp,
    pub who: String,
}

impl Alerts {
    /// Tells nothing of a condition, or of none, for so long; of a location, or of none. It replaces a silence of the same kind. Gives
    /// until when.
    pub async fn silence(
        &self,
        condition: Option<&str>,
        location_id: Option<&LocationId>,
        duration: Duration,
        who: &str,
    ) -> Result<Timestamp> {
        let row = sqlx::query(
            "INSERT INTO alert_silences (condition, location_id, until, who, silenced_at) \
             VALUES ($1, $2, now() + $3 * interval '1 millisecond', $4, now()) ON CONFLICT (condition, location_id) \
             DO UPDATE SET until = excluded.until, who = excluded.who, silenced_at = excluded.silenced_at RETURNING until",
        )
        .bind(condition.unwrap_or_default())
        .bind(location_id.map_or("", LocationId::as_str))
        .bind(millis(duration))
        .bind(text(who))
        .fetch_one(&self.pool)
        .await?;
        Ok(row.try_get::<At, _>(0)?.0)
    }

    /// Ends a silence; false when there is none of just this condition and location.
    pub async fn unsilence(&self, condition: Option<&str>, location_id: Option<&LocationId>) -> Result<bool> {
        let ended = sqlx::query("DELETE FROM alert_silences WHERE condition = $1 AND location_id = $2 AND until > now()")
            .bind(condition.unwrap_or_default())
            .bind(location_id.map_or("", LocationId::as_str))
            .execute(&self.pool)
            .await?;
        Ok(ended.rows_affected() > 0)
    }

    /// The silences that hold now.
    pub async fn silences(&self) -> Result<Vec<Silence>> {
        let rows = sqlx::query(
            "SELECT condition, location_id, until, who FROM alert_silences WHERE until > now() ORDER BY condition, location_id",
        )
        .fetch_all(&self.pool)
        .await?;
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        rows.iter()
            .map(|row| {
                Ok(Silence {
                    condition: given(row.try_get(0)?),
                    location_id: given(row.try_get(1)?).map(location_id).transpose()?,
                    until: row.try_get::<At, _>(2)?.0,
                    who: row.try_get(3)?,
                })
            })
            .collect()
    }
}
