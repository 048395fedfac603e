//! Which locations are mirrored, and what a person has decided about each.
//!
//! - `state`: what is done with a location
//! - `token`: the tokens of those that a person added, sealed

pub(crate) mod state;
mod token;

use std::sync::Arc;

use domain::LocationId;
use jiff::Timestamp;
use secrecy::SecretString;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction};

use crate::columns::{At, location_id, text, unsigned};
use crate::keys::ring::KeyRing;
use crate::mirrored::state::MirrorState;
use crate::{Error, Result};

/// A location and what was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredLocation {
    pub location_id: LocationId,
    pub state: MirrorState,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// By whose word; empty where it was nobody's.
    pub who: String,
    pub reason: String,
    /// The number of the token that a person gave for it; none where there is none.
    pub token: Option<u64>,
}

/// By whose word something is decided, and why. Both are kept, and must name nobody who is mirrored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decision<'a> {
    pub who: &'a str,
    pub reason: &'a str,
}

/// The columns of a location in the order that `read` expects.
macro_rules! columns {
    () => {
        "location_id, state, since, who, reason, CASE WHEN sealed IS NOT NULL THEN tokens END"
    };
}

/// Which locations are mirrored. Cheap to clone.
#[derive(Clone)]
pub struct MirroredLocations {
    pub(crate) pool: PgPool,
    pub(crate) ring: Arc<KeyRing>,
}

type Tx = Transaction<'static, Postgres>;

impl MirroredLocations {
    /// How often something has changed here. Read before what it counts, it tells later whether that has to be read again.
    pub async fn changes(&self) -> Result<i64> {
        Ok(sqlx::query("SELECT changes FROM mirrored_changes").fetch_one(&self.pool).await?.try_get(0)?)
    }

    /// Brings these locations in, as active. About those that are here already nothing changes, whatever was decided.
    pub async fn seed(&self, locations: &[&LocationId]) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let seeded = sqlx::query(
            "INSERT INTO mirrored_locations (location_id, state) SELECT unnest($1::text[]), 'active' ON CONFLICT (location_id) DO NOTHING",
        )
        .bind(locations.iter().map(|location_id| location_id.as_str()).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?;
        if seeded.rows_affected() > 0 {
            count_change(&mut transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Every location that is or was mirrored.
    pub async fn list(&self) -> Result<Vec<MirroredLocation>> {
        let rows = sqlx::query(concat!("SELECT ", columns!(), " FROM mirrored_locations ORDER BY location_id")).fetch_all(&self.pool);
        rows.await?.iter().map(read).collect()
    }

    pub async fn find(&self, location_id: &LocationId) -> Result<Option<MirroredLocation>> {
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM mirrored_locations WHERE location_id = $1"))
            .bind(location_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Has a location mirrored, with this token or with the one that the settings or the app give for it. One that is mirrored already gets the
    /// token and stays in its state; one that was retired is active again, and everything in it is looked at again.
    ///
    /// # Errors
    /// `InState` when it was purged; `Misconfigured` when there is a token and no key-encryption key: tokens are never stored open.
    pub async fn add(&self, location_id: &LocationId, token: Option<&SecretString>, by: Decision<'_>) -> Result<MirroredLocation> {
        let sealed = token.map(|token| self.seal(location_id, token)).transpose()?;
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO mirrored_locations (location_id, state, who, reason) VALUES ($1, 'active', $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(location_id.as_str())
        .bind(text(by.who))
        .bind(text(by.reason))
        .execute(&mut *transaction)
        .await?;
        match locked(&mut transaction, location_id).await?.state {
            MirrorState::Active | MirrorState::Paused => {}
            MirrorState::Retired => {
                set_state(&mut transaction, location_id, MirrorState::Active, by).await?;
                sqlx::query(
                    "UPDATE progress SET cursor = NULL, seen = 0, total = NULL, started_at = NULL, finished_at = NULL WHERE location_id = $1",
                )
                .bind(location_id.as_str())
                .execute(&mut *transaction)
                .await?;
            }
            state @ MirrorState::Purged => return Err(Error::InState { state }),
        }
        if let Some(sealed) = sealed {
            sqlx::query("UPDATE mirrored_locations SET tokens = tokens + 1, kek_id = $2, sealed = $3 WHERE location_id = $1")
                .bind(location_id.as_str())
                .bind(sealed.kek_id)
                .bind(sealed.bytes)
                .execute(&mut *transaction)
                .await?;
        }
        self.finish(transaction, location_id).await
    }

    /// Pauses a location: nothing of it is asked until it is resumed. Does nothing to one that is paused.
    ///
    /// # Errors
    /// `NotFound` when it was never mirrored, `InState` when it is retired or purged.
    pub async fn pause(&self, location_id: &LocationId, by: Decision<'_>) -> Result<MirroredLocation> {
        let mut transaction = self.pool.begin().await?;
        match locked(&mut transaction, location_id).await?.state {
            MirrorState::Active => set_state(&mut transaction, location_id, MirrorState::Paused, by).await?,
            MirrorState::Paused => {}
            state @ (MirrorState::Retired | MirrorState::Purged) => return Err(Error::InState { state }),
        }
        self.finish(transaction, location_id).await
    }

    /// Resumes a location that is paused; its sweep is due at once, so that nothing is missed of what changed meanwhile. Does nothing to one
    /// that is active.
    ///
    /// # Errors
    /// `NotFound` when it was never mirrored, `InState` when it is retired or purged.
    pub async fn resume(&self, location_id: &LocationId, by: Decision<'_>) -> Result<MirroredLocation> {
        let mut transaction = self.pool.begin().await?;
        match locked(&mut transaction, location_id).await?.state {
            MirrorState::Active => {}
            MirrorState::Paused => {
                set_state(&mut transaction, location_id, MirrorState::Active, by).await?;
                // What the pass under way has seen before the pause may have changed since: it begins anew.
                sqlx::query(
                    "UPDATE passes SET started_at = NULL, cursor = NULL, seen = 0, total = NULL, ended_at = 'epoch', whole = true, \
                     broken_off_times = 0, broken_off_at = NULL, broken_off_why = NULL, broken_off_seen = 0 \
                     WHERE location_id = $1 AND net = 'sweep'",
                )
                .bind(location_id.as_str())
                .execute(&mut *transaction)
                .await?;
                // Where there was no sweep yet, there is one that is due.
                sqlx::query(
                    "INSERT INTO passes (location_id, net, kind, ended_at) SELECT location_id, 'sweep', kind, 'epoch' FROM passes \
                     WHERE location_id = $1 AND net = 'backfill' ON CONFLICT DO NOTHING",
                )
                .bind(location_id.as_str())
                .execute(&mut *transaction)
                .await?;
            }
            state @ (MirrorState::Retired | MirrorState::Purged) => return Err(Error::InState { state }),
        }
        self.finish(transaction, location_id).await
    }

    /// Ends the mirroring of a location for good: its tokens are destroyed, and what was noted about its source is let go. What was mirrored
    /// stays. Does nothing to one that is retired.
    ///
    /// # Errors
    /// `NotFound` when it was never mirrored, `InState` when it is purged.
    pub async fn retire(&self, location_id: &LocationId, by: Decision<'_>) -> Result<MirroredLocation> {
        let mut transaction = self.pool.begin().await?;
        match locked(&mut transaction, location_id).await?.state {
            MirrorState::Active | MirrorState::Paused => {
                set_state(&mut transaction, location_id, MirrorState::Retired, by).await?;
                for let_go in [
                    "UPDATE mirrored_locations SET kek_id = NULL, sealed = NULL WHERE location_id = $1",
                    "UPDATE credentials SET state = 'retired', sealed = NULL, kek_id = NULL, refresh_begun_at = NULL, problem = NULL \
                     WHERE kind = 'location' AND id = $1",
                    "DELETE FROM source_troubles WHERE location_id = $1",
                    "DELETE FROM calls_nearly_spent WHERE location_id = $1",
                ] {
                    sqlx::query(let_go).bind(location_id.as_str()).execute(&mut *transaction).await?;
                }
            }
            MirrorState::Retired => {}
            state @ MirrorState::Purged => return Err(Error::InState { state }),
        }
        self.finish(transaction, location_id).await
    }

    /// Answers with what is so now, and commits it.
    async fn finish(&self, mut transaction: Tx, location_id: &LocationId) -> Result<MirroredLocation> {
        let now = locked(&mut transaction, location_id).await?;
        count_change(&mut transaction).await?;
        transaction.commit().await?;
        Ok(now)
    }
}

/// Lets every replica know that something has changed here.
pub(crate) async fn count_change(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("UPDATE mirrored_changes SET changes = changes + 1").execute(connection).await?;
    Ok(())
}

/// A location whose state stays as it is until the end of the transaction.
async fn locked(connection: &mut PgConnection, location_id: &LocationId) -> Result<MirroredLocation> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM mirrored_locations WHERE location_id = $1 FOR UPDATE"))
        .bind(location_id.as_str())
        .fetch_optional(connection)
        .await?;
    read(&row.ok_or(Error::NotFound)?)
}

async fn set_state(connection: &mut PgConnection, location_id: &LocationId, state: MirrorState, by: Decision<'_>) -> Result<()> {
    sqlx::query("UPDATE mirrored_locations SET state = $2, since = now(), who = $3, reason = $4 WHERE location_id = $1")
        .bind(location_id.as_str())
        .bind(state.as_str())
        .bind(text(by.who))
        .bind(text(by.reason))
        .execute(connection)
        .await?;
    Ok(())
}

fn read(row: &PgRow) -> Result<MirroredLocation> {
    Ok(MirroredLocation {
        location_id: location_id(row.try_get(0)?)?,
        state: MirrorState::parse(row.try_get(1)?).ok_or_else(|| Error::malformed("state"))?,
        since: row.try_get::<At, _>(2)?.0,
        who: row.try_get(3)?,
        reason: row.try_get(4)?,
        token: row.try_get::<Option<i64>, _>(5)?.map(unsigned),
    })
}
