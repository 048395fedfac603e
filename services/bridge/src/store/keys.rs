//! API keys: only their hashes are here.

use super::error::{Error, Result};
use super::pool::Store;
use crate::object::Digest;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    Read,
    /// Reading and writing.
    Write,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct StoredKey {
    pub(crate) hash: Digest,
    pub(crate) scope: Scope,
}

/// The most keys that are read: each request is compared with all of them.
const KEYS_MAX: i64 = 1_000;

impl Store {
    /// Stores the key under this name, replacing another one.
    pub(crate) async fn keep_key(&self, name: &str, hash: Digest, scope: Scope) -> Result<()> {
        let upsert = sqlx::query(
            "WITH moved AS (DELETE FROM api_keys WHERE hash = $2 AND name <> $1)
             INSERT INTO api_keys (name, hash, scope) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, scope = excluded.scope, created_at = now()
             WHERE (api_keys.hash, api_keys.scope) IS DISTINCT FROM (excluded.hash, excluded.scope)",
        );
        upsert.bind(name).bind(hash.as_slice()).bind(scope.as_str()).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn keys(&self) -> Result<Vec<StoredKey>> {
        let select = sqlx::query_as::<_, (Vec<u8>, String)>("SELECT hash, scope FROM api_keys ORDER BY created_at, name LIMIT $1");
        let rows = select.bind(KEYS_MAX).fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|(hash, scope)| {
                let unreadable = || Error::Failed(sqlx::Error::Protocol("a stored key cannot be read".to_owned()));
                let hash = hash.try_into().map_err(|_| unreadable())?;
                let scope = [Scope::Read, Scope::Write].into_iter().find(|known| known.as_str() == scope).ok_or_else(unreadable)?;
                Ok(StoredKey { hash, scope })
            })
            .collect()
    }
}
