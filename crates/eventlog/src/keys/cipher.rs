//! AES-256-GCM as it is used here: a random nonce, then the ciphertext with its tag.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use zeroize::Zeroizing;

use crate::{Error, Result};

pub(crate) const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// A key that is wiped when it is dropped.
pub(crate) type Key = Zeroizing<[u8; KEY_BYTES]>;

pub(crate) fn new_key() -> Key {
    Zeroizing::new(rand::random())
}

pub(crate) fn cipher(key: &[u8; KEY_BYTES]) -> Aes256Gcm {
    Aes256Gcm::new(key.into())
}

/// What is sealed opens again only with the same associated data. A nonce is never chosen twice on purpose; by chance, under one key, it is not
/// to be feared before some billions of messages.
pub(crate) fn seal(cipher: &Aes256Gcm, plain: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let mut sealed = Vec::with_capacity(NONCE_BYTES + plain.len() + TAG_BYTES);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let (_, text) = sealed.split_at_mut(NONCE_BYTES);
    // Only 64 GiB are too long.
    let tag = cipher.encrypt_inout_detached(&Nonce::from(nonce), associated_data, text.into()).map_err(|_| Error::Damaged)?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Nothing when it was changed, sealed with another key, or sealed with other associated data.
pub(crate) fn open(cipher: &Aes256Gcm, sealed: &[u8], associated_data: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let (text, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
    let mut plain = text.to_vec();
    cipher.decrypt_inout_detached(&Nonce::from(*nonce), associated_data, plain.as_mut_slice().into(), &Tag::from(*tag)).ok()?;
    Some(plain)
}

/// Several parts as one, so that no two different lists of parts give the same bytes.
pub(crate) fn parts<const N: usize>(parts: [&str; N]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_unless_a_byte_the_key_or_the_subject_is_another(
            plain in proptest::collection::vec(any::<u8>(), 0..300), associated_data in "[a-c]{0,4}", at in any::<prop::sample::Index>(), bit in 0..8_u8
        ) {
            let key = cipher(&new_key());
            let sealed = seal(&key, &plain, associated_data.as_bytes()).unwrap();
            prop_assert_eq!(open(&key, &sealed, associated_data.as_bytes()), Some(plain));
            prop_assert_eq!(open(&key, &sealed, b"elsewhere"), None);
            prop_assert_eq!(open(&cipher(&new_key()), &sealed, associated_data.as_bytes()), None);
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1 << bit;
            prop_assert_eq!(open(&key, &changed, associated_data.as_bytes()), None);
            prop_assert_eq!(open(&key, &sealed[..at.index(sealed.len())], associated_data.as_bytes()), None);
        }
    }

    #[test]
    fn parts_cannot_flow_into_each_other() {
        assert_ne!(parts(["a", "bc"]), parts(["ab", "c"]));
        assert_ne!(parts(["a", ""]), parts(["", "a"]));
    }
}
