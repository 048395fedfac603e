//! What GHL does not answer, as the holder of a location's lease last said.

use domain::LocationId;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::columns::{At, as_stored};
use crate::known::records::KnownRecords;
use crate::{Error, Result};

/// An area of a location that GHL does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTrouble {
    pub area: String,
    pub state: SourceState,
    /// The scope that is missing, by GHL's name; empty unless it is refused.
    pub scope: String,
    /// What is not mirrored meanwhile, or why nothing is asked.
    pub cost: String,
    pub since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// For want of a scope.
    Refused,
    /// No answer comes, or none of GHL's own.
    Failing,
    /// Nothing of the location is asked.
    Paused,
}

impl SourceState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failing => "failing",
            Self::Paused => "paused",
        }
    }

    fn parse(name: &str) -> Result<Self> {
        let all = [Self::Refused, Self::Failing, Self::Paused];
        all.into_iter().find(|state| state.as_str() == name).ok_or_else(|| Error::malformed("state"))
    }
}

impl KnownRecords {
    /// Notes all that GHL does not answer of some locations.
    pub async fn note_source(&self, locations: &[(LocationId, Vec<SourceTrouble>)]) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let ids: Vec<&str> = locations.iter().map(|(location_id, _)| location_id.as_str()).collect();
        sqlx::query("DELETE FROM source_troubles WHERE location_id = ANY($1)").bind(ids).execute(&mut *transaction).await?;
        let rows: Vec<_> =
            locations.iter().flat_map(|(location_id, troubles)| troubles.iter().map(move |trouble| (location_id, trouble))).collect();
        sqlx::query(
            "INSERT INTO source_troubles (location_id, area, state, scope, cost, since) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) \
             ON CONFLICT (location_id, area) DO UPDATE SET state = excluded.state, scope = excluded.scope, cost = excluded.cost, \
             since = excluded.since",
        )
        .bind(rows.iter().map(|(location_id, _)| location_id.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, trouble)| trouble.area.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, trouble)| trouble.state.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, trouble)| trouble.scope.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, trouble)| trouble.cost.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, trouble)| At(as_stored(trouble.since))).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// What GHL does not answer of a location, by area.
    pub async fn source_troubles(&self, location_id: &LocationId) -> Result<Vec<SourceTrouble>> {
        let rows = sqlx::query("SELECT area, state, scope, cost, since FROM source_troubles WHERE location_id = $1 ORDER BY area")
            .bind(location_id.as_str())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| source_trouble(row, 0)).collect()
    }
}

/// Reads the five columns that begin at `first`.
pub(crate) fn source_trouble(row: &PgRow, first: usize) -> Result<SourceTrouble> {
    Ok(SourceTrouble {
        area: row.try_get(first)?,
        state: SourceState::parse(row.try_get(first + 1)?)?,
        scope: row.try_get(first + 2)?,
        cost: row.try_get(first + 3)?,
        since: row.try_get::<At, _>(first + 4)?.0,
    })
}
