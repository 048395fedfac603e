//! How well the nets hold: when each last looked, what it found before the others, and since when nobody has looked.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Body, LocationId, RecordKind, Recorded};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::Result;
use crate::columns::{At, as_stored, signed, unsigned};
use crate::known::asked_at;
use crate::known::parity::Parity;
use crate::known::passes::Passes;
use crate::known::records::KnownRecords;

/// How well one kind of record of a location is covered.
#[derive(Clone, Debug, PartialEq)]
pub struct Coverage {
    pub kind: RecordKind,
    /// When the last webhook about such a record led to a look.
    pub webhook_at: Option<Timestamp>,
    /// Up to when the watch has seen everything that it can see.
    pub watched_since: Option<Timestamp>,
    /// When the last complete pass of the sweep began; of notes, which have no list, when the oldest look at a contact's notes was.
    pub swept_since: Option<Timestamp>,
    /// Changes by the net that found them first.
    pub found: BTreeMap<String, Found>,
    /// Records present in GHL as far as is known.
    pub present: u64,
    /// When the record was last seen that has not been seen for the longest time.
    pub unverified_since: Option<Timestamp>,
    /// What was read again in the last seven days although nothing said that it had changed, and how much of it differed.
    pub parity: Parity,
}

/// Changes that a net found before the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub changes: u64,
    pub last_at: Option<Timestamp>,
}

impl Coverage {
    /// Changes that were not announced: found by the watch or the sweep.
    pub fn unannounced(&self) -> u64 {
        ["poll", "sweep"].iter().filter_map(|net| self.found.get(*net)).map(|found| found.changes).sum()
    }

    /// The part of the changes that no webhook announced; nothing while there were none. A backfill is not counted: what it finds was
    /// there before.
    pub fn missed_rate(&self) -> Option<f64> {
        let announced = self.found.get("webhook").map_or(0, |found| found.changes);
        let small = |count: u64| u32::try_from(count).map_or(4_294_967_295.0, f64::from);
        let all = announced + self.unannounced();
        (all > 0).then(|| small(self.unannounced()) / small(all))
    }
}

/// Adds up what was found, in the transaction in which it is appended.
pub(crate) async fn count(connection: &mut PgConnection, location_id: &LocationId, recorded: &[Recorded]) -> Result<()> {
    let mut found: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for event in recorded {
        if let (Some((kind, _)), Body::Record(fact)) = (&event.record, &event.body)
            && fact.is_news()
        {
            *found.entry((kind.as_str(), event.cause.net.as_str())).or_default() += 1;
        }
    }
    let Some(last) = recorded.last().filter(|_| !found.is_empty()) else { return Ok(()) };
    sqlx::query(
        "INSERT INTO coverage AS c (location_id, kind, net, found, found_at) \
         SELECT $1, kind, net, found, $2 FROM unnest($3::text[], $4::text[], $5::bigint[]) AS f (kind, net, found) \
         ON CONFLICT (location_id, kind, net) DO UPDATE SET found = c.found + excluded.found, found_at = excluded.found_at",
    )
    .bind(location_id.as_str())
    .bind(At(last.recorded_at))
    .bind(found.keys().map(|(kind, _)| *kind).collect::<Vec<_>>())
    .bind(found.keys().map(|(_, net)| *net).collect::<Vec<_>>())
    .bind(found.values().map(|found| signed(*found)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

impl KnownRecords {
    /// Notes that webhooks about records of these kinds led to a look.
    pub async fn note_webhooks(&self, location_id: &LocationId, kinds: &BTreeSet<RecordKind>, at: Timestamp) -> Result<()> {
        sqlx::query(
            "INSERT INTO coverage AS c (location_id, kind, net, looked_at) SELECT $1, kind, 'webhook', $3 FROM unnest($2::text[]) AS k (kind) \
             ON CONFLICT (location_id, kind, net) DO UPDATE SET looked_at = greatest(c.looked_at, excluded.looked_at)",
        )
        .bind(location_id.as_str())
        .bind(kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
        .bind(At(as_stored(at)))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How well each kind of record of a location is covered. Reads what is known of every record: for people, not for every second.
    pub async fn coverage(&self, location_id: &LocationId) -> Result<Vec<Coverage>> {
        let passes = Passes { pool: self.pool.clone() };
        let parity = self.parity(location_id).await?;
        let mut coverage = Vec::with_capacity(RecordKind::ALL.len());
        for kind in RecordKind::ALL {
            let (present, unverified_since) = self.verified(location_id, kind).await?;
            let (webhook_at, found) = self.found(location_id, kind).await?;
            let swept = passes.get(location_id, "sweep", kind).await?.complete_since;
            coverage.push(Coverage {
                kind,
                webhook_at,
                watched_since: passes.get(location_id, "poll", kind).await?.complete_since,
                swept_since: if kind == RecordKind::Note { self.notes_seen_since(location_id).await? } else { swept },
                found,
                present,
                unverified_since,
                parity: parity.get(&kind).copied().unwrap_or_default(),
            });
        }
        Ok(coverage)
    }

    async fn found(&self, location_id: &LocationId, kind: RecordKind) -> Result<(Option<Timestamp>, BTreeMap<String, Found>)> {
        let rows = sqlx::query("SELECT net, looked_at, found, found_at FROM coverage WHERE location_id = $1 AND kind = $2")
            .bind(location_id.as_str())
            .bind(kind.as_str())
            .fetch_all(&self.pool)
            .await?;
        let mut webhook_at = None;
        let mut found = BTreeMap::new();
        for row in rows {
            let net: String = row.try_get(0)?;
            if net == "webhook" {
                webhook_at = row.try_get::<Option<At>, _>(1)?.map(|At(at)| at);
            }
            let last_at = row.try_get::<Option<At>, _>(3)?.map(|At(at)| at);
            found.insert(net, Found { changes: unsigned(row.try_get(2)?), last_at });
        }
        Ok((webhook_at, found))
    }

    /// How many records are present, and when the one was last seen that was not seen for the longest time.
    async fn verified(&self, location_id: &LocationId, kind: RecordKind) -> Result<(u64, Option<Timestamp>)> {
        let asked_at = asked_at(kind);
        let row = sqlx::query(AssertSqlSafe(format!(
            "SELECT count(*), min(greatest(r.asked_at, k.{asked_at})) \
             FROM known_records r JOIN known_contacts k USING (location_id, contact_id) \
             WHERE r.location_id = $1 AND r.kind = $2 AND r.present",
        )))
        .bind(location_id.as_str())
        .bind(kind.as_str())
        .fetch_one(&self.pool)
        .await?;
        Ok((unsigned(row.try_get(0)?), row.try_get::<Option<At>, _>(1)?.map(|At(at)| at)))
    }

    /// Since when the notes of everybody have been seen; nothing while somebody's never were.
    async fn notes_seen_since(&self, location_id: &LocationId) -> Result<Option<Timestamp>> {
        let row = sqlx::query(
            "SELECT note_asked_at FROM known_contacts WHERE location_id = $1 AND present \
             ORDER BY coalesce(note_asked_at, '-infinity'), contact_id LIMIT 1",
        )
        .bind(location_id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| row.try_get::<Option<At>, _>(0)).transpose()?.flatten().map(|At(at)| at))
    }
}
