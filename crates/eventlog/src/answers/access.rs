//! Who asked to see what the log holds.

use std::time::Duration;

use domain::{ContactId, LocationId};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::Result;
use crate::answers::Answers;
use crate::answers::history::TimeRange;
use crate::columns::{At, contact_id, signed, text, traceparent, unsigned};

/// A request to see what the log holds, before it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// By the caller's own word.
    pub who: String,
    /// The network address that asked; empty when unknown.
    pub peer: String,
    /// Tells tokens apart without giving one away.
    pub token: String,
    pub call: String,
    /// The contact that is shown; none for the location as a whole.
    pub contact_id: Option<ContactId>,
    pub traceparent: Option<String>,
}

/// An access as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEntry {
    pub id: u64,
    pub at: Timestamp,
    pub access: Access,
}

/// Which accesses are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessFilter {
    /// Those that showed this contact, or the location as a whole.
    pub contact_id: Option<ContactId>,
    pub who: Option<String>,
    pub at: TimeRange,
}

impl Answers {
    /// Records an access before anything is shown.
    pub async fn record_access(&self, location_id: &LocationId, access: &Access) -> Result<()> {
        sqlx::query(
            "INSERT INTO access_log (location_id, who, peer, token, call, contact_id, traceparent) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(location_id.as_str())
        .bind(text(&access.who))
        .bind(text(&access.peer))
        .bind(text(&access.token))
        .bind(text(&access.call))
        .bind(access.contact_id.as_ref().map(ContactId::as_str))
        .bind(traceparent(access.traceparent.as_deref()))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Accesses before one of them (or all), newest first.
    pub async fn accesses(
        &self,
        location_id: &LocationId,
        filter: &AccessFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AccessEntry>> {
        let rows = sqlx::query(
            "SELECT id, at, who, peer, token, call, contact_id, traceparent FROM access_log WHERE location_id = $1 AND id < $2 \
             AND ($3::text IS NULL OR contact_id = $3 OR contact_id IS NULL) AND ($4::text IS NULL OR who = $4) \
             AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6) ORDER BY id DESC LIMIT $7",
        )
        .bind(location_id.as_str())
        .bind(before.map_or(i64::MAX, signed))
        .bind(filter.contact_id.as_ref().map(ContactId::as_str))
        .bind(filter.who.as_deref().map(text))
        .bind(filter.at.from.map(At))
        .bind(filter.at.until.map(At))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(entry).collect()
    }

    /// Forgets accesses older than `keep`, which counts as a day at least, and says how many that were.
    pub async fn forget_accesses(&self, keep: Duration) -> Result<u64> {
        let row = sqlx::query("SELECT forget_accesses(make_interval(secs => $1))").bind(keep.as_secs_f64()).fetch_one(&self.pool).await?;
        Ok(unsigned(row.try_get(0)?))
    }
}

fn entry(row: &PgRow) -> Result<AccessEntry> {
    let access = Access {
        who: row.try_get(2)?,
        peer: row.try_get(3)?,
        token: row.try_get(4)?,
        call: row.try_get(5)?,
        contact_id: row.try_get::<Option<String>, _>(6)?.map(contact_id).transpose()?,
        traceparent: row.try_get(7)?,
    };
    Ok(AccessEntry { id: unsigned(row.try_get(0)?), at: row.try_get::<At, _>(1)?.0, access })
}
