//! What conditions are found by: each as the rows of what is wrong, none where all is well. Each costs a few index look-ups a location.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{LocationId, RecordKind};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::alerts::Alerts;
use crate::columns::{At, location_id, millis, signed, unsigned};
use crate::known::parity::{PARITY_DAYS, Parity};
use crate::known::source::{SourceTrouble, source_trouble};
use crate::{Error, Result};

/// A backfill that does not get further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckBackfill {
    pub location_id: LocationId,
    /// When it last got further, or when there was first something to do.
    pub since: Timestamp,
    pub seen: u64,
    pub total: Option<u64>,
}

/// A kind of record that no sweep has gone through for too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverdueSweep {
    pub location_id: LocationId,
    pub kind: RecordKind,
    /// When the last complete pass began; none where there was none since the backfill.
    pub complete_since: Option<Timestamp>,
    /// When a new one should have been complete.
    pub since: Timestamp,
}

/// Work that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedWork {
    pub location_id: LocationId,
    /// Since when the oldest waits.
    pub since: Timestamp,
    pub count: u64,
}

/// Events whose consequences have not arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsettledWork {
    pub location_id: LocationId,
    /// When the oldest of them was recorded.
    pub since: Timestamp,
    /// How many are not published, and how many are published and may not have arrived.
    pub unpublished: u64,
    pub unsettled: u64,
}

/// A stream that lost messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostStream {
    pub name: String,
    pub since: Timestamp,
}

/// A location whose calls of the day are nearly spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallsNearlySpent {
    pub location_id: LocationId,
    pub since: Timestamp,
    pub left_today: u64,
    pub day_calls_max: u64,
}

/// A location of which unusually much has vanished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VanishingHeld {
    pub location_id: LocationId,
    pub since: Timestamp,
    /// How often a conclusion was held back.
    pub count: u64,
}

/// Records of a kind that differed when they were read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drifted {
    pub location_id: LocationId,
    pub kind: RecordKind,
    pub parity: Parity,
}

/// The replicas of the poller, as they last said that they are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollersSeen {
    /// Whether one is alive now.
    pub is_any_alive: bool,
    /// Whether none has been for too long.
    pub are_missed: bool,
    /// Until when the last one was; none where all of them left.
    pub alive_until: Option<Timestamp>,
}

/// A location is looked after as long as the holder of its lease is alive. One that was removed or retired is not, and nothing of its source
/// can be wrong. A lease that changes hands may be free for a moment.
macro_rules! attended {
    () => {
        "EXISTS (SELECT FROM location_leases h JOIN pollers p ON p.instance = h.holder WHERE h.location_id = l.location_id \
         AND h.expires_at >= now() AND p.alive_until >= now() - interval '1 minute')"
    };
}

/// A location that a person has just resumed is late with nothing yet.
macro_rules! settled_in {
    () => {
        "NOT EXISTS (SELECT FROM mirrored_locations m WHERE m.location_id = l.location_id \
         AND m.since > now() - $1 * interval '1 millisecond')"
    };
}

/// What waits of a location that a person has retired is nobody's concern any more.
macro_rules! wanted {
    ($location:literal) => {
        concat!("NOT EXISTS (SELECT FROM mirrored_locations m WHERE m.location_id = ", $location, " AND m.state IN ('retired', 'purged'))")
    };
}

impl Alerts {
    /// The pollers, which are missed when the last one died so long ago, or when all left, and there are locations that one looked after.
    pub async fn pollers_seen(&self, missed_after: Duration) -> Result<PollersSeen> {
        let row = sqlx::query(
            "SELECT max(alive_until), coalesce(max(alive_until) >= now(), false), \
             coalesce(max(alive_until) < now() - $1 * interval '1 millisecond', EXISTS (SELECT FROM location_leases)) FROM pollers",
        )
        .bind(millis(missed_after))
        .fetch_one(&self.pool)
        .await?;
        let alive_until = row.try_get::<Option<At>, _>(0)?.map(|At(at)| at);
        Ok(PollersSeen { alive_until, is_any_alive: row.try_get(1)?, are_missed: row.try_get(2)? })
    }

    /// The locations that a person has paused, retired or purged: nothing of their source is a trouble.
    pub async fn set_aside(&self) -> Result<BTreeSet<LocationId>> {
        let rows = sqlx::query("SELECT location_id FROM mirrored_locations WHERE state <> 'active'").fetch_all(&self.pool).await?;
        rows.iter().map(|row| location_id(row.try_get(0)?)).collect()
    }

    /// The backfills that have not got further for so long.
    pub async fn stuck_backfills(&self, after: Duration) -> Result<Vec<StuckBackfill>> {
        let rows = sqlx::query(concat!(
            "SELECT l.location_id, m.moved_at, g.seen, g.total FROM locations l JOIN progress g USING (location_id) ",
            "CROSS JOIN LATERAL (SELECT greatest(l.connected_at, g.started_at, max(p.moved_at), ",
            "(SELECT m.since FROM mirrored_locations m WHERE m.location_id = l.location_id)) AS moved_at FROM passes p ",
            "WHERE p.location_id = l.location_id AND p.net = 'backfill') m ",
            "WHERE g.finished_at IS NULL AND m.moved_at < now() - $1 * interval '1 millisecond' AND ",
            attended!(),
            " ORDER BY 1"
        ))
        .bind(millis(after))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(StuckBackfill {
                    location_id: location_id(row.try_get(0)?)?,
                    since: row.try_get::<At, _>(1)?.0,
                    seen: unsigned(row.try_get(2)?),
                    total: row.try_get::<Option<i64>, _>(3)?.map(unsigned),
                })
            })
            .collect()
    }

    /// The kinds of records whose last complete pass began longer ago than this, counted from the backfill where there was none. Notes
    /// have no list: they are overdue when somebody's were last looked at longer ago.
    pub async fn overdue_sweeps(&self, after: Duration) -> Result<Vec<OverdueSweep>> {
        let listed = sqlx::query(concat!(
            "SELECT l.location_id, k.kind, p.complete_since, coalesce(p.complete_since, g.finished_at) + $1 * interval '1 millisecond' ",
            "FROM locations l JOIN progress g USING (location_id) CROSS JOIN unnest($2::text[]) AS k (kind) ",
            "LEFT JOIN passes p ON p.location_id = l.location_id AND p.net = 'sweep' AND p.kind = k.kind ",
            "WHERE coalesce(p.complete_since, g.finished_at) < now() - $1 * interval '1 millisecond' AND ",
            settled_in!(),
            " AND ",
            attended!(),
            " ORDER BY 1, 2"
        ))
        .bind(millis(after))
        .bind(RecordKind::ALL.into_iter().filter(|kind| *kind != RecordKind::Note).map(RecordKind::as_str).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        let notes = sqlx::query(concat!(
            "SELECT l.location_id, $2, n.oldest, coalesce(n.oldest, g.finished_at) + $1 * interval '1 millisecond' ",
            "FROM locations l JOIN progress g USING (location_id) CROSS JOIN LATERAL (SELECT (SELECT k.note_asked_at FROM known_contacts k ",
            "WHERE k.location_id = l.location_id AND k.present AND coalesce(k.note_asked_at, '-infinity') > '-infinity' ",
            "ORDER BY coalesce(k.note_asked_at, '-infinity'), k.contact_id LIMIT 1) AS oldest) n ",
            "WHERE coalesce(n.oldest, g.finished_at) < now() - $1 * interval '1 millisecond' ",
            "AND EXISTS (SELECT FROM known_contacts k WHERE k.location_id = l.location_id AND k.present) AND ",
            settled_in!(),
            " AND ",
            attended!(),
            " ORDER BY 1"
        ))
        .bind(millis(after))
        .bind(RecordKind::Note.as_str())
        .fetch_all(&self.pool)
        .await?;
        listed.iter().chain(&notes).map(overdue_sweep).collect()
    }

    /// What is parked, by location.
    pub async fn parked_work(&self) -> Result<Vec<ParkedWork>> {
        let rows = sqlx::query(concat!(
            "SELECT p.location_id, min(p.parked_at), count(*) FROM parked p WHERE p.resolved_at IS NULL AND ",
            wanted!("p.location_id"),
            " GROUP BY 1 ORDER BY 1"
        ))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(ParkedWork {
                    location_id: location_id(row.try_get(0)?)?,
                    since: row.try_get::<At, _>(1)?.0,
                    count: unsigned(row.try_get(2)?),
                })
            })
            .collect()
    }

    /// The locations with an event that was recorded longer ago than this and is not settled.
    pub async fn unsettled_work(&self, after: Duration) -> Result<Vec<UnsettledWork>> {
        let rows = sqlx::query(concat!(
            "SELECT r.location_id, e.recorded_at, h.seq - greatest(r.published, r.settled), h.seq - r.settled ",
            "FROM relay r JOIN log_head h USING (location_id) ",
            "JOIN events e ON e.location_id = r.location_id AND e.seq = r.settled + 1 ",
            "WHERE r.settled < h.seq AND e.recorded_at < now() - $1 * interval '1 millisecond' AND ",
            wanted!("r.location_id"),
            " ORDER BY 1"
        ))
        .bind(millis(after))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(UnsettledWork {
                    location_id: location_id(row.try_get(0)?)?,
                    since: row.try_get::<At, _>(1)?.0,
                    unpublished: unsigned(row.try_get(2)?),
                    unsettled: unsigned(row.try_get(3)?),
                })
            })
            .collect()
    }

    /// The streams that lost messages, until everything that was recorded before is settled and the backfills are done that look for what
    /// was not; for so long at least.
    pub async fn lost_streams(&self, at_least: Duration) -> Result<Vec<LostStream>> {
        let rows = sqlx::query(concat!(
            "SELECT s.name, s.lost_at FROM streams s WHERE s.lost_at > now() - $1 * interval '1 millisecond' ",
            "OR EXISTS (SELECT FROM relay r JOIN events e ON e.location_id = r.location_id AND e.seq = r.settled + 1 ",
            "WHERE e.recorded_at <= s.lost_at) ",
            "OR EXISTS (SELECT FROM locations l JOIN progress g USING (location_id) WHERE l.connected_at < s.lost_at ",
            "AND g.finished_at IS NULL AND coalesce(g.started_at, s.lost_at) >= s.lost_at AND ",
            attended!(),
            ") ORDER BY 1"
        ))
        .bind(millis(at_least))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(LostStream { name: row.try_get(0)?, since: row.try_get::<At, _>(1)?.0 })).collect()
    }

    /// The locations whose calls of the day are nearly spent, as the holders of their leases last said.
    pub async fn calls_nearly_spent(&self) -> Result<Vec<CallsNearlySpent>> {
        let rows = sqlx::query(concat!(
            "SELECT l.location_id, l.since, l.left_today, l.day_calls_max FROM calls_nearly_spent l WHERE ",
            attended!(),
            " ORDER BY 1"
        ))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(CallsNearlySpent {
                    location_id: location_id(row.try_get(0)?)?,
                    since: row.try_get::<At, _>(1)?.0,
                    left_today: unsigned(row.try_get(2)?),
                    day_calls_max: unsigned(row.try_get(3)?),
                })
            })
            .collect()
    }

    /// The locations of which unusual vanishing is held back.
    pub async fn vanishing_held(&self) -> Result<Vec<VanishingHeld>> {
        let rows = sqlx::query(concat!(
            "SELECT l.location_id, l.held_since, l.held FROM vanishing l WHERE l.held_since IS NOT NULL AND ",
            attended!(),
            " ORDER BY 1"
        ))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(VanishingHeld {
                    location_id: location_id(row.try_get(0)?)?,
                    since: row.try_get::<At, _>(1)?.0,
                    count: unsigned(row.try_get(2)?),
                })
            })
            .collect()
    }

    /// The kinds of records of which so many, and so large a share, differed when they were read again in the last seven days.
    pub async fn drifted(&self, differed_min: u64, share_min: f64) -> Result<Vec<Drifted>> {
        let rows = sqlx::query(concat!(
            "SELECT l.location_id, l.kind, sum(l.compared)::bigint, sum(l.differed)::bigint FROM parity l ",
            "WHERE l.day > current_date - $3 AND ",
            attended!(),
            " GROUP BY 1, 2 HAVING sum(l.differed) >= $1 AND sum(l.differed) >= $2 * sum(l.compared) ORDER BY 1, 2"
        ))
        .bind(signed(differed_min))
        .bind(share_min)
        .bind(PARITY_DAYS)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Drifted {
                    location_id: location_id(row.try_get(0)?)?,
                    kind: RecordKind::parse(row.try_get(1)?).ok_or_else(|| Error::malformed("kind"))?,
                    parity: Parity { compared: unsigned(row.try_get(2)?), differed: unsigned(row.try_get(3)?) },
                })
            })
            .collect()
    }

    /// What GHL does not answer, by location, as the holders of the leases last said.
    pub async fn source_troubles(&self) -> Result<Vec<(LocationId, SourceTrouble)>> {
        let rows = sqlx::query(concat!(
            "SELECT l.location_id, l.area, l.state, l.scope, l.cost, l.since FROM source_troubles l WHERE ",
            attended!(),
            " ORDER BY 1, 2"
        ))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((location_id(row.try_get(0)?)?, source_trouble(row, 1)?))).collect()
    }

    /// Says of some locations whether their calls of the day are nearly spent: each with how many are left and how many there are, or
    /// with nothing.
    pub async fn note_calls(&self, locations: &[(LocationId, Option<(u64, u64)>)]) -> Result<()> {
        let (mut spent, mut left, mut all, mut unspent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (location_id, calls) in locations {
            match calls {
                Some((left_today, day_calls_max)) => {
                    spent.push(location_id.as_str());
                    left.push(signed(*left_today));
                    all.push(signed(*day_calls_max));
                }
                None => unspent.push(location_id.as_str()),
            }
        }
        let mut transaction = self.pool.begin().await?;
        sqlx::query("DELETE FROM calls_nearly_spent WHERE location_id = ANY($1)").bind(unspent).execute(&mut *transaction).await?;
        sqlx::query(
            "INSERT INTO calls_nearly_spent (location_id, since, left_today, day_calls_max) \
             SELECT c.location_id, now(), c.left_today, c.day_calls_max FROM unnest($1::text[], $2::bigint[], $3::bigint[]) \
             AS c (location_id, left_today, day_calls_max) ON CONFLICT (location_id) \
             DO UPDATE SET left_today = excluded.left_today, day_calls_max = excluded.day_calls_max",
        )
        .bind(spent)
        .bind(left)
        .bind(all)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Notes that a stream was found to have lost messages.
    pub async fn note_lost_stream(&self, name: &str) -> Result<()> {
        sqlx::query("UPDATE streams SET lost_at = now() WHERE name = $1").bind(name).execute(&self.pool).await?;
        Ok(())
    }
}

fn overdue_sweep(row: &PgRow) -> Result<OverdueSweep> {
    Ok(OverdueSweep {
        location_id: location_id(row.try_get(0)?)?,
        kind: RecordKind::parse(row.try_get(1)?).ok_or_else(|| Error::malformed("kind"))?,
        complete_since: row.try_get::<Option<At>, _>(2)?.map(|At(at)| at),
        since: row.try_get::<At, _>(3)?.0,
    })
}
