//! Forgetting one contact: contents, what is searched and sorted by, digests and remembered answers. What stays are keys, kinds and
//! positions: tombstones without content, so that nothing older brings the person back and the feed keeps its positions.

use sqlx::postgres::PgConnection;

use super::columns::{signed, unsigned};
use super::error::Result;
use super::pool::Store;
use super::write::lock;
use crate::object::Revision;

/// How many positions of the feed are looked through at a time.
const FEED_POSITIONS: i64 = 100_000;

const ERASE: &str = "WITH held AS (
    SELECT key, kind, row_number() OVER (ORDER BY key) AS number FROM objects WHERE workspace = $1 AND contact = $2 AND present
), emptied AS (
    UPDATE objects o SET present = false, content = NULL, digest = NULL, container = NULL, title = NULL, sort = NULL, search = NULL,
        at = NULL, flag = false, position = $5 + held.number,
        epoch = CASE WHEN (o.epoch, o.seq) < ($3, $4) THEN $3 ELSE o.epoch END, seq = CASE WHEN (o.epoch, o.seq) < ($3, $4) THEN $4 ELSE o.seq END
    FROM held WHERE o.workspace = $1 AND o.key = held.key RETURNING o.key, o.kind, o.epoch, o.seq, o.position
), noted AS (
    INSERT INTO changes (workspace, position, key, kind, contact, op, epoch, seq)
    SELECT $1, position, key, kind, $2, 'remove', epoch, seq FROM emptied
), counted AS (
    UPDATE object_counts c SET objects = c.objects - gone.objects
    FROM (SELECT kind, count(*) AS objects FROM emptied GROUP BY kind) AS gone WHERE c.workspace = $1 AND c.kind = gone.kind
)
UPDATE workspaces w SET position = position + gone.objects
FROM (SELECT count(*) AS objects FROM emptied) AS gone WHERE w.workspace = $1 RETURNING gone.objects";

/// The outcome of an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Erased {
    /// Objects that were there.
    pub(crate) objects: u64,
    /// The head of the feed afterwards.
    pub(crate) position: u64,
}

impl Store {
    /// Erases what is about the contact, and takes nothing about it any more that is not newer than `revision`. Repeating it is
    /// harmless.
    pub(crate) async fn erase(&self, workspace: &str, contact: &str, revision: Revision) -> Result<Erased> {
        let mut transaction = self.pool.begin().await?;
        let head = lock(&mut transaction, workspace).await?;
        let erase = sqlx::query_scalar::<_, i64>(ERASE).bind(workspace).bind(contact);
        let erase = erase.bind(i64::from(revision.epoch)).bind(signed(revision.seq)).bind(signed(head));
        let objects = unsigned(erase.fetch_one(&mut *transaction).await?);
        mark(&mut transaction, workspace, contact, revision).await?;
        let forget = sqlx::query("DELETE FROM answers WHERE workspace = $1 AND contact = $2");
        forget.bind(workspace).bind(contact).execute(&mut *transaction).await?;
        transaction.commit().await?;
        self.forget_digests(workspace, contact, head).await?;
        Ok(Erased { objects, position: head + objects })
    }

    /// The feed still shows that something was there, but no longer its digest. Outside the lock: writers need not wait for it.
    async fn forget_digests(&self, workspace: &str, contact: &str, head: u64) -> Result<()> {
        let select = sqlx::query_scalar::<_, i64>("SELECT pruned FROM workspaces WHERE workspace = $1");
        let mut after = select.bind(workspace).fetch_optional(&self.pool).await?.unwrap_or_default();
        while after < signed(head) {
            let forget = sqlx::query(
                "UPDATE changes SET op = 'remove', digest = NULL
                 WHERE workspace = $1 AND position > $3 AND position <= $4 AND contact = $2 AND digest IS NOT NULL",
            );
            let upto = after.saturating_add(FEED_POSITIONS);
            forget.bind(workspace).bind(contact).bind(after).bind(upto).execute(&self.pool).await?;
            after = upto;
        }
        Ok(())
    }
}

/// Marks the contact's own row as erased; makes one where the contact was never seen.
async fn mark(connection: &mut PgConnection, workspace: &str, contact: &str, revision: Revision) -> Result<()> {
    let upsert = sqlx::query(
        "INSERT INTO objects AS o (workspace, key, kind, contact, policy, epoch, seq, position, present, erased)
         VALUES ($1, $2, 'contact', $2, 'mirror', $3, $4, 0, false, true)
         ON CONFLICT (workspace, key) DO UPDATE SET erased = true,
            epoch = CASE WHEN (o.epoch, o.seq) < ($3, $4) THEN $3 ELSE o.epoch END, seq = CASE WHEN (o.epoch, o.seq) < ($3, $4) THEN $4 ELSE o.seq END",
    );
    upsert.bind(workspace).bind(contact).bind(i64::from(revision.epoch)).bind(signed(revision.seq)).execute(connection).await?;
    Ok(())
}
