//! Signed statements of the hash of a log at a position. They are kept where nobody who can change the log can change them.

use domain::{Hash, LocationId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::encoding::{Decoder, Malformed, put};
use crate::{PublicKey, SigningKey};

/// The prefix of every signed message, so that a signature for another purpose is never valid for a checkpoint.
const CONTEXT: &[u8] = b"pagico-mirror checkpoint 1\0";

/// The hash of a log at a position, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub location_id: LocationId,
    pub seq: u64,
    #[serde(with = "hex::serde")]
    pub hash: Hash,
    /// When it was signed, in whole microseconds.
    pub sealed_at: Timestamp,
    /// Which key signed it.
    pub key_id: String,
    #[serde(with = "hex::serde")]
    pub signature: [u8; 64],
}

impl Checkpoint {
    pub fn sign(key: &SigningKey, location_id: LocationId, seq: u64, hash: Hash, sealed_at: Timestamp) -> Self {
        let sealed_at = Timestamp::from_microsecond(sealed_at.as_microsecond()).unwrap_or(sealed_at);
        let mut checkpoint = Self { location_id, seq, hash, sealed_at, key_id: key.public().id(), signature: [0; 64] };
        checkpoint.signature = key.sign(&checkpoint.message());
        checkpoint
    }

    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.key_id == key.id() && key.verifies(&self.message(), &self.signature)
    }

    fn message(&self) -> Vec<u8> {
        let mut message = CONTEXT.to_vec();
        self.put(&mut message);
        message
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        put(bytes, Some(self.location_id.as_str()));
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&self.sealed_at.as_microsecond().to_be_bytes());
        put(bytes, Some(&self.key_id));
    }

    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        self.put(bytes);
        bytes.extend_from_slice(&self.signature);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Decoder::new(bytes, "checkpoint");
        let checkpoint = Self {
            location_id: LocationId::new(bytes.required_text()?).map_err(|_| bytes.malformed())?,
            seq: bytes.u64()?,
            hash: bytes.array()?,
            sealed_at: Timestamp::from_microsecond(bytes.i64()?).map_err(|_| bytes.malformed())?,
            key_id: bytes.required_text()?.to_owned(),
            signature: bytes.array()?,
        };
        bytes.end()?;
        Ok(checkpoint)
    }
}

/// Reads a file of checkpoints: one JSON object per line.
///
/// # Errors
/// The number of the first line that is not a checkpoint.
pub fn read_checkpoints(text: &str) -> Result<Vec<Checkpoint>, usize> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| serde_json::from_str(line).map_err(|_| number + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let location_id = LocationId::new("loc").unwrap();
        Checkpoint::sign(&SigningKey::from_seed(&[7; 32]), location_id, 5, [1; 32], Timestamp::from_second(1_780_000_000).unwrap())
    }

    /// Frozen: another encoding would make every checkpoint ever signed look forged.
    #[test]
    fn an_old_checkpoint_is_read_and_verified() {
        let line = include_str!("../tests/corpus/checkpoint-1.json").trim();
        assert_eq!(serde_json::to_string(&checkpoint()).unwrap(), line);
        let old: Checkpoint = serde_json::from_str(line).unwrap();
        assert!(old.is_signed_by(&SigningKey::from_seed(&[7; 32]).public()));
    }

    #[test]
    fn no_field_of_a_checkpoint_can_be_changed() {
        let (key, good) = (SigningKey::from_seed(&[7; 32]).public(), checkpoint());
        assert!(good.is_signed_by(&key));
        let later = Timestamp::from_second(1_780_000_001).unwrap();
        let others = [
            Checkpoint { location_id: LocationId::new("lod").unwrap(), ..good.clone() },
            Checkpoint { seq: 6, ..good.clone() },
            Checkpoint { hash: [2; 32], ..good.clone() },
            Checkpoint { sealed_at: later, ..good.clone() },
            Checkpoint { key_id: "0".repeat(16), ..good.clone() },
            Checkpoint { signature: [0; 64], ..good.clone() },
        ];
        assert!(others.iter().all(|other| !other.is_signed_by(&key)));
        assert!(!good.is_signed_by(&SigningKey::from_seed(&[8; 32]).public()));
    }

    #[test]
    fn a_malformed_line_is_named() {
        let line = serde_json::to_string(&checkpoint()).unwrap();
        assert_eq!(read_checkpoints(&format!("{line}\n\n{line}\n")).map(|read| read.len()), Ok(2));
        assert_eq!(read_checkpoints(&format!("{line}\n{}", &line[..40])), Err(2));
    }

    #[test]
    fn keys_survive_pem() {
        let key = SigningKey::from_seed(&[7; 32]);
        assert_eq!(SigningKey::from_pem(&key.to_pem().unwrap()).unwrap().public(), key.public());
        assert_eq!(PublicKey::from_pem(&key.public().to_pem().unwrap()), Ok(key.public()));
        assert!(PublicKey::from_pem(&key.to_pem().unwrap()).is_err());
        assert!(!format!("{key:?}").contains("07"));
    }
}
