//! How values become columns and come back.

use std::borrow::Cow;
use std::time::Duration;

use domain::{ContactId, LocationId, RecordId, Workspace};
use jiff::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

use crate::{Error, Result};

/// How many rows one statement carries at most.
pub(crate) const STATEMENT_ROWS_MAX: usize = 1_000;

/// PostgreSQL counts microseconds from the beginning of 2000; this is that moment, counted from 1970.
const EPOCH_MICROSECOND: i64 = 946_684_800_000_000;

/// The first and last instants stored, in microseconds: years 1 and 9999. PostgreSQL knows no year -9999.
const FIRST_MICROSECOND: i64 = -62_135_596_800_000_000;
const LAST_MICROSECOND: i64 = 253_402_207_200_000_000;

/// An instant as the database keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Timestamp);

impl Type<Postgres> for At {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1184))
    }
}

impl PgHasArrayType for At {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1185))
    }
}

impl Encode<'_, Postgres> for At {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&stored_instant(stored_microsecond(self.0)));
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for At {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let microsecond = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Self(Timestamp::from_microsecond(microsecond.saturating_add(EPOCH_MICROSECOND))?))
    }
}

/// An instant that stays a number: microseconds since 1970, of any year.
pub(crate) struct Microseconds(pub(crate) i64);

impl Type<Postgres> for Microseconds {
    fn type_info() -> PgTypeInfo {
        At::type_info()
    }
}

impl Decode<'_, Postgres> for Microseconds {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let microsecond = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Self(microsecond.saturating_add(EPOCH_MICROSECOND)))
    }
}

/// The bytes of an instant of whole microseconds since 1970.
pub(crate) fn stored_instant(microsecond: i64) -> [u8; 8] {
    microsecond.saturating_sub(EPOCH_MICROSECOND).to_be_bytes()
}

fn stored_microsecond(at: Timestamp) -> i64 {
    at.as_microsecond().clamp(FIRST_MICROSECOND, LAST_MICROSECOND)
}

/// The instant that comes back when this one is stored: whole microseconds, within the years the database knows.
pub(crate) fn as_stored(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(stored_microsecond(at)).unwrap_or(at)
}

/// Text as the database takes it: without the one character it cannot keep.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// A traceparent that can go into a header and a column; anything else is dropped.
pub(crate) fn traceparent(text: Option<&str>) -> Option<String> {
    text.filter(|text| text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic())).map(str::to_owned)
}

/// Positions and counts are never negative, and the database has no unsigned numbers.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A length of time for `interval '1 millisecond'`.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn epoch_column(epoch: u32) -> i32 {
    i32::try_from(epoch).unwrap_or(i32::MAX)
}

pub(crate) fn epoch(column: i32) -> u32 {
    u32::try_from(column).unwrap_or(0)
}

pub(crate) fn location_id(column: String) -> Result<LocationId> {
    LocationId::new(column).map_err(|_| Error::malformed("location id"))
}

pub(crate) fn contact_id(column: String) -> Result<ContactId> {
    ContactId::new(column).map_err(|_| Error::malformed("contact id"))
}

pub(crate) fn record_id(column: String) -> Result<RecordId> {
    RecordId::new(column).map_err(|_| Error::malformed("record id"))
}

pub(crate) fn workspace(column: String) -> Result<Workspace> {
    Workspace::new(column).map_err(|_| Error::malformed("workspace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_beyond_what_the_database_knows_are_moved_to_its_edge() {
        for at in [Timestamp::MIN, Timestamp::MAX] {
            let stored = as_stored(at);
            assert_eq!(stored, as_stored(stored));
        }
        let at: Timestamp = "2026-01-01T00:00:00.123456789Z".parse().unwrap();
        assert_eq!(as_stored(at).to_string(), "2026-01-01T00:00:00.123456Z");
    }

    #[test]
    fn a_traceparent_that_is_none_is_dropped() {
        assert_eq!(traceparent(Some("00-ab-cd-01")).as_deref(), Some("00-ab-cd-01"));
        assert_eq!(traceparent(Some("a\r\nb")), None);
        assert_eq!(traceparent(Some(&"x".repeat(129))), None);
    }
}
