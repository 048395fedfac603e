//! Plans and replays are kept for a time: what they did is in the log for ever.

use std::time::Duration;

use domain::LocationId;

use crate::chain::Head;
use crate::columns::signed;
use crate::ledger::replays::Replays;
use crate::locations::Locations;
use crate::{Error, Result};

/// Of what has ended, all but the last of each workspace. What is running or paused has not ended.
const FORGET_REPLAYS: &str = "DELETE FROM replays WHERE location_id = $1 AND replay_id IN (\
    SELECT r.replay_id FROM replays r JOIN plans p ON p.location_id = r.location_id AND p.hash = r.plan_hash \
    WHERE r.location_id = $1 AND r.ended_at < now() - make_interval(secs => $2) AND EXISTS (\
        SELECT FROM replays later JOIN plans q ON q.location_id = later.location_id AND q.hash = later.plan_hash \
        WHERE later.location_id = $1 AND q.workspace = p.workspace AND (later.started_at, later.replay_id) > (r.started_at, r.replay_id)) \
    LIMIT $3)";

/// Of what no replay refers to.
const FORGET_PLANS: &str = "DELETE FROM plans WHERE location_id = $1 AND hash IN (\
    SELECT p.hash FROM plans p WHERE p.location_id = $1 AND p.made_at < now() - make_interval(secs => $2) \
    AND NOT EXISTS (SELECT FROM replays r WHERE r.location_id = $1 AND r.plan_hash = p.hash) LIMIT $3)";

impl Replays {
    /// Forgets replays that ended longer than `keep` ago, but for the last of each workspace, and then plans that were made longer than
    /// `keep` ago and that no replay refers to. Says how many rows that were.
    pub async fn forget(&self, keep: Duration) -> Result<u64> {
        let locations = Locations { pool: self.pool.clone() };
        let mut forgotten = 0;
        for location in locations.list().await? {
            for statement in [FORGET_REPLAYS, FORGET_PLANS] {
                forgotten += self.forget_rows(&location.location_id, statement, keep).await?;
            }
        }
        Ok(forgotten)
    }

    /// A batch in each transaction. Under the head lock, as a replay is started: a plan that was just found is not taken away from it.
    async fn forget_rows(&self, location_id: &LocationId, statement: &'static str, keep: Duration) -> Result<u64> {
        let rows_max = self.transaction_records_max.get() as u64;
        let mut forgotten = 0;
        loop {
            let mut transaction = self.pool.begin().await?;
            match Head::lock(&mut *transaction, location_id).await {
                Ok(_) => {}
                // It was purged, and with it all of this.
                Err(Error::InState { .. }) => return Ok(forgotten),
                Err(error) => return Err(error),
            }
            let forget = sqlx::query(statement).bind(location_id.as_str()).bind(keep.as_secs_f64()).bind(signed(rows_max));
            let rows = forget.execute(&mut *transaction).await?.rows_affected();
            transaction.commit().await?;
            forgotten += rows;
            if rows < rows_max {
                return Ok(forgotten);
            }
        }
    }
}
