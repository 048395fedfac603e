//! Taking objects for as old as can be.

use super::write::lock;
use super::{Result, Store, signed};
use crate::decide::Revision;

impl Store {
    /// Objects and tombstones whose stored revision is newer than the one given beside their key are from now on older than any
    /// write; their content stays. Answers how many.
    pub(crate) async fn outdate(&self, workspace: &str, items: &[(String, Revision)]) -> Result<u64> {
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction, workspace).await?;
        let update = sqlx::query(
            "UPDATE objects o SET epoch = 0, seq = 0 FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS given (key, epoch, seq)
             WHERE o.workspace = $1 AND o.key = given.key AND (o.epoch, o.seq) > (given.epoch, given.seq) AND NOT o.erased",
        );
        let update = update
            .bind(workspace)
            .bind(items.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>())
            .bind(items.iter().map(|(_, revision)| i64::from(revision.epoch)).collect::<Vec<_>>())
            .bind(items.iter().map(|(_, revision)| signed(revision.seq)).collect::<Vec<_>>());
        let outdated = update.execute(&mut *transaction).await?.rows_affected();
        transaction.commit().await?;
        Ok(outdated)
    }
}
