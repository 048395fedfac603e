//! Writing: lock the workspace's head, read what is stored, plan, write, commit.
//!
//! The head row is the only lock that is taken, and it is taken first; writers of one workspace wait for each other there,
//! so positions are given out and committed in the same order.

use std::collections::{BTreeSet, HashMap};

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::answers::{self, Once};
use super::columns::{digest, revision, signed, unsigned};
use super::error::{Error, Result, unreadable};
use super::plan::Applied;
use super::plan::{Plan, Stored, plan};
use super::pool::Store;
use crate::object::{Digest, Existing, Kind, Policy, Revision};
use crate::request::Item;

#[derive(Debug)]
pub(crate) enum Written {
    Now {
        applied: Vec<Applied>,
        /// The head of the feed after the write.
        position: u64,
    },
    /// The same request came before, and this was its answer.
    Before(String),
}

impl Store {
    /// True when it did not exist before.
    pub(crate) async fn create_workspace(&self, workspace: &str) -> Result<bool> {
        let insert = sqlx::query("INSERT INTO workspaces (workspace) VALUES ($1) ON CONFLICT DO NOTHING");
        let created = insert.bind(workspace).execute(&self.pool).await?.rows_affected() == 1;
        let leaving = sqlx::query_scalar::<_, bool>("SELECT leaving FROM workspaces WHERE workspace = $1");
        // Removed between the two statements: treated as still leaving.
        let leaving = leaving.bind(workspace).fetch_optional(&self.pool).await?.unwrap_or(true);
        if leaving { Err(Error::Leaving) } else { Ok(created) }
    }

    /// All or nothing. `answer` makes the text to remember for `once` from what was applied.
    pub(crate) async fn write(&self, workspace: &str, items: &[Item], once: Option<Once<'_>>) -> Result<Written> {
        let mut transaction = self.pool.begin().await?;
        let head = lock(&mut transaction, workspace).await?;
        if let Some(once) = &once
            && let Some(answer) = answers::given(&mut transaction, workspace, once).await?
        {
            return Ok(Written::Before(answer));
        }
        let (stored, erased) = stored(&mut transaction, workspace, items).await?;
        let plan = plan(stored, &erased, head, items);
        if !plan.rows.is_empty() {
            apply(&mut transaction, workspace, &plan).await?;
        }
        if let Some(once) = &once {
            answers::remember(&mut transaction, workspace, once, items, &plan.applied).await?;
        }
        transaction.commit().await?;
        Ok(Written::Now { position: plan.position, applied: plan.applied })
    }
}

/// The head of the workspace's feed, which nobody else moves until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, workspace: &str) -> Result<u64> {
    let lock = sqlx::query_scalar::<_, i64>("SELECT position FROM workspaces WHERE workspace = $1 AND NOT leaving FOR UPDATE");
    let head = lock.bind(workspace).fetch_optional(connection).await?;
    head.map(unsigned).ok_or(Error::WorkspaceUnknown)
}

/// What is stored under the keys of the items; and of their contacts that were erased, as of which revision.
async fn stored(
    connection: &mut PgConnection,
    workspace: &str,
    items: &[Item],
) -> Result<(HashMap<String, Stored>, HashMap<String, Revision>)> {
    let keys: BTreeSet<&str> = items.iter().flat_map(|item| [Some(item.key.as_str()), item.contact.as_deref()]).flatten().collect();
    let select = sqlx::query(
        "SELECT key, kind, policy, epoch, seq, digest, contact, position, erased FROM objects WHERE workspace = $1 AND key = ANY ($2)",
    );
    let rows = select.bind(workspace).bind(keys.into_iter().collect::<Vec<_>>()).fetch_all(connection).await?;
    let (mut stored, mut erased) = (HashMap::with_capacity(rows.len()), HashMap::new());
    for row in &rows {
        let existing = Existing {
            kind: Kind::parse(row.try_get("kind")?).ok_or_else(unreadable)?,
            policy: Policy::parse(row.try_get("policy")?).ok_or_else(unreadable)?,
            revision: revision(row.try_get("epoch")?, row.try_get("seq")?),
            digest: digest(row.try_get("digest")?),
        };
        let key: String = row.try_get("key")?;
        if row.try_get("erased")? {
            erased.insert(key.clone(), existing.revision);
        }
        stored.insert(key, Stored { existing, contact: row.try_get("contact")?, position: unsigned(row.try_get("position")?) });
    }
    Ok((stored, erased))
}

/// One statement for everything: a batch costs one round trip, whatever its size.
const APPLY: &str = "
WITH stored AS (
    INSERT INTO objects (workspace, key, kind, contact, policy, epoch, seq, position, present, content, digest,
                         container, title, sort, search, at, flag)
    SELECT $1, key, kind, contact, policy, epoch, seq, position, digest IS NOT NULL, content::json, digest,
           container, title, sort, search, at, flag
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::bytea[],
                $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::boolean[])
         AS given (key, kind, contact, policy, epoch, seq, position, content, digest, container, title, sort, search, at, flag)
    ON CONFLICT (workspace, key) DO UPDATE SET
        contact = excluded.contact, policy = excluded.policy, epoch = excluded.epoch, seq = excluded.seq,
        position = excluded.position, present = excluded.present, content = excluded.content, digest = excluded.digest,
        container = excluded.container, title = excluded.title, sort = excluded.sort, search = excluded.search,
        at = excluded.at, flag = excluded.flag, erased = objects.erased AND NOT excluded.present
), noted AS (
    INSERT INTO changes (workspace, position, key, kind, contact, op, epoch, seq, digest)
    SELECT $1, position, key, kind, contact, CASE WHEN digest IS NULL THEN 'remove' ELSE 'put' END, epoch, seq, digest
    FROM unnest($17::bigint[], $18::text[], $19::text[], $20::text[], $21::bigint[], $22::bigint[], $23::bytea[])
         AS given (position, key, kind, contact, epoch, seq, digest)
), counted AS (
    INSERT INTO object_counts AS c (workspace, kind, objects)
    SELECT $1, kind, more FROM unnest($25::text[], $26::bigint[]) AS given (kind, more)
    ON CONFLICT (workspace, kind) DO UPDATE SET objects = c.objects + excluded.objects
)
UPDATE workspaces SET position = $24 WHERE workspace = $1";

async fn apply(connection: &mut PgConnection, workspace: &str, plan: &Plan<'_>) -> Result<()> {
    let (rows, steps) = (&plan.rows, &plan.steps);
    let facets = |row: &super::plan::Row<'_>| row.item.put.as_ref().map(|put| put.facets.clone());
    let facets: Vec<_> = rows.iter().map(facets).collect();
    let facet = |pick: fn(&crate::object::Facets) -> Option<&str>| -> Vec<Option<&str>> {
        facets.iter().map(|facets| facets.as_ref().and_then(pick)).collect()
    };
    let containers = rows.iter().zip(&facets).map(|(row, facets)| container(row, facets.as_ref())).collect::<Vec<Option<&str>>>();
    let bytes = |digest: &Option<Digest>| digest.map(Vec::from);
    let apply = sqlx::query(APPLY)
        .bind(workspace)
        .bind(rows.iter().map(|row| row.item.key.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.item.kind.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.contact.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.becomes.policy.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| i64::from(row.becomes.revision.epoch)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| signed(row.becomes.revision.seq)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| signed(row.position)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.item.put.as_ref().map(|put| put.content.as_str())).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| bytes(&row.becomes.digest)).collect::<Vec<_>>())
        .bind(containers)
        .bind(facet(|facets| Some(&facets.title)))
        .bind(facet(|facets| Some(&facets.sort)))
        .bind(facet(|facets| facets.search.as_deref()))
        .bind(facets.iter().map(|facets| facets.as_ref().and_then(|facets| facets.at)).collect::<Vec<_>>())
        .bind(facets.iter().map(|facets| facets.as_ref().is_some_and(|facets| facets.flag)).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| signed(step.position)).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| step.item.key.as_str()).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| step.item.kind.as_str()).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| step.contact.as_deref()).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| i64::from(step.item.revision.epoch)).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| signed(step.item.revision.seq)).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| bytes(&step.digest)).collect::<Vec<_>>())
        .bind(signed(plan.position))
        .bind(plan.more.keys().map(|kind| kind.as_str()).collect::<Vec<_>>())
        .bind(plan.more.values().copied().collect::<Vec<_>>());
    apply.execute(connection).await?;
    Ok(())
}

/// What holds the object: named by its content, or else the contact it is about. A contact is held by nothing.
fn container<'a>(row: &'a super::plan::Row<'_>, facets: Option<&'a crate::object::Facets>) -> Option<&'a str> {
    let named = facets?.container.as_deref();
    if row.item.kind == Kind::Contact { None } else { named.or(row.contact.as_deref()) }
}
