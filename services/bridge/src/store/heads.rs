//! Heads of workspaces.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::columns::unsigned;
use super::error::{Error, Result, unreadable};
use super::pool::Store;
use crate::object::{Counts, Kind};

/// The head of a workspace.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) workspace: String,
    pub(crate) position: u64,
    /// Microseconds since 1970: a workspace that was removed and created again is another one, with positions of its own.
    pub(crate) created_at: i64,
    pub(crate) counts: Counts,
}

impl Head {
    pub(crate) fn objects(&self) -> u64 {
        self.counts.total()
    }
}

const HEAD: &str = "SELECT workspace, position, (extract(epoch FROM created_at) * 1000000)::bigint AS created_at,
    ARRAY(SELECT kind FROM object_counts c WHERE c.workspace = w.workspace ORDER BY kind) AS kinds,
    ARRAY(SELECT objects FROM object_counts c WHERE c.workspace = w.workspace ORDER BY kind) AS counts
    FROM workspaces w WHERE NOT leaving";

impl Store {
    pub(crate) async fn head(&self, workspace: &str) -> Result<Head> {
        let select = sqlx::query(sqlx::AssertSqlSafe(format!("{HEAD} AND workspace = $1")));
        let row = select.bind(workspace).fetch_optional(&self.pool).await?.ok_or(Error::WorkspaceUnknown)?;
        read_head(&row)
    }

    pub(crate) async fn heads(&self, after: Option<&str>, items_max: u32) -> Result<Vec<Head>> {
        let select = sqlx::query(sqlx::AssertSqlSafe(format!("{HEAD} AND workspace > $1 ORDER BY workspace LIMIT $2")));
        let rows = select.bind(after.unwrap_or_default()).bind(i64::from(items_max)).fetch_all(&self.pool).await?;
        rows.iter().map(read_head).collect()
    }

    /// Whether a workspace of this name can be read.
    pub(crate) async fn is_there(&self, workspace: &str) -> Result<bool> {
        let select = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM workspaces WHERE workspace = $1 AND NOT leaving)");
        Ok(select.bind(workspace).fetch_one(&self.pool).await?)
    }

    /// The positions of these workspaces, in no order.
    pub(crate) async fn positions(&self, workspaces: &[String]) -> Result<Vec<(String, u64)>> {
        let select =
            sqlx::query_as::<_, (String, i64)>("SELECT workspace, position FROM workspaces WHERE workspace = ANY ($1) AND NOT leaving");
        let rows = select.bind(workspaces).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(workspace, position)| (workspace, unsigned(position))).collect())
    }

    /// How many objects there are in all workspaces.
    pub(crate) async fn totals(&self) -> Result<Counts> {
        let select = sqlx::query_as::<_, (String, i64)>(
            "SELECT kind, sum(objects)::bigint FROM object_counts JOIN workspaces USING (workspace) WHERE NOT leaving GROUP BY kind",
        );
        counts(select.fetch_all(&self.pool).await?)
    }
}

fn counts(rows: impl IntoIterator<Item = (String, i64)>) -> Result<Counts> {
    let count = |(kind, objects): (String, i64)| Ok((Kind::parse(&kind).ok_or_else(unreadable)?, unsigned(objects)));
    rows.into_iter().map(count).collect()
}

fn read_head(row: &PgRow) -> Result<Head> {
    let (kinds, objects): (Vec<String>, Vec<i64>) = (row.try_get("kinds")?, row.try_get("counts")?);
    Ok(Head {
        workspace: row.try_get("workspace")?,
        position: unsigned(row.try_get("position")?),
        created_at: row.try_get("created_at")?,
        counts: counts(kinds.into_iter().zip(objects))?,
    })
}
