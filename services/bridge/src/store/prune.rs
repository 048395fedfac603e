//! Removing what is kept for a limited time.

use std::time::Duration;

use super::columns::signed;
use super::error::Result;
use super::pool::Store;

impl Store {
    /// Removes at most `rows_max` remembered answers older than `kept`; answers how many.
    pub(crate) async fn prune_answers(&self, kept: Duration, rows_max: u32) -> Result<u64> {
        let delete = sqlx::query(
            "DELETE FROM answers WHERE (workspace, idempotency_key) IN (
                SELECT workspace, idempotency_key FROM answers
                WHERE answered_at < now() - $1 * interval '1 millisecond' ORDER BY answered_at LIMIT $2)",
        );
        let milliseconds = signed(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX));
        Ok(delete.bind(milliseconds).bind(i64::from(rows_max)).execute(&self.pool).await?.rows_affected())
    }

    /// Removes at most `rows_max` of the feed's oldest positions, and says where the feeds begin now.
    ///
    /// The head rows are locked first, as every writer does.
    pub(crate) async fn prune_changes(&self, kept: Duration, rows_max: u32) -> Result<u64> {
        let delete = sqlx::query(
            "WITH old AS (
                SELECT workspace, position FROM changes
                WHERE changed_at < now() - $1 * interval '1 millisecond' ORDER BY changed_at LIMIT $2
            ), upto AS (
                SELECT workspace, max(position) AS position FROM old GROUP BY workspace
            ), heads AS (
                UPDATE workspaces SET pruned = greatest(pruned, upto.position) FROM upto WHERE workspaces.workspace = upto.workspace
            )
            DELETE FROM changes USING upto WHERE changes.workspace = upto.workspace AND changes.position <= upto.position",
        );
        let milliseconds = signed(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX));
        Ok(delete.bind(milliseconds).bind(i64::from(rows_max)).execute(&self.pool).await?.rows_affected())
    }
}
