//! Aliases: names that stay the same while the workspace they point at changes.

use super::error::{Error, Result};
use super::pool::Store;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) alias: String,
    pub(crate) workspace: String,
}

impl Store {
    /// Points the alias at a workspace, in one step for all who read by it; gives the workspace it pointed at before.
    ///
    /// The workspace's head is locked meanwhile, so that it is not removed at the same time.
    pub(crate) async fn point_alias(&self, alias: &str, workspace: &str) -> Result<Option<String>> {
        let mut transaction = self.pool.begin().await?;
        super::write::lock(&mut transaction, workspace).await?;
        let before = sqlx::query_scalar::<_, String>("SELECT workspace FROM aliases WHERE alias = $1 FOR UPDATE");
        let before = before.bind(alias).fetch_optional(&mut *transaction).await?;
        let upsert = sqlx::query(
            "INSERT INTO aliases (alias, workspace) VALUES ($1, $2)
             ON CONFLICT (alias) DO UPDATE SET workspace = excluded.workspace, pointed_at = now()
             WHERE aliases.workspace <> excluded.workspace",
        );
        upsert.bind(alias).bind(workspace).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(before)
    }

    /// Does nothing when there is no such alias.
    pub(crate) async fn remove_alias(&self, alias: &str) -> Result<()> {
        sqlx::query("DELETE FROM aliases WHERE alias = $1").bind(alias).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn aliases(&self, after: Option<&str>, items_max: u32) -> Result<Vec<Alias>> {
        let select = sqlx::query_as::<_, (String, String)>("SELECT alias, workspace FROM aliases WHERE alias > $1 ORDER BY alias LIMIT $2");
        let rows = select.bind(after.unwrap_or_default()).bind(i64::from(items_max)).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(alias, workspace)| Alias { alias, workspace }).collect())
    }

    /// The workspace an alias points at.
    pub(crate) async fn resolve_alias(&self, alias: &str) -> Result<String> {
        let select = sqlx::query_scalar("SELECT workspace FROM aliases WHERE alias = $1");
        select.bind(alias).fetch_optional(&self.pool).await?.ok_or(Error::AliasUnknown)
    }
}
