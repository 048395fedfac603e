//! Conversions between values and columns.

use crate::object::{Digest, Revision};

/// A position or count from the database, where it is never negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn revision(epoch: i64, seq: i64) -> Revision {
    Revision { epoch: u32::try_from(epoch).unwrap_or_default(), seq: unsigned(seq) }
}

pub(super) fn digest(bytes: Option<Vec<u8>>) -> Option<Digest> {
    bytes.and_then(|bytes| bytes.try_into().ok())
}
