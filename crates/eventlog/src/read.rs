//! Reading the log.

use domain::{ContactId, Decode, EventId, LocationId, RecordId, RecordKind, Stored};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::columns::{At, epoch, signed, unsigned};
use crate::{EventLog, Result};

/// The columns of an event in the order that `Line::read` expects. `cause` is asked for as text: its very bytes are hashed.
macro_rules! select_events {
    ($($tail:tt)+) => {
        concat!(
            "SELECT location_id, seq, epoch, event_id, contact_id, record_kind, record_id, type, occurred_at, recorded_at, ",
            "cause::text, traceparent, key_id, payload, hash FROM events ",
            $($tail)+
        )
    };
}
pub(crate) use select_events;

/// A row of the log, before anybody has tried to understand it.
pub(crate) struct Line<'a> {
    pub(crate) location_id: &'a str,
    pub(crate) seq: u64,
    pub(crate) epoch: u32,
    pub(crate) event_id: Uuid,
    pub(crate) contact_id: Option<&'a str>,
    pub(crate) record_kind: Option<&'a str>,
    pub(crate) record_id: Option<&'a str>,
    pub(crate) type_name: &'a str,
    pub(crate) occurred_at: Timestamp,
    pub(crate) recorded_at: Timestamp,
    pub(crate) cause: &'a str,
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) key_id: Option<&'a str>,
    pub(crate) payload: &'a [u8],
}

impl<'a> Line<'a> {
    pub(crate) fn read(row: &'a PgRow) -> Result<Self> {
        Ok(Self {
            location_id: row.try_get(0)?,
            seq: unsigned(row.try_get(1)?),
            epoch: epoch(row.try_get(2)?),
            event_id: row.try_get(3)?,
            contact_id: row.try_get(4)?,
            record_kind: row.try_get(5)?,
            record_id: row.try_get(6)?,
            type_name: row.try_get(7)?,
            occurred_at: row.try_get::<At, _>(8)?.0,
            recorded_at: row.try_get::<At, _>(9)?.0,
            cause: row.try_get(10)?,
            traceparent: row.try_get(11)?,
            key_id: row.try_get(12)?,
            payload: row.try_get(13)?,
        })
    }

    pub(crate) fn stored(self) -> Result<Stored, Decode> {
        const BAD_COLUMN: Decode = Decode::Malformed { kind: "unexpected column", line: 0, column: 0 };
        let record = match (self.record_kind, self.record_id) {
            (Some(kind), Some(id)) => Some((RecordKind::parse(kind).ok_or(BAD_COLUMN)?, RecordId::new(id).map_err(|_| BAD_COLUMN)?)),
            _ => None,
        };
        Ok(Stored {
            location_id: LocationId::new(self.location_id).map_err(|_| BAD_COLUMN)?,
            epoch: self.epoch,
            seq: self.seq,
            event_id: EventId(self.event_id),
            contact_id: self.contact_id.map(ContactId::new).transpose().map_err(|_| BAD_COLUMN)?,
            record,
            type_name: self.type_name.to_owned(),
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            cause: serde_json::from_str(self.cause)?,
            traceparent: self.traceparent.map(ToOwned::to_owned),
            key_id: self.key_id.map(ToOwned::to_owned),
            payload: self.payload.to_owned(),
        })
    }
}

pub(crate) fn stored(rows: &[PgRow]) -> Result<Vec<Stored>> {
    rows.iter().map(|row| Ok(Line::read(row)?.stored()?)).collect()
}

/// The event at a place.
pub(crate) async fn one(connection: &mut PgConnection, location_id: &LocationId, seq: u64) -> Result<Option<Stored>> {
    let row = sqlx::query(select_events!("WHERE location_id = $1 AND seq = $2"))
        .bind(location_id.as_str())
        .bind(signed(seq))
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok(Line::read(&row)?.stored()?)).transpose()
}

/// The events after a position, oldest first, as a transaction sees them.
pub(crate) async fn after(connection: &mut PgConnection, location_id: &LocationId, after: u64, limit: u32) -> Result<Vec<Stored>> {
    let rows = sqlx::query(select_events!("WHERE location_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"))
        .bind(location_id.as_str())
        .bind(signed(after))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    stored(&rows)
}

impl EventLog {
    /// The events after a position, oldest first.
    pub async fn read(&self, location_id: &LocationId, after: u64, limit: u32) -> Result<Vec<Stored>> {
        let rows = sqlx::query(select_events!("WHERE location_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"))
            .bind(location_id.as_str())
            .bind(signed(after))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        stored(&rows)
    }
}
