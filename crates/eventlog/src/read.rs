//! Reading the log.

use domain::{ContactId, Decode, Event, EventId, LocationId, RecordId, RecordKind, Stored};
use jiff::Timestamp;
use proof::Link;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::Result;
use crate::columns::{Microseconds, epoch, signed, unsigned};

/// The columns of an event in the order that `link` expects. `cause` is asked for as text: its very bytes are hashed.
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

/// The columns of a row of `select_events!` as they are hashed, before anybody has tried to understand them.
pub(crate) fn link(row: &PgRow) -> Result<Link<'_>> {
    Ok(Link {
        location_id: row.try_get(0)?,
        seq: unsigned(row.try_get(1)?),
        epoch: epoch(row.try_get(2)?),
        event_id: row.try_get(3)?,
        contact_id: row.try_get(4)?,
        record_kind: row.try_get(5)?,
        record_id: row.try_get(6)?,
        type_name: row.try_get(7)?,
        occurred_at: row.try_get::<Microseconds, _>(8)?.0,
        recorded_at: row.try_get::<Microseconds, _>(9)?.0,
        cause: row.try_get(10)?,
        traceparent: row.try_get(11)?,
        key_id: row.try_get(12)?,
        payload: row.try_get(13)?,
    })
}

/// The event that these columns are.
pub(crate) fn event(link: Link<'_>) -> Result<Stored, Decode> {
    const BAD_COLUMN: Decode = Decode::Malformed { kind: "unexpected column", line: 0, column: 0 };
    let at = |microsecond| Timestamp::from_microsecond(microsecond).map_err(|_| BAD_COLUMN);
    let record = match (link.record_kind, link.record_id) {
        (Some(kind), Some(id)) => Some((RecordKind::parse(kind).ok_or(BAD_COLUMN)?, RecordId::new(id).map_err(|_| BAD_COLUMN)?)),
        _ => None,
    };
    Ok(Event {
        location_id: LocationId::new(link.location_id).map_err(|_| BAD_COLUMN)?,
        epoch: link.epoch,
        seq: link.seq,
        event_id: EventId(link.event_id),
        contact_id: link.contact_id.map(ContactId::new).transpose().map_err(|_| BAD_COLUMN)?,
        record,
        type_name: link.type_name.to_owned(),
        occurred_at: at(link.occurred_at)?,
        recorded_at: at(link.recorded_at)?,
        cause: serde_json::from_str(link.cause)?,
        traceparent: link.traceparent.map(ToOwned::to_owned),
        key_id: link.key_id.map(ToOwned::to_owned),
        body: link.payload.to_owned(),
    })
}

/// The event in a row of `select_events!`.
pub(crate) fn stored(row: &PgRow) -> Result<Stored> {
    Ok(event(link(row)?)?)
}

/// The event at a position.
pub(crate) async fn one(connection: &mut PgConnection, location_id: &LocationId, seq: u64) -> Result<Option<Stored>> {
    let row = sqlx::query(select_events!("WHERE location_id = $1 AND seq = $2"))
        .bind(location_id.as_str())
        .bind(signed(seq))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// The events after a position, oldest first.
pub(crate) async fn after(connection: &mut PgConnection, location_id: &LocationId, after: u64, limit: u32) -> Result<Vec<Stored>> {
    let rows = sqlx::query(select_events!("WHERE location_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"))
        .bind(location_id.as_str())
        .bind(signed(after))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    rows.iter().map(stored).collect()
}
