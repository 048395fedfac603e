//! The key-encryption keys: they never touch content, they wrap the keys that do.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aes_gcm::Aes256Gcm;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use zeroize::{Zeroize, Zeroizing};

use crate::keys::cipher::{self, KEY_BYTES};
use crate::{Error, Result};

/// The longest id of a key, in bytes.
const ID_BYTES_MAX: usize = 64;

/// Key-encryption keys, the current one first: it wraps what is new, the others still unwrap what they have wrapped. Cheap to clone;
/// wiped when the last clone is dropped.
#[derive(Clone)]
pub struct Kek {
    keys: Arc<[(String, Aes256Gcm)]>,
}

/// A secret as it may be stored: useless without the key-encryption key that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    pub kek_id: String,
    pub bytes: Vec<u8>,
}

impl Kek {
    /// Reads `id:key` a line, the current key first. A key is 32 bytes in base64 or hex; an id is letters, digits, `.`, `_` and `-`, at
    /// most 64 of them. Empty lines and those that begin with `#` do not count.
    ///
    /// # Errors
    /// `Misconfigured`, naming the line and never what stands in it.
    pub fn parse(text: &SecretString) -> Result<Self> {
        let mut keys = Vec::new();
        let mut ids = BTreeSet::new();
        for (number, line) in text.expose_secret().lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what| Error::Misconfigured(format!("line {} of the key-encryption keys {what}", number + 1));
            let (id, key) = line.split_once(':').ok_or_else(|| wrong("is not id:key"))?;
            let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if id.is_empty() || id.len() > ID_BYTES_MAX || !id.chars().all(named) {
                return Err(wrong("has a malformed id"));
            }
            if !ids.insert(id) {
                return Err(wrong("repeats an id"));
            }
            let key = bytes_of(key.trim()).ok_or_else(|| wrong("has a key that is not 32 bytes in base64 or hex"))?;
            keys.push((id.to_owned(), cipher::cipher(&key)));
        }
        if keys.is_empty() {
            return Err(Error::Misconfigured("there is no key among the key-encryption keys".to_owned()));
        }
        Ok(Self { keys: keys.into() })
    }

    /// As `parse`, from a file.
    ///
    /// # Errors
    /// `Misconfigured` when the file cannot be read, too.
    pub fn read(file: &Path) -> Result<Self> {
        let unreadable = |error| Error::Misconfigured(format!("the file of key-encryption keys {}: {error}", file.display()));
        Self::parse(&SecretString::from(std::fs::read_to_string(file).map_err(unreadable)?))
    }

    /// The id of the key that wraps.
    pub fn current(&self) -> &str {
        self.keys.first().map_or("", |(id, _)| id)
    }

    /// Wraps a secret with the current key. It unwraps only with the same associated data: name in it what the secret is for and whose it is.
    ///
    /// # Errors
    /// None that a secret of less than 64 GiB could cause.
    pub fn wrap(&self, secret: &[u8], associated_data: &[u8]) -> Result<Wrapped> {
        let (id, key) = self.keys.first().ok_or(Error::Damaged)?;
        Ok(Wrapped { kek_id: id.clone(), bytes: cipher::seal(key, secret, associated_data)? })
    }

    /// # Errors
    /// `Locked` when the key that wrapped it is not among these, `Damaged` when it was changed or has other associated data.
    pub fn unwrapped(&self, wrapped: &Wrapped, associated_data: &[u8]) -> Result<SecretSlice<u8>> {
        Ok(SecretSlice::from(self.open(&wrapped.kek_id, &wrapped.bytes, associated_data)?))
    }

    pub(crate) fn open(&self, kek_id: &str, bytes: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
        let (_, key) = self.keys.iter().find(|(id, _)| id == kek_id).ok_or_else(|| Error::Locked { kek_id: kek_id.to_owned() })?;
        cipher::open(key, bytes, associated_data).ok_or(Error::Damaged)
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

fn bytes_of(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let decoded = if text.len() == 2 * KEY_BYTES { hex::decode(text).ok() } else { STANDARD.decode(text).ok() };
    let mut decoded = decoded?;
    let key = decoded.as_slice().try_into().ok().map(Zeroizing::new);
    decoded.zeroize();
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn kek(text: &str) -> Result<Kek> {
        Kek::parse(&SecretString::from(text.to_owned()))
    }

    #[test]
    fn the_first_key_wraps_and_every_key_unwraps() {
        let old = kek(&format!("2026:{HEX}")).unwrap();
        let wrapped = old.wrap(b"secret", b"associated").unwrap();
        let both = kek(&format!("# current\n2027:{}\n\n 2026:{BASE64}\n", "ab".repeat(32))).unwrap();
        assert_eq!(both.unwrapped(&wrapped, b"associated").unwrap().expose_secret(), b"secret", "base64 and hex are the same key");
        let again = both.wrap(b"secret", b"associated").unwrap();
        assert_eq!((again.kek_id.as_str(), both.current()), ("2027", "2027"));
        assert!(matches!(old.unwrapped(&again, b"associated"), Err(Error::Locked { kek_id }) if kek_id == "2027"));
        assert!(matches!(both.unwrapped(&wrapped, b"elsewhere"), Err(Error::Damaged)));
    }

    #[test]
    fn a_mistake_is_named_by_its_line_and_never_quoted() {
        for (text, what) in [
            ("", "no key"),
            ("# only words", "no key"),
            ("secretsecret", "line 1"),
            ("\na b:00", "line 2"),
            ("one:secretsecret", "32 bytes"),
            (&format!("one:{HEX}\none:{HEX}"), "repeats an id"),
        ] {
            let problem = kek(text).unwrap_err().to_string();
            assert!(problem.contains(what) && !problem.contains("secretsecret"), "{text}: {problem}");
        }
        assert!(!format!("{:?}", kek(&format!("one:{HEX}")).unwrap()).contains("0001"));
    }
}
