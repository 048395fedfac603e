//! Removing a whole workspace: at once for everybody who asks, in batches for the database.

use super::error::{Error, Result};
use super::pool::Store;

/// How far the removal of a workspace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    Gone,
    /// No longer visible; upkeep removes the remaining rows.
    Going,
}

impl Store {
    /// Takes the workspace away from readers and writers, and removes up to `rows_max` rows of each table. Repeating it goes on.
    ///
    /// Writers and aliases wait for the head's lock: once it is held, no row is added that the removal does not see.
    pub(crate) async fn retire(&self, workspace: &str, rows_max: u32) -> Result<Leaving> {
        let mut transaction = self.pool.begin().await?;
        let lock = sqlx::query_scalar::<_, bool>("SELECT leaving FROM workspaces WHERE workspace = $1 FOR UPDATE");
        lock.bind(workspace).fetch_optional(&mut *transaction).await?.ok_or(Error::WorkspaceUnknown)?;
        let alias = sqlx::query_scalar::<_, String>("SELECT alias FROM aliases WHERE workspace = $1 ORDER BY alias LIMIT 1");
        if let Some(alias) = alias.bind(workspace).fetch_optional(&mut *transaction).await? {
            return Err(Error::Aliased(alias));
        }
        let leave = sqlx::query("UPDATE workspaces SET leaving = true WHERE workspace = $1");
        leave.bind(workspace).execute(&mut *transaction).await?;
        transaction.commit().await?;
        self.sweep(workspace, rows_max).await
    }

    /// The workspaces that are being removed.
    pub(crate) async fn leaving(&self) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar("SELECT workspace FROM workspaces WHERE leaving ORDER BY workspace LIMIT 100").fetch_all(&self.pool).await?)
    }

    /// Removes up to `rows_max` rows of each table of a workspace that is being removed, and at last its head.
    pub(crate) async fn sweep(&self, workspace: &str, rows_max: u32) -> Result<Leaving> {
        let mut rest = false;
        for table in ["objects", "changes", "answers", "object_counts"] {
            let delete = sqlx::query(sqlx::AssertSqlSafe(format!(
                "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE workspace = $1
                 AND EXISTS (SELECT 1 FROM workspaces WHERE workspace = $1 AND leaving) LIMIT $2))"
            )));
            let deleted = delete.bind(workspace).bind(i64::from(rows_max)).execute(&self.pool).await?.rows_affected();
            rest |= deleted >= u64::from(rows_max);
        }
        if rest {
            return Ok(Leaving::Going);
        }
        sqlx::query("DELETE FROM workspaces WHERE workspace = $1 AND leaving").bind(workspace).execute(&self.pool).await?;
        Ok(Leaving::Gone)
    }
}
