//! The feed of a workspace, in the order of its positions.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::columns::{digest, revision, signed, unsigned};
use super::error::{Error, Result, unreadable};
use super::pool::Store;
use crate::object::{Digest, Kind, Revision};

#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) position: u64,
    pub(crate) key: String,
    pub(crate) kind: Kind,
    pub(crate) contact: Option<String>,
    pub(crate) removed: bool,
    pub(crate) revision: Revision,
    pub(crate) digest: Option<Digest>,
    pub(crate) changed_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) changes: Vec<Change>,
    /// The head when the feed was read.
    pub(crate) position: u64,
}

impl Store {
    /// The feed after a position. The head is read first, so that no position up to it is missed.
    pub(crate) async fn changes(&self, workspace: &str, after: u64, items_max: u32) -> Result<Feed> {
        let select = sqlx::query_as::<_, (i64, i64)>("SELECT position, pruned FROM workspaces WHERE workspace = $1 AND NOT leaving");
        let (position, pruned) = select.bind(workspace).fetch_optional(&self.pool).await?.ok_or(Error::WorkspaceUnknown)?;
        if after < unsigned(pruned) {
            return Err(Error::Pruned(unsigned(pruned)));
        }
        let select = sqlx::query(
            "SELECT position, key, kind, contact, op = 'remove' AS removed, epoch, seq, digest,
             (extract(epoch FROM changed_at) * 1000000)::bigint AS changed_at
             FROM changes WHERE workspace = $1 AND position > $2 ORDER BY position LIMIT $3",
        );
        let rows = select.bind(workspace).bind(signed(after)).bind(i64::from(items_max)).fetch_all(&self.pool).await?;
        let changes: Vec<Change> = rows.iter().map(read_change).collect::<Result<_>>()?;
        // Pruning may have run between the two statements: then the feed begins later than was asked for.
        if changes.first().is_some_and(|first| first.position != after + 1) {
            return Err(Error::Pruned(changes.first().map_or(0, |first| first.position - 1)));
        }
        let last = changes.last().map_or(0, |last| last.position);
        Ok(Feed { position: unsigned(position).max(last), changes })
    }
}

fn read_change(row: &PgRow) -> Result<Change> {
    let changed_at: i64 = row.try_get("changed_at")?;
    Ok(Change {
        position: unsigned(row.try_get("position")?),
        key: row.try_get("key")?,
        kind: Kind::parse(row.try_get("kind")?).ok_or_else(unreadable)?,
        contact: row.try_get("contact")?,
        removed: row.try_get("removed")?,
        revision: revision(row.try_get("epoch")?, row.try_get("seq")?),
        digest: digest(row.try_get("digest")?),
        changed_at: Timestamp::from_microsecond(changed_at).unwrap_or(Timestamp::UNIX_EPOCH),
    })
}
