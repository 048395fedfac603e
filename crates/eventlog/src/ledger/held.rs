//! What the ledger says of many objects at once, and unsaying what is wrong.

use std::collections::BTreeMap;

use domain::replay::LedgerEntry;
use domain::{Applied, LocationId, ObjectKey, Revision, RulesRevision, Workspace};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::Result;
use crate::columns::{epoch, epoch_column, signed, unsigned};
use crate::ledger::{Ledger, policy};

impl Ledger {
    /// What the ledger holds of these contacts' objects in a workspace, by contact.
    pub async fn held(
        &self,
        location_id: &LocationId,
        workspace: &Workspace,
        contacts: &[&str],
    ) -> Result<BTreeMap<String, BTreeMap<ObjectKey, LedgerEntry>>> {
        // Contact by contact, or a table that was never analyzed is read whole.
        let rows = sqlx::query(
            "SELECT l.* FROM unnest($3::text[]) AS wanted (contact_id) CROSS JOIN LATERAL (SELECT contact_id, object, epoch, seq, edition, policy, \
             rules, removed FROM ledger WHERE location_id = $1 AND workspace = $2 AND contact_id = wanted.contact_id OFFSET 0) l",
        )
        .bind(location_id.as_str())
        .bind(workspace.as_str())
        .bind(contacts)
        .fetch_all(&self.pool)
        .await?;
        let mut held: BTreeMap<String, BTreeMap<ObjectKey, LedgerEntry>> = BTreeMap::new();
        for row in &rows {
            let (object, one) = read_held(row)?;
            held.entry(row.try_get(0)?).or_default().insert(object, one);
        }
        Ok(held)
    }

    /// What the ledger holds of these objects in a workspace, whosever they are.
    pub async fn held_objects(
        &self,
        location_id: &LocationId,
        workspace: &Workspace,
        objects: &[&ObjectKey],
    ) -> Result<BTreeMap<ObjectKey, LedgerEntry>> {
        let rows = sqlx::query(
            "SELECT contact_id, object, epoch, seq, edition, policy, rules, removed FROM ledger \
             WHERE location_id = $1 AND workspace = $2 AND object = ANY($3)",
        )
        .bind(location_id.as_str())
        .bind(workspace.as_str())
        .bind(objects.iter().map(|object| object.as_str()).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read_held).collect()
    }

    /// Forgets what the ledger says of these objects, because the workspace contradicts it: where it still says this revision, and that
    /// is not past the position.
    pub async fn forget(
        &self,
        location_id: &LocationId,
        workspace: &Workspace,
        through: u64,
        objects: &[(ObjectKey, Revision)],
    ) -> Result<()> {
        sqlx::query(
            "DELETE FROM ledger l USING unnest($4::text[], $5::int[], $6::bigint[]) AS wrong (object, epoch, seq) \
             WHERE l.location_id = $1 AND l.workspace = $2 AND l.seq <= $3 \
             AND l.object = wrong.object AND l.epoch = wrong.epoch AND l.seq = wrong.seq",
        )
        .bind(location_id.as_str())
        .bind(workspace.as_str())
        .bind(signed(through))
        .bind(objects.iter().map(|(object, _)| object.as_str()).collect::<Vec<_>>())
        .bind(objects.iter().map(|(_, revision)| epoch_column(revision.epoch)).collect::<Vec<_>>())
        .bind(objects.iter().map(|(_, revision)| signed(revision.seq)).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn read_held(row: &PgRow) -> Result<(ObjectKey, LedgerEntry)> {
    let revision = Revision { epoch: epoch(row.try_get(2)?), seq: unsigned(row.try_get(3)?) };
    let held = LedgerEntry {
        applied: Applied { revision, edition: epoch(row.try_get(4)?), policy: policy(row.try_get(5)?) },
        rules: RulesRevision::from(row.try_get::<String, _>(6)?),
        removed: row.try_get(7)?,
    };
    Ok((ObjectKey::from(row.try_get::<String, _>(1)?), held))
}
