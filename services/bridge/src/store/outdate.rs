//! Making stored objects older than any write.

use sqlx::Row as _;

use super::columns::{revision, signed};
use super::error::Result;
use super::pool::Store;
use super::write::lock;
use crate::object::Revision;
use crate::request::Age;

/// The outcome of `outdate`.
#[derive(Debug, Default)]
pub(crate) struct Outdated {
    /// Objects and tombstones that are older than any write from now on; their content stays.
    pub(crate) outdated: u64,
    /// Those stored with a newer revision than the given one that were left alone.
    pub(crate) newer: Vec<(String, Revision)>,
}

impl Store {
    /// Outdates the objects and tombstones whose stored revision is newer than the given one, if it is still the one that the caller
    /// knows: what was written since is left alone.
    pub(crate) async fn outdate(&self, workspace: &str, items: &[Age]) -> Result<Outdated> {
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction, workspace).await?;
        let stored = |part: fn(&Revision) -> i64| items.iter().map(|item| item.stored.as_ref().map(part)).collect::<Vec<_>>();
        let rows = sqlx::query(
            "WITH newer AS (SELECT o.key, o.epoch, o.seq, coalesce((o.epoch, o.seq) = (given.stored_epoch, given.stored_seq), false) AS known
               FROM objects o JOIN unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
                 AS given (key, epoch, seq, stored_epoch, stored_seq) ON o.key = given.key
               WHERE o.workspace = $1 AND (o.epoch, o.seq) > (given.epoch, given.seq) AND NOT o.erased),
             outdated AS (UPDATE objects o SET epoch = 0, seq = 0 FROM newer
               WHERE o.workspace = $1 AND o.key = newer.key AND newer.known)
             SELECT key, epoch, seq, known FROM newer ORDER BY key",
        )
        .bind(workspace)
        .bind(items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>())
        .bind(items.iter().map(|item| i64::from(item.revision.epoch)).collect::<Vec<_>>())
        .bind(items.iter().map(|item| signed(item.revision.seq)).collect::<Vec<_>>())
        .bind(stored(|revision| i64::from(revision.epoch)))
        .bind(stored(|revision| signed(revision.seq)))
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let mut done = Outdated::default();
        for row in rows {
            if row.try_get("known")? {
                done.outdated += 1;
            } else {
                done.newer.push((row.try_get("key")?, revision(row.try_get("epoch")?, row.try_get("seq")?)));
            }
        }
        Ok(done)
    }
}
