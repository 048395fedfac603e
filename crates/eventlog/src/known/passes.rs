//! Passes over all records of a kind: how far each has come.

use domain::{LocationId, RecordKind};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use crate::Result;
use crate::columns::{At, signed, unsigned};

/// Where a net stands with one kind of record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pass {
    /// When the pass that is under way began; none between passes.
    pub started_at: Option<Timestamp>,
    /// Where it goes on, in terms of whoever makes it.
    pub cursor: Option<Value>,
    /// Rows it has seen.
    pub seen: u64,
    /// Rows there are, as far as GHL said.
    pub total: Option<u64>,
    /// A row of the pass that is under way could not be read.
    pub has_unreadable: bool,
    /// The pass that is under way could not be followed to its end the last time it was tried.
    pub broken_off: Option<BrokenOff>,
    /// When the last pass ended, complete or not.
    pub ended_at: Option<Timestamp>,
    /// When the last complete pass began: everything has been seen since then.
    pub complete_since: Option<Timestamp>,
    pub complete_at: Option<Timestamp>,
}

/// A pass that could not be followed to its end and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenOff {
    /// How often in a row without coming further.
    pub times: u32,
    pub at: Timestamp,
    /// In a word, in terms of whoever makes the pass.
    pub why: String,
    /// The most rows it has seen.
    pub seen: u64,
}

/// How far the nets and the backfill have come. Cheap to clone.
#[derive(Clone)]
pub struct Passes {
    pub(crate) pool: PgPool,
}

impl Passes {
    /// Where a net stands; at its beginning when it never passed.
    pub async fn get(&self, location_id: &LocationId, net: &str, kind: RecordKind) -> Result<Pass> {
        let row = sqlx::query(
            "SELECT started_at, cursor::text, seen, total, ended_at, complete_since, complete_at, whole, broken_off_times, broken_off_at, \
             broken_off_why, broken_off_seen FROM passes WHERE location_id = $1 AND net = $2 AND kind = $3",
        )
        .bind(location_id.as_str())
        .bind(net)
        .bind(kind.as_str())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map_or_else(|| Ok(Pass::default()), read)
    }

    pub async fn save(&self, location_id: &LocationId, net: &str, kind: RecordKind, pass: &Pass) -> Result<()> {
        sqlx::query(
            "INSERT INTO passes (location_id, net, kind, started_at, cursor, seen, total, ended_at, complete_since, complete_at, whole, \
             broken_off_times, broken_off_at, broken_off_why, broken_off_seen, moved_at) \
             VALUES ($1, $2, $3, $4, $5::json, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, now()) \
             ON CONFLICT (location_id, net, kind) DO UPDATE SET \
             started_at = excluded.started_at, cursor = excluded.cursor, seen = excluded.seen, total = excluded.total, \
             ended_at = excluded.ended_at, complete_since = excluded.complete_since, complete_at = excluded.complete_at, \
             whole = excluded.whole, broken_off_times = excluded.broken_off_times, broken_off_at = excluded.broken_off_at, \
             broken_off_why = excluded.broken_off_why, broken_off_seen = excluded.broken_off_seen, moved_at = excluded.moved_at",
        )
        .bind(location_id.as_str())
        .bind(net)
        .bind(kind.as_str())
        .bind(pass.started_at.map(At))
        .bind(pass.cursor.as_ref().map(ToString::to_string))
        .bind(signed(pass.seen))
        .bind(pass.total.map(signed))
        .bind(pass.ended_at.map(At))
        .bind(pass.complete_since.map(At))
        .bind(pass.complete_at.map(At))
        .bind(!pass.has_unreadable)
        .bind(pass.broken_off.as_ref().map_or(0, |off| i32::try_from(off.times).unwrap_or(i32::MAX)))
        .bind(pass.broken_off.as_ref().map(|off| At(off.at)))
        .bind(pass.broken_off.as_ref().map(|off| off.why.as_str()))
        .bind(pass.broken_off.as_ref().map_or(0, |off| signed(off.seen)))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn read(row: &PgRow) -> Result<Pass> {
    let at = |column: usize| Ok::<_, crate::Error>(row.try_get::<Option<At>, _>(column)?.map(|At(at)| at));
    let cursor = row.try_get::<Option<&str>, _>(1)?;
    let broken_off = match (at(9)?, row.try_get::<Option<String>, _>(10)?) {
        (Some(at), Some(why)) => {
            let times = u32::try_from(row.try_get::<i32, _>(8)?).unwrap_or(0);
            Some(BrokenOff { times, at, why, seen: unsigned(row.try_get(11)?) })
        }
        (_, None) | (None, _) => None,
    };
    Ok(Pass {
        started_at: at(0)?,
        cursor: cursor.map(serde_json::from_str).transpose().map_err(domain::Decode::from)?,
        seen: unsigned(row.try_get(2)?),
        total: row.try_get::<Option<i64>, _>(3)?.map(unsigned),
        ended_at: at(4)?,
        complete_since: at(5)?,
        complete_at: at(6)?,
        has_unreadable: !row.try_get::<bool, _>(7)?,
        broken_off,
    })
}
