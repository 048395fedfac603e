//! What was brought to Pagico.
//!
//! - `held`: what the ledger says of many objects, and forgetting what is wrong
//! - `parked`: what waits for a person
//! - `workspaces`: the generations of a location's content, and their rules
//! - `replays`: plans and the replays that apply them
//! - `retention`: forgetting old plans and replays

pub(crate) mod held;
pub(crate) mod parked;
pub(crate) mod replays;
pub(crate) mod retention;
pub(crate) mod workspaces;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use domain::{
    Applied, Body, Cause, ContactId, Delivery, DeliveryFact, DeliveryOutcome, LocationId, Net, ObjectKey, ObjectKind, Policy, Revision,
    RulesRevision, Workspace,
};
use jiff::Timestamp;
use sqlx::{PgConnection, PgExecutor, PgPool, Row};

use crate::Result;
use crate::appends::Appended;
use crate::chain::{Entry, Head, Prepared};
use crate::columns::{At, epoch, epoch_column, signed, text, unsigned};
use crate::keys::ring::{KeyRing, is_erased};
use crate::ledger::parked::{Parking, Stage, upsert};

/// How the delivery of one object ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub contact_id: ContactId,
    pub kind: ObjectKind,
    pub object: ObjectKey,
    pub workspace: Workspace,
    pub revision: Revision,
    /// The edition of the workspace's rules that made it.
    pub edition: u32,
    pub policy: Policy,
    pub rules: RulesRevision,
    /// The object is gone from the workspace, as it should be.
    pub removed: bool,
    pub outcome: DeliveryOutcome,
    /// What the workspace answered, in a word, or why it is parked; nothing personal.
    pub answer: String,
    pub traceparent: Option<String>,
    /// What is needed to try again; for `Parked` alone.
    pub parked: Option<ParkedMessage>,
}

/// The message whose delivery waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedMessage {
    /// Where the message goes when it is sent again.
    pub subject: String,
    pub message: Vec<u8>,
    /// HTTP status of the last answer, where there was one.
    pub status: Option<u16>,
    pub attempts: u32,
}

/// The key of a row of the ledger.
type LedgerKey<'a> = (&'a Workspace, &'a ObjectKey);

/// Newer beats older; of the same revision, the later edition of the rules beats the earlier.
type Age = (Revision, u32);

fn age(settlement: &Settlement) -> Age {
    (settlement.revision, settlement.edition)
}

/// What the writer knows it has applied. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) pool: PgPool,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) appended: Appended,
    pub(crate) transaction_records_max: NonZeroUsize,
}

impl Ledger {
    /// Records how deliveries ended: appends `delivery.*`, moves the ledger (never back), parks what must wait, and resolves what
    /// waited for an object that has now been delivered. What was refused or parked leaves the ledger where it is. Repeating a
    /// delivered or parked settlement changes nothing. What is about an erased contact is left out.
    ///
    /// A long slice becomes several transactions: after an error some may be settled, and settling all again is right.
    ///
    /// # Errors
    /// `NotFound` when the location was never connected.
    pub async fn settle(&self, location_id: &LocationId, settlements: &[Settlement]) -> Result<()> {
        for batch in settlements.chunks(self.transaction_records_max.get()) {
            self.settle_batch(location_id, batch).await?;
        }
        Ok(())
    }

    async fn settle_batch(&self, location_id: &LocationId, settlements: &[Settlement]) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let mut head = Head::lock(&mut *transaction, location_id).await?;
        let erased = self.ring.locked_erased(&mut transaction, location_id, head.erasures).await?;
        let settlements: Vec<&Settlement> = settlements.iter().filter(|settlement| !is_erased(&erased, &settlement.contact_id)).collect();
        let ledger = positions(&mut transaction, location_id, &settlements).await?;
        let mut news = Vec::with_capacity(settlements.len());
        for &settlement in &settlements {
            if is_news(&mut transaction, location_id, settlement, &ledger).await? {
                news.push(settlement);
            }
        }
        let fresh = events(&news)?;
        let appended = fresh.len();
        if appended > 0 {
            (transaction, _) = head.insert_all(transaction, location_id, fresh).await?;
            head.save(&mut transaction, location_id).await?;
        }
        let delivered = newest(settlements.into_iter().filter(|settlement| settlement.outcome == DeliveryOutcome::Delivered));
        if !delivered.is_empty() {
            move_ledger(&mut transaction, location_id, &delivered).await?;
            resolve(&mut transaction, location_id, &delivered).await?;
        }
        transaction.commit().await?;
        self.appended.notify(appended);
        Ok(())
    }

    /// How many objects the ledger holds of a workspace.
    pub async fn count(&self, location_id: &LocationId, workspace: &Workspace) -> Result<u64> {
        let count = sqlx::query("SELECT count(*) FROM ledger WHERE location_id = $1 AND workspace = $2 AND NOT removed");
        let row = count.bind(location_id.as_str()).bind(workspace.as_str()).fetch_one(&self.pool).await?;
        Ok(unsigned(row.try_get(0)?))
    }

    /// What the ledger holds of these objects.
    pub async fn applied(
        &self,
        location_id: &LocationId,
        workspace: &Workspace,
        objects: &[ObjectKey],
    ) -> Result<BTreeMap<ObjectKey, Applied>> {
        let objects: Vec<&str> = objects.iter().map(ObjectKey::as_str).filter(|object| !object.contains('\0')).collect();
        let rows = rows(&self.pool, location_id, workspace, &objects).await?;
        Ok(rows.into_iter().map(|(object, applied)| (ObjectKey::from(object), applied)).collect())
    }
}

async fn rows(
    executor: impl PgExecutor<'_>,
    location_id: &LocationId,
    workspace: &Workspace,
    objects: &[&str],
) -> Result<Vec<(String, Applied)>> {
    // Key by key, see `known`.
    let rows = sqlx::query(
        "SELECT l.* FROM unnest($3::text[]) AS wanted (object) CROSS JOIN LATERAL (SELECT object, epoch, seq, policy, edition FROM ledger \
         WHERE location_id = $1 AND workspace = $2 AND object = wanted.object OFFSET 0) l",
    )
    .bind(location_id.as_str())
    .bind(workspace.as_str())
    .bind(objects)
    .fetch_all(executor)
    .await?;
    let read = |row: sqlx::postgres::PgRow| {
        let revision = Revision { epoch: epoch(row.try_get(1)?), seq: unsigned(row.try_get(2)?) };
        Ok((row.try_get(0)?, Applied { revision, edition: epoch(row.try_get(4)?), policy: policy(row.try_get(3)?) }))
    };
    rows.into_iter().map(read).collect()
}

/// Where the ledger stands for the objects of these settlements.
async fn positions<'a>(
    connection: &mut PgConnection,
    location_id: &LocationId,
    settlements: &[&'a Settlement],
) -> Result<BTreeMap<LedgerKey<'a>, Age>> {
    let mut wanted: BTreeMap<&Workspace, BTreeMap<&str, &ObjectKey>> = BTreeMap::new();
    for settlement in settlements.iter().copied().filter(|settlement| !settlement.object.as_str().contains('\0')) {
        wanted.entry(&settlement.workspace).or_default().insert(settlement.object.as_str(), &settlement.object);
    }
    let mut positions = BTreeMap::new();
    for (workspace, objects) in wanted {
        let keys: Vec<&str> = objects.keys().copied().collect();
        for (object, applied) in rows(&mut *connection, location_id, workspace, &keys).await? {
            if let Some(object) = objects.get(object.as_str()) {
                positions.insert((workspace, *object), (applied.revision, applied.edition));
            }
        }
    }
    Ok(positions)
}

/// Whether the log does not hold it yet. Parks on the way what is to be parked.
async fn is_news(
    connection: &mut PgConnection,
    location_id: &LocationId,
    settlement: &Settlement,
    ledger: &BTreeMap<LedgerKey<'_>, Age>,
) -> Result<bool> {
    let done = ledger.get(&(&settlement.workspace, &settlement.object)).is_some_and(|applied| *applied >= age(settlement));
    match settlement.outcome {
        DeliveryOutcome::Delivered => Ok(!done),
        // Something as new is there by now: nothing to wait for.
        DeliveryOutcome::Parked if done => Ok(false),
        DeliveryOutcome::Parked => Ok(upsert(connection, &parking(location_id, settlement), Some(&settlement.workspace)).await?.1),
        DeliveryOutcome::Refused | DeliveryOutcome::Redriven => Ok(true),
    }
}

fn parking(location_id: &LocationId, settlement: &Settlement) -> Parking {
    let parked = settlement.parked.as_ref();
    Parking {
        stage: Stage::Writer,
        location_id: location_id.clone(),
        contact_id: Some(settlement.contact_id.clone()),
        object: Some(settlement.object.clone()),
        revision: Some(settlement.revision),
        subject: parked.map(|parked| parked.subject.clone()).unwrap_or_default(),
        message: parked.map(|parked| parked.message.clone()).unwrap_or_default(),
        reason: settlement.answer.clone(),
        status: parked.and_then(|parked| parked.status),
        attempts: parked.map_or(1, |parked| parked.attempts),
        traceparent: settlement.traceparent.clone(),
    }
}

/// One event for each contact and outcome.
fn events(settlements: &[&Settlement]) -> Result<Vec<Prepared>> {
    let mut groups: BTreeMap<(&ContactId, &str), Vec<&Settlement>> = BTreeMap::new();
    for settlement in settlements {
        groups.entry((&settlement.contact_id, settlement.outcome.as_str())).or_default().push(settlement);
    }
    let now = Timestamp::now();
    groups.into_values().filter_map(|group| event(&group, now)).collect()
}

fn event(group: &[&Settlement], now: Timestamp) -> Option<Result<Prepared>> {
    let first = group.first()?;
    let deliveries = group.iter().map(|settlement| Delivery {
        workspace: settlement.workspace.clone(),
        kind: settlement.kind,
        object: settlement.object.clone(),
        revision: settlement.revision,
        answer: settlement.answer.clone(),
    });
    Some(Prepared::new(Entry {
        contact_id: Some(first.contact_id.clone()),
        record: None,
        occurred_at: now,
        cause: Cause::from(Net::Writer),
        traceparent: group.iter().find_map(|settlement| settlement.traceparent.clone()),
        body: Body::Delivery(DeliveryFact { outcome: first.outcome, deliveries: deliveries.collect() }),
    }))
}

/// Of several settlements of one object the newest: one statement cannot move a row twice.
fn newest<'a>(settlements: impl Iterator<Item = &'a Settlement>) -> Vec<&'a Settlement> {
    let mut newest: BTreeMap<LedgerKey<'_>, &Settlement> = BTreeMap::new();
    for settlement in settlements {
        let best = newest.entry((&settlement.workspace, &settlement.object)).or_insert(settlement);
        if age(settlement) > age(best) {
            *best = settlement;
        }
    }
    let mut keys = BTreeSet::new();
    newest.into_values().filter(|settlement| keys.insert((&settlement.workspace, text(settlement.object.as_str())))).collect()
}

async fn move_ledger(connection: &mut PgConnection, location_id: &LocationId, delivered: &[&Settlement]) -> Result<()> {
    fn column<'a, T>(delivered: &[&'a Settlement], value: impl Fn(&'a Settlement) -> T) -> Vec<T> {
        delivered.iter().map(|settlement| value(settlement)).collect()
    }
    sqlx::query(
        "INSERT INTO ledger AS l (location_id, delivered_at, workspace, object, kind, contact_id, epoch, seq, policy, rules, removed, answer, \
         edition) \
         SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::bigint[], $9::text[], $10::text[], \
         $11::bool[], $12::text[], $13::int[]) \
         ON CONFLICT (location_id, workspace, object) DO UPDATE SET delivered_at = excluded.delivered_at, kind = excluded.kind, \
         contact_id = excluded.contact_id, epoch = excluded.epoch, seq = excluded.seq, policy = excluded.policy, rules = excluded.rules, \
         removed = excluded.removed, answer = excluded.answer, edition = excluded.edition \
         WHERE (l.epoch, l.seq, l.edition) < (excluded.epoch, excluded.seq, excluded.edition)",
    )
    .bind(location_id.as_str())
    .bind(At(Timestamp::now()))
    .bind(column(delivered, |settlement| settlement.workspace.as_str()))
    .bind(column(delivered, |settlement| text(settlement.object.as_str())))
    .bind(column(delivered, |settlement| settlement.kind.as_str()))
    .bind(column(delivered, |settlement| settlement.contact_id.as_str()))
    .bind(column(delivered, |settlement| epoch_column(settlement.revision.epoch)))
    .bind(column(delivered, |settlement| signed(settlement.revision.seq)))
    .bind(column(delivered, |settlement| policy_name(settlement.policy)))
    .bind(column(delivered, |settlement| settlement.rules.as_str()))
    .bind(column(delivered, |settlement| settlement.removed))
    .bind(column(delivered, |settlement| text(&settlement.answer)))
    .bind(column(delivered, |settlement| epoch_column(settlement.edition)))
    .execute(connection)
    .await?;
    Ok(())
}

/// What waited for an object no longer waits once something as new or newer is delivered.
async fn resolve(connection: &mut PgConnection, location_id: &LocationId, delivered: &[&Settlement]) -> Result<()> {
    sqlx::query(
        "UPDATE parked p SET resolved_at = $2 FROM unnest($3::text[], $4::text[], $5::int[], $6::bigint[]) AS d (workspace, object, epoch, seq) \
         WHERE p.location_id = $1 AND p.resolved_at IS NULL AND p.object = d.object AND p.workspace = d.workspace \
         AND (coalesce(p.epoch, 0), coalesce(p.seq, 0)) <= (d.epoch, d.seq)",
    )
    .bind(location_id.as_str())
    .bind(At(Timestamp::now()))
    .bind(delivered.iter().map(|settlement| settlement.workspace.as_str()).collect::<Vec<_>>())
    .bind(delivered.iter().map(|settlement| text(settlement.object.as_str())).collect::<Vec<_>>())
    .bind(delivered.iter().map(|settlement| epoch_column(settlement.revision.epoch)).collect::<Vec<_>>())
    .bind(delivered.iter().map(|settlement| signed(settlement.revision.seq)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::Mirror => "mirror",
        Policy::Once => "once",
    }
}

/// What is not mirrored belongs to the user: in doubt nothing of theirs is overwritten.
pub(crate) fn policy(name: &str) -> Policy {
    if name == "mirror" { Policy::Mirror } else { Policy::Once }
}
