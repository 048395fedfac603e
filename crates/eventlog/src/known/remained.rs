//! A record may be on several contacts, and comes to another one when contacts are merged. When it vanishes from one of them after it was
//! last seen on another, what mirrors it would go with the first, though it is still there: then an event of the other says so.

use std::collections::BTreeMap;

use domain::{Body, Change, ContactId, LocationId, RecordFact, RecordId, RecordKind, Recorded, Revision};
use sqlx::{PgConnection, Row};

use crate::chain::{Entry, Head, Prepared};
use crate::columns::{epoch_column, signed, unsigned};
use crate::keys::Keys;
use crate::known::records::KnownRecords;
use crate::{Result, read};

/// Where a record was last seen.
struct LastSeen {
    contact_id: ContactId,
    /// The event that its content is from.
    seq: u64,
    /// The index of the event that says that it vanished elsewhere.
    vanished: usize,
}

/// The records that are or once were on several contacts; of those that were at a certain moment, where each of them was seen last: what
/// mirrors it is there.
#[derive(Debug, Default)]
pub struct SharedRecords(BTreeMap<RecordKind, BTreeMap<String, Option<String>>>);

impl SharedRecords {
    /// Whether what mirrors this record of this contact is at another contact.
    pub fn is_elsewhere(&self, kind: RecordKind, record_id: &str, contact_id: &str) -> bool {
        self.of(kind, record_id).and_then(Option::as_deref).is_some_and(|holder| holder != contact_id)
    }

    /// Whether the record is on several contacts or has been, be it before the moment or after it: another contact than the one that is
    /// looked at may then have what mirrors it.
    pub fn is_on_several(&self, kind: RecordKind, record_id: &str) -> bool {
        self.of(kind, record_id).is_some()
    }

    fn of(&self, kind: RecordKind, record_id: &str) -> Option<&Option<String>> {
        self.0.get(&kind)?.get(record_id)
    }
}

const ON_SEVERAL: &str = "SELECT kind, record_id FROM known_records WHERE location_id = $1 AND kind <> 'contact' \
    GROUP BY kind, record_id HAVING count(*) > 1";

/// What is known is how things are now; of a record that has changed since the moment, its last event before that tells how it was.
/// Key by key, see `known`.
const HOLDERS: &str = "WITH places AS MATERIALIZED (SELECT s.kind, s.record_id, k.contact_id, k.seq, k.present \
    FROM unnest($3::text[], $4::text[]) AS s (kind, record_id) CROSS JOIN LATERAL (SELECT contact_id, seq, present FROM known_records \
    WHERE location_id = $1 AND kind <> 'contact' AND kind = s.kind AND record_id = s.record_id OFFSET 0) k), \
    at_moment AS (SELECT kind, record_id, contact_id, seq, present FROM places WHERE seq <= $2 UNION ALL \
    SELECT p.kind, p.record_id, p.contact_id, e.seq, coalesce(e.type NOT LIKE '%.vanished', false) FROM places p LEFT JOIN LATERAL \
    (SELECT seq, type FROM events WHERE location_id = $1 AND contact_id = p.contact_id AND seq <= $2 AND record_kind = p.kind \
    AND record_id = p.record_id ORDER BY seq DESC LIMIT 1) e ON true WHERE p.seq > $2) \
    SELECT kind, record_id, CASE WHEN count(*) FILTER (WHERE present) > 1 \
    THEN (array_agg(contact_id ORDER BY seq DESC) FILTER (WHERE present))[1] END FROM at_moment GROUP BY kind, record_id";

impl KnownRecords {
    /// The records of a location that are or have been on several contacts, and where they were by the log up to a position.
    pub async fn shared_records(&self, location_id: &LocationId, through: u64) -> Result<SharedRecords> {
        let several = sqlx::query(ON_SEVERAL).bind(location_id.as_str()).fetch_all(&self.pool).await?;
        let (mut kinds, mut ids) = (Vec::with_capacity(several.len()), Vec::with_capacity(several.len()));
        for row in &several {
            kinds.push(row.try_get::<&str, _>(0)?);
            ids.push(row.try_get::<&str, _>(1)?);
        }
        let mut shared = SharedRecords::default();
        if kinds.is_empty() {
            return Ok(shared);
        }
        let holders = sqlx::query(HOLDERS).bind(location_id.as_str()).bind(signed(through)).bind(kinds).bind(ids);
        for row in holders.fetch_all(&self.pool).await? {
            if let Some(kind) = RecordKind::parse(row.try_get(0)?) {
                shared.0.entry(kind).or_default().insert(row.try_get(1)?, row.try_get(2)?);
            }
        }
        Ok(shared)
    }
}

/// Appends what remained of what has vanished, and gives it in order. The head is to be saved afterwards.
pub(crate) async fn append_remained(
    keys: &Keys,
    connection: &mut PgConnection,
    location_id: &LocationId,
    head: &mut Head,
    recorded: &[Recorded],
) -> Result<Vec<Recorded>> {
    let last_seen = still_there(connection, location_id, recorded).await?;
    let mut fresh = Vec::with_capacity(last_seen.len());
    for ((kind, record_id), seen) in last_seen {
        // What cannot be read is put right by the next change of the record.
        let Some(stored) = read::one(connection, location_id, seen.seq).await? else { continue };
        let Ok(Body::Record(fact)) = keys.open_over(connection, &stored).await? else { continue };
        let Some(gone) = recorded.get(seen.vanished) else { continue };
        fresh.push(Entry {
            contact_id: Some(seen.contact_id),
            record: Some((kind, record_id)),
            occurred_at: gone.occurred_at,
            cause: gone.cause.clone(),
            traceparent: gone.traceparent.clone(),
            body: Body::Record(Box::new(RecordFact { change: Change::Remained, changes: Vec::new(), new_in_ghl: false, ..*fact })),
        });
    }
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let mut fresh = fresh.into_iter().map(Prepared::new).collect::<Result<Vec<_>>>()?;
    // A key is made only where the content is from before there were keys, and is loaded when it is needed next.
    keys.seal_fresh(connection, location_id, head, &mut fresh).await?;
    let remained = head.insert(connection, location_id, fresh).await?;
    move_known(connection, location_id, &remained).await?;
    Ok(remained)
}

/// Of what vanished, where it still is and has not been seen again since.
async fn still_there(
    connection: &mut PgConnection,
    location_id: &LocationId,
    recorded: &[Recorded],
) -> Result<BTreeMap<(RecordKind, RecordId), LastSeen>> {
    let mut gone = Vec::new();
    for (at, event) in recorded.iter().enumerate() {
        if let (Body::Record(fact), Some((kind, id))) = (&event.body, &event.record)
            && fact.change == Change::Vanished
            && *kind != RecordKind::Contact
        {
            gone.push((at, *kind, id, event.seq));
        }
    }
    let mut last_seen = BTreeMap::new();
    if gone.is_empty() {
        return Ok(last_seen);
    }
    // Key by key, see `known`.
    let rows = sqlx::query(
        "SELECT gone.at, k.contact_id, k.seq FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[]) AS gone (at, kind, id, seq) \
         CROSS JOIN LATERAL (SELECT contact_id, seq FROM known_records WHERE location_id = $1 AND kind = gone.kind AND record_id = gone.id \
         AND present AND kind <> 'contact' ORDER BY seq DESC LIMIT 1) k WHERE k.seq < gone.seq ORDER BY gone.at",
    )
    .bind(location_id.as_str())
    .bind(gone.iter().map(|gone| signed(gone.0 as u64)).collect::<Vec<_>>())
    .bind(gone.iter().map(|gone| gone.1.as_str()).collect::<Vec<_>>())
    .bind(gone.iter().map(|gone| gone.2.as_str()).collect::<Vec<_>>())
    .bind(gone.iter().map(|gone| signed(gone.3)).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let at = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX);
        let record = recorded.get(at).and_then(|event| event.record.clone());
        if let (Some(record), Ok(contact_id)) = (record, ContactId::new(row.try_get::<String, _>(1)?)) {
            last_seen.insert(record, LastSeen { contact_id, seq: unsigned(row.try_get(2)?), vanished: at });
        }
    }
    Ok(last_seen)
}

/// What is known comes from these events now.
async fn move_known(connection: &mut PgConnection, location_id: &LocationId, remained: &[Recorded]) -> Result<()> {
    for event in remained {
        let (Some(contact_id), Some((kind, record_id))) = (&event.contact_id, &event.record) else { continue };
        let Revision { epoch, seq } = event.revision();
        sqlx::query(
            "WITH moved AS (UPDATE known_records SET epoch = $5, seq = $6 \
             WHERE location_id = $1 AND contact_id = $2 AND kind = $3 AND record_id = $4) \
             UPDATE known_contacts SET last_seq = $6 WHERE location_id = $1 AND contact_id = $2",
        )
        .bind(location_id.as_str())
        .bind(contact_id.as_str())
        .bind(kind.as_str())
        .bind(record_id.as_str())
        .bind(epoch_column(epoch))
        .bind(signed(seq))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
