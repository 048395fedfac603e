//! Who is let in: presented keys are compared by their hashes, in constant time.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::object::sha256;
use crate::store::{Scope, Store, StoredKey};

/// A key that is not known makes the stored keys be read again, but not more often than this.
const MISS_REFRESH: Duration = Duration::from_secs(1);

/// The stored keys as last read. Requests never wait for the database, unless there was no answer yet or the key is new.
#[derive(Debug)]
pub(crate) struct Keys {
    known: RwLock<Option<Known>>,
    reading: Mutex<()>,
    refresh: Duration,
}

#[derive(Clone, Debug)]
struct Known {
    keys: Arc<[StoredKey]>,
    read_at: Instant,
}

impl Keys {
    pub(crate) fn new(refresh: Duration) -> Self {
        Self { known: RwLock::new(None), reading: Mutex::new(()), refresh }
    }

    /// What the key may do; none when it is not a key.
    pub(crate) async fn scope(&self, store: &Store, key: &str) -> Result<Option<Scope>, crate::store::Error> {
        let hash = sha256(key.as_bytes());
        let known = self.known(store, self.refresh).await?;
        match matching(&known, &hash) {
            Some(scope) => Ok(Some(scope)),
            None => Ok(matching(&self.known(store, MISS_REFRESH).await?, &hash)),
        }
    }

    /// The stored keys, no older than `age_max` while the database answers. While it does not, those last read are used.
    async fn known(&self, store: &Store, age_max: Duration) -> Result<Arc<[StoredKey]>, crate::store::Error> {
        if let Some(known) = self.fresh(age_max) {
            return Ok(known);
        }
        let _reading = self.reading.lock().await;
        if let Some(known) = self.fresh(age_max) {
            return Ok(known);
        }
        let before = self.fresh(Duration::MAX);
        let keys: Arc<[StoredKey]> = match (store.keys().await, before) {
            (Ok(keys), _) => keys.into(),
            (Err(_), Some(before)) => before,
            (Err(error), None) => return Err(error),
        };
        let known = Known { keys: Arc::clone(&keys), read_at: Instant::now() };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(keys)
    }

    fn fresh(&self, age_max: Duration) -> Option<Arc<[StoredKey]>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref()?;
        (known.read_at.elapsed() < age_max).then(|| Arc::clone(&known.keys))
    }
}

/// Compares every key, whether or not an earlier one matched.
fn matching(keys: &[StoredKey], hash: &[u8; 32]) -> Option<Scope> {
    let mut found = 0u8;
    for key in keys {
        let code = match key.scope {
            Scope::Read => 1,
            Scope::Write => 2,
        };
        let same: Choice = key.hash.as_slice().ct_eq(hash.as_slice());
        found.conditional_assign(&code, same);
    }
    match found {
        0 => None,
        1 => Some(Scope::Read),
        _ => Some(Scope::Write),
    }
}

/// The key in `Authorization: Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
}

/// The password in `Authorization: Basic`, whatever the user name.
pub(crate) fn basic(headers: &HeaderMap) -> Option<String> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn keys_are_taken_from_either_scheme() {
        assert_eq!(bearer(&headers("bearer abc")).as_deref(), Some("abc"));
        assert_eq!(bearer(&headers("Basic YTpi")), None);
        assert_eq!(basic(&headers("Basic YW55Ym9keTpzZWM6cmV0")).as_deref(), Some("sec:ret"));
        for broken in ["Basic", "Basic !!!", "Basic YWJj", "Bearer", ""] {
            assert_eq!(basic(&headers(broken)), None, "{broken}");
        }
    }

    #[test]
    fn only_the_hash_of_a_stored_key_matches() {
        let key = |text: &str, scope| StoredKey { hash: sha256(text.as_bytes()), scope };
        let keys = [key("one", Scope::Read), key("two", Scope::Write)];
        assert_eq!(matching(&keys, &sha256(b"one")), Some(Scope::Read));
        assert_eq!(matching(&keys, &sha256(b"two")), Some(Scope::Write));
        assert_eq!(matching(&keys, &sha256(b"three")), None);
        assert_eq!(matching(&[], &sha256(b"one")), None);
    }
}
