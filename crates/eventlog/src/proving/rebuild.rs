//! What stands beside the log, built from the log alone: what is known of GHL and what was delivered. When a contact was looked at without
//! anything having changed is in no log: the next look tells.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Body, ContactId, Delivery, DeliveryOutcome, Event, LocationId, ObjectKey, RecordKind, Recorded, Revision, Workspace};
use jiff::Timestamp;
use sqlx::PgConnection;

use crate::Result;
use crate::columns::{At, epoch_column, signed};
use crate::keys::Keys;
use crate::known::Known;
use crate::read;

/// How many events are folded at once.
const PAGE_EVENTS: u32 = 2_000;

/// An event that cannot be read is left out: what it was about is seen again at the next look.
pub(crate) async fn from_log(keys: &Keys, connection: &mut PgConnection, location_id: &LocationId, head: u64) -> Result<()> {
    let mut after = 0;
    while after < head {
        let events = read::after(connection, location_id, after, PAGE_EVENTS).await?;
        let Some(last) = events.last() else { break };
        after = last.seq;
        let events: Vec<Recorded> = keys.open(events).await?.into_iter().flat_map(Event::transpose).collect();
        recall(keys, connection, location_id, &events).await?;
        redeliver(connection, location_id, &events).await?;
    }
    Ok(())
}

async fn recall(keys: &Keys, connection: &mut PgConnection, location_id: &LocationId, events: &[Recorded]) -> Result<()> {
    let about_records = events.iter().filter(|event| matches!(event.body, Body::Record(_)));
    let contacts = about_records.filter_map(|event| event.contact_id.as_ref());
    let wanted: BTreeSet<(&ContactId, RecordKind)> = contacts.flat_map(|id| RecordKind::ALL.map(|kind| (id, kind))).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut known = Known::load(keys, connection, location_id, &wanted).await?;
    for event in events {
        if let (Body::Record(fact), Some(contact_id), Some((_, record_id))) = (&event.body, &event.contact_id, &event.record) {
            let asked_at = event.cause.asked_at.unwrap_or(event.recorded_at);
            known.recall(contact_id, record_id, fact, asked_at, Revision { epoch: event.epoch, seq: event.seq });
        }
    }
    known.save(connection, location_id).await
}

/// The newest delivery of each object in each workspace.
type Newest<'a> = BTreeMap<(&'a Workspace, &'a ObjectKey), (&'a Delivery, &'a ContactId, Timestamp)>;

/// The ledger as deliveries have left it. What no event says is what the key says: what a rule started belongs to the user.
async fn redeliver(connection: &mut PgConnection, location_id: &LocationId, events: &[Recorded]) -> Result<()> {
    let mut newest = Newest::new();
    for event in events {
        let (Body::Delivery(fact), Some(contact_id)) = (&event.body, &event.contact_id) else { continue };
        if fact.outcome != DeliveryOutcome::Delivered {
            continue;
        }
        for delivery in &fact.deliveries {
            let new = (delivery, contact_id, event.occurred_at);
            let held = newest.entry((&delivery.workspace, &delivery.object)).or_insert(new);
            if held.0.revision < delivery.revision {
                *held = new;
            }
        }
    }
    for rows in newest.into_values().collect::<Vec<_>>().chunks(crate::columns::STATEMENT_ROWS_MAX) {
        insert(connection, location_id, rows).await?;
    }
    Ok(())
}

async fn insert(connection: &mut PgConnection, location_id: &LocationId, rows: &[(&Delivery, &ContactId, Timestamp)]) -> Result<()> {
    sqlx::query(
        "INSERT INTO ledger AS l (location_id, rules, workspace, object, kind, contact_id, epoch, seq, policy, removed, answer, delivered_at) \
         SELECT $1, 'imported', * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[], $8::text[], \
         $9::bool[], $10::text[], $11::timestamptz[]) \
         ON CONFLICT (location_id, workspace, object) DO UPDATE SET kind = excluded.kind, contact_id = excluded.contact_id, \
         epoch = excluded.epoch, seq = excluded.seq, policy = excluded.policy, rules = excluded.rules, removed = excluded.removed, \
         answer = excluded.answer, delivered_at = excluded.delivered_at WHERE (l.epoch, l.seq) < (excluded.epoch, excluded.seq)",
    )
    .bind(location_id.as_str())
    .bind(rows.iter().map(|row| row.0.workspace.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.0.object.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.0.kind.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.1.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| epoch_column(row.0.revision.epoch)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| signed(row.0.revision.seq)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| if row.0.object.as_str().starts_with("ghl:") { "mirror" } else { "once" }).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| matches!(row.0.answer.as_str(), "removed" | "absent")).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.0.answer.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| At(row.2)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
