//! The hash chain: the hash of an event covers its stored columns and the hash of the event before it.

use std::fmt;

use domain::{Hash, LocationId, event_id};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::encoding::{Decoder, Malformed, put, put_length};

/// The version of the hash encoding; its first byte.
const VERSION: u8 = 1;

/// The previous hash of the first event.
pub const BEGINNING: Hash = [0; 32];

/// The columns of an event, as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    pub location_id: &'a str,
    pub epoch: u32,
    pub seq: u64,
    pub event_id: Uuid,
    pub contact_id: Option<&'a str>,
    pub record_kind: Option<&'a str>,
    pub record_id: Option<&'a str>,
    pub type_name: &'a str,
    /// Microseconds since 1970.
    pub occurred_at: i64,
    pub recorded_at: i64,
    pub cause: &'a str,
    pub traceparent: Option<&'a str>,
    pub key_id: Option<&'a str>,
    pub payload: &'a [u8],
}

impl<'a> Link<'a> {
    pub fn hash(&self, previous: &Hash) -> Hash {
        self.hash_in(previous, &mut Vec::with_capacity(512))
    }

    /// As `hash`, with a reusable buffer.
    fn hash_in(&self, previous: &Hash, bytes: &mut Vec<u8>) -> Hash {
        bytes.clear();
        bytes.push(VERSION);
        bytes.extend_from_slice(previous);
        put(bytes, Some(self.location_id));
        self.put_columns(bytes);
        Sha256::new().chain_update(bytes).chain_update(self.payload).finalize().into()
    }

    /// Appends every column with its length (or a mark that it is missing), so that two different rows never give the same bytes. The payload
    /// follows.
    pub(crate) fn put_columns(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(self.event_id.as_bytes());
        put(bytes, self.contact_id);
        put(bytes, self.record_kind);
        put(bytes, self.record_id);
        put(bytes, Some(self.type_name));
        bytes.extend_from_slice(&self.occurred_at.to_be_bytes());
        bytes.extend_from_slice(&self.recorded_at.to_be_bytes());
        put(bytes, Some(self.cause));
        put(bytes, self.traceparent);
        put(bytes, self.key_id);
        put_length(bytes, self.payload.len());
    }

    /// Reads what `put_columns` wrote, and the payload after it.
    pub(crate) fn read(location_id: &'a str, bytes: &mut Decoder<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            location_id,
            epoch: bytes.u32()?,
            seq: bytes.u64()?,
            event_id: Uuid::from_bytes(bytes.array()?),
            contact_id: bytes.text()?,
            record_kind: bytes.text()?,
            record_id: bytes.text()?,
            type_name: bytes.required_text()?,
            occurred_at: bytes.i64()?,
            recorded_at: bytes.i64()?,
            cause: bytes.required_text()?,
            traceparent: bytes.text()?,
            key_id: bytes.text()?,
            payload: bytes.with_length()?,
        })
    }
}

/// What is wrong with the event at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    Missing,
    OtherLocation,
    OtherHash,
    OtherEventId,
}

impl Problem {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "the event is missing",
            Self::OtherLocation => "the event belongs to another location",
            Self::OtherHash => "the hash does not match",
            Self::OtherEventId => "the event id does not match",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Problem {}

/// Verifies a chain event by event.
pub struct ChainVerifier {
    location_id: LocationId,
    seq: u64,
    hash: Hash,
    bytes: Vec<u8>,
}

impl ChainVerifier {
    /// Begins after a position whose hash is known. With position 0 and `BEGINNING` it begins at the first event.
    pub fn after(location_id: LocationId, seq: u64, hash: Hash) -> Self {
        Self { location_id, seq, hash, bytes: Vec::with_capacity(512) }
    }

    /// The last verified position.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The hash of the event at that position.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Verifies the next event against the hash that is stored with it.
    ///
    /// # Errors
    /// What is wrong at the position after `seq`, which then stays unchanged.
    pub fn step(&mut self, link: &Link<'_>, stored: &[u8]) -> Result<(), Problem> {
        let seq = self.seq + 1;
        if link.location_id != self.location_id.as_str() {
            return Err(Problem::OtherLocation);
        }
        if link.seq != seq {
            return Err(Problem::Missing);
        }
        let hash = link.hash_in(&self.hash, &mut self.bytes);
        if hash != stored {
            return Err(Problem::OtherHash);
        }
        if link.event_id != event_id(&self.location_id, link.epoch, seq).0 {
            return Err(Problem::OtherEventId);
        }
        (self.seq, self.hash) = (seq, hash);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link<'static> {
        Link {
            location_id: "loc",
            epoch: 1,
            seq: 1,
            event_id: Uuid::nil(),
            contact_id: Some("c"),
            record_kind: Some("task"),
            record_id: Some("t"),
            type_name: "task.appeared",
            occurred_at: 0,
            recorded_at: 1,
            cause: "{\"by\":\"poll\"}",
            traceparent: None,
            key_id: None,
            payload: b"{}",
        }
    }

    /// Frozen: a change of how events are hashed would make every stored chain look broken.
    #[test]
    fn the_hash_of_a_known_event_never_changes() {
        let hash = link().hash(&BEGINNING);
        assert_eq!(hex::encode(hash), "ff1d5d5c76a8b0233d4423bab4a4eff6c5e6fd810c707b4029ad3664e690f155");
    }

    #[test]
    fn every_column_counts_and_has_a_fixed_boundary() {
        let hash = link().hash(&BEGINNING);
        let others = [
            Link { contact_id: None, ..link() },
            Link { contact_id: Some(""), ..link() },
            Link { contact_id: Some("ct"), record_kind: Some("ask"), ..link() },
            Link { traceparent: Some(""), ..link() },
            Link { recorded_at: 2, ..link() },
            Link { payload: b"{} ", ..link() },
        ];
        for other in others {
            assert_ne!(other.hash(&BEGINNING), hash);
        }
        assert_ne!(link().hash(&hash), hash);
    }
}
