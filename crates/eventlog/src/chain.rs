//! The hash of an event: over its stored columns and the hash before it.

use domain::Hash;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The version of what is hashed, and how.
const VERSION: u8 = 1;

/// Stands before the first event.
pub(crate) const BEGINNING: Hash = [0; 32];

/// The columns of an event, as they are stored.
pub(crate) struct Link<'a> {
    pub(crate) location_id: &'a str,
    pub(crate) epoch: u32,
    pub(crate) seq: u64,
    pub(crate) event_id: Uuid,
    pub(crate) contact_id: Option<&'a str>,
    pub(crate) record_kind: Option<&'a str>,
    pub(crate) record_id: Option<&'a str>,
    pub(crate) type_name: &'a str,
    /// Microseconds since 1970.
    pub(crate) occurred_at: i64,
    pub(crate) recorded_at: i64,
    pub(crate) cause: &'a str,
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) key_id: Option<&'a str>,
    pub(crate) payload: &'a [u8],
}

impl Link<'_> {
    /// Every column goes in with its length (or as missing), so that no two different rows give the same bytes.
    pub(crate) fn hash(&self, previous: &Hash) -> Hash {
        let mut bytes = Vec::with_capacity(512);
        bytes.push(VERSION);
        bytes.extend_from_slice(previous);
        put(&mut bytes, Some(self.location_id));
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(self.event_id.as_bytes());
        put(&mut bytes, self.contact_id);
        put(&mut bytes, self.record_kind);
        put(&mut bytes, self.record_id);
        put(&mut bytes, Some(self.type_name));
        bytes.extend_from_slice(&self.occurred_at.to_be_bytes());
        bytes.extend_from_slice(&self.recorded_at.to_be_bytes());
        put(&mut bytes, Some(self.cause));
        put(&mut bytes, self.traceparent);
        put(&mut bytes, self.key_id);
        put_length(&mut bytes, self.payload.len());
        Sha256::new().chain_update(&bytes).chain_update(self.payload).finalize().into()
    }
}

fn put(bytes: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => bytes.push(0),
        Some(text) => {
            bytes.push(1);
            put_length(bytes, text.len());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend_from_slice(&(length as u64).to_be_bytes());
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
    fn every_column_counts_and_none_can_flow_into_the_next() {
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
