//! One replica at a time finds out and tells.

use std::time::Duration;

use crate::Result;
use crate::alerts::Alerts;
use crate::columns::millis;

impl Alerts {
    /// Takes the turn, or keeps it for so much longer; false while another replica has it.
    pub async fn take_turn(&self, instance: &str, ttl: Duration) -> Result<bool> {
        let taken = sqlx::query(
            "INSERT INTO alert_lease AS held (holder, expires_at) VALUES ($1, now() + $2 * interval '1 millisecond') \
             ON CONFLICT (only_row) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at \
             WHERE held.holder = excluded.holder OR held.expires_at < now()",
        )
        .bind(instance)
        .bind(millis(ttl))
        .execute(&self.pool)
        .await?;
        Ok(taken.rows_affected() > 0)
    }

    /// Gives the turn back, so that another replica can take it at once. Does nothing when another one has it already.
    pub async fn end_turn(&self, instance: &str) -> Result<()> {
        sqlx::query("DELETE FROM alert_lease WHERE holder = $1").bind(instance).execute(&self.pool).await?;
        Ok(())
    }
}
