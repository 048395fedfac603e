//! Reading for clients: one object, and objects in the order of their keys.

use futures::TryStreamExt;
use futures::stream::BoxStream;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::columns::{digest, revision, unsigned};
use super::error::{Result, unreadable};
use super::pool::Store;
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

/// The page of a list that is wanted.
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

/// Where the list of all objects continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectCursor {
    pub(crate) contact: String,
    pub(crate) key: String,
}

const COLUMNS: &str = "key, kind, contact, epoch, seq, policy, content::text AS content, digest, position";
impl Store {
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
        after: Option<&ObjectCursor>,
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
