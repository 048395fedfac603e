//! Reading for clients: one object, objects in the order of their keys, the feed in the order of its positions.

use futures::TryStreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::error::{Error, Result};
use super::numbers::{signed, unsigned};
use super::pool::Store;
use super::write::{digest, revision};
use crate::object::{Digest, Kind, Policy, Revision};

#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) kind: Kind,
    pub(crate) contact: Option<String>,
    pub(crate) revision: Revision,
    pub(crate) policy: Policy,
    /// JSON.
    pub(crate) content: String,
    pub(crate) digest: Digest,
    pub(crate) position: u64,
}

/// The head of a workspace.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) workspace: String,
    pub(crate) position: u64,
    /// Microseconds since 1970: a workspace that was removed and created again is another one, with positions of its own.
    pub(crate) created_at: i64,
    /// In the order of `Kind::ALL`.
    pub(crate) counts: [u64; 5],
}

impl Head {
    pub(crate) fn objects(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice<'a> {
    pub(crate) after: Option<&'a str>,
    pub(crate) items_max: u32,
    pub(crate) bytes_max: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter<'a> {
    pub(crate) kind: Kind,
    pub(crate) contact: Option<&'a str>,
}

/// Where the list of all objects goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) contact: String,
    pub(crate) key: String,
}

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

const COLUMNS: &str = "key, kind, contact, epoch, seq, policy, content::text AS content, digest, position";
const HEAD: &str = "SELECT workspace, position, contacts, projects, tasks, notes, appointments,
    (extract(epoch FROM created_at) * 1000000)::bigint AS created_at FROM workspaces WHERE NOT leaving";

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

    /// How many objects there are in all workspaces, in the order of `Kind::ALL`.
    pub(crate) async fn totals(&self) -> Result<[u64; 5]> {
        let select = sqlx::query(
            "SELECT coalesce(sum(contacts), 0)::bigint AS contacts, coalesce(sum(projects), 0)::bigint AS projects,
             coalesce(sum(tasks), 0)::bigint AS tasks, coalesce(sum(notes), 0)::bigint AS notes,
             coalesce(sum(appointments), 0)::bigint AS appointments FROM workspaces WHERE NOT leaving",
        );
        read_counts(&select.fetch_one(&self.pool).await?)
    }

    pub(crate) async fn object(&self, workspace: &str, key: &str) -> Result<Option<Object>> {
        let select =
            sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM objects WHERE workspace = $1 AND key = $2 AND present")));
        let row = select.bind(workspace).bind(key).fetch_optional(&self.pool).await?;
        row.map(|row| read_object(&row)).transpose()
    }

    /// Objects in the order of their keys, and whether there are more.
    pub(crate) async fn objects(&self, workspace: &str, filter: Filter<'_>, slice: Slice<'_>) -> Result<(Vec<Object>, bool)> {
        let by = if filter.contact.is_some() { "contact = $5 AND kind = $2" } else { "kind = $2 AND $5::text IS NULL" };
        let select = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM objects WHERE workspace = $1 AND {by} AND key > $3 AND present ORDER BY key LIMIT $4"
        )));
        let select = select.bind(workspace).bind(filter.kind.as_str()).bind(slice.after.unwrap_or_default());
        let select = select.bind(i64::from(slice.items_max) + 1).bind(filter.contact);
        some(select.fetch(&self.pool), slice.items_max, slice.bytes_max).await
    }

    /// Objects in the order of their contacts' keys and then of their own, and whether there are more.
    pub(crate) async fn all_objects(
        &self,
        workspace: &str,
        contact: Option<&str>,
        after: Option<&Spot>,
        (items_max, bytes_max): (u32, usize),
    ) -> Result<(Vec<Object>, bool)> {
        let by = if contact.is_some() { "contact = $5" } else { "$5::text IS NULL" };
        let select = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM objects WHERE workspace = $1 AND {by} AND (contact, key) > ($2, $3) AND present ORDER BY contact, key LIMIT $4"
        )));
        let (after_contact, after_key) = after.map_or(("", ""), |spot| (&spot.contact, &spot.key));
        let select = select.bind(workspace).bind(after_contact).bind(after_key).bind(i64::from(items_max) + 1).bind(contact);
        some(select.fetch(&self.pool), items_max, bytes_max).await
    }

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
        // Pruning may have run between the two statements: then the feed begins later than asked for.
        if changes.first().is_some_and(|first| first.position != after + 1) {
            return Err(Error::Pruned(changes.first().map_or(0, |first| first.position - 1)));
        }
        let last = changes.last().map_or(0, |last| last.position);
        Ok(Feed { position: unsigned(position).max(last), changes })
    }
}

/// As many of the rows as a page takes, and whether there are more.
async fn some(mut rows: BoxStream<'_, sqlx::Result<PgRow>>, items_max: u32, bytes_max: usize) -> Result<(Vec<Object>, bool)> {
    let (mut objects, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        let object = read_object(&row)?;
        bytes += object.content.len();
        if objects.len() >= items_max as usize || (bytes > bytes_max && !objects.is_empty()) {
            return Ok((objects, true));
        }
        objects.push(object);
    }
    Ok((objects, false))
}

fn read_counts(row: &PgRow) -> Result<[u64; 5]> {
    let mut counts = [0; 5];
    for (count, kind) in counts.iter_mut().zip(Kind::ALL) {
        *count = unsigned(row.try_get(kind.plural())?);
    }
    Ok(counts)
}

fn read_head(row: &PgRow) -> Result<Head> {
    Ok(Head {
        workspace: row.try_get("workspace")?,
        position: unsigned(row.try_get("position")?),
        created_at: row.try_get("created_at")?,
        counts: read_counts(row)?,
    })
}

fn unreadable() -> Error {
    Error::Failed(sqlx::Error::Protocol("a stored object cannot be read".to_owned()))
}

pub(super) fn read_object(row: &PgRow) -> Result<Object> {
    Ok(Object {
        key: row.try_get("key")?,
        kind: Kind::parse(row.try_get("kind")?).ok_or_else(unreadable)?,
        contact: row.try_get("contact")?,
        revision: revision(row.try_get("epoch")?, row.try_get("seq")?),
        policy: Policy::parse(row.try_get("policy")?).ok_or_else(unreadable)?,
        content: row.try_get("content")?,
        digest: digest(row.try_get("digest")?).ok_or_else(unreadable)?,
        position: unsigned(row.try_get("position")?),
    })
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
