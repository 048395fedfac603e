//! The tokens of locations that a person added, sealed.

use domain::LocationId;
use secrecy::{ExposeSecret, SecretString};
use sqlx::Row;

use crate::columns::{location_id, unsigned};
use crate::keys::kek::{Kek, Wrapped};
use crate::mirrored::MirroredLocations;
use crate::{Error, Result};

impl MirroredLocations {
    /// Whether a token can be kept: only under a key-encryption key.
    pub fn can_keep_tokens(&self) -> bool {
        self.ring.kek().is_some()
    }

    /// The token that a person gave for a location, with its number; none where there is none.
    ///
    /// # Errors
    /// `Locked` when this process does not have the key that it is sealed under.
    pub async fn token(&self, location_id: &LocationId) -> Result<Option<(u64, SecretString)>> {
        let row = sqlx::query("SELECT tokens, kek_id, sealed FROM mirrored_locations WHERE location_id = $1 AND sealed IS NOT NULL")
            .bind(location_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let wrapped = Wrapped { kek_id: row.try_get(1)?, bytes: row.try_get(2)? };
        Ok(Some((unsigned(row.try_get(0)?), open(self.sealing()?, location_id, &wrapped)?)))
    }

    /// Seals the tokens again that are sealed under another key than the current one; gives how many. Safe to run at any time and more than
    /// once.
    ///
    /// # Errors
    /// `Locked` when a key is missing; what was done until then stays done.
    pub async fn reseal(&self) -> Result<u64> {
        let keys = self.sealing()?;
        let rows = sqlx::query("SELECT location_id FROM mirrored_locations WHERE kek_id <> $1 ORDER BY location_id")
            .bind(keys.current())
            .fetch_all(&self.pool)
            .await?;
        let mut resealed = 0;
        for row in &rows {
            let location_id = location_id(row.try_get(0)?)?;
            let mut transaction = self.pool.begin().await?;
            let row = sqlx::query("SELECT kek_id, sealed FROM mirrored_locations WHERE location_id = $1 FOR UPDATE")
                .bind(location_id.as_str())
                .fetch_one(&mut *transaction)
                .await?;
            if let (Some(kek_id), Some(bytes)) = (row.try_get(0)?, row.try_get(1)?) {
                let again = self.seal(&location_id, &open(keys, &location_id, &Wrapped { kek_id, bytes })?)?;
                sqlx::query("UPDATE mirrored_locations SET kek_id = $2, sealed = $3 WHERE location_id = $1")
                    .bind(location_id.as_str())
                    .bind(again.kek_id)
                    .bind(again.bytes)
                    .execute(&mut *transaction)
                    .await?;
                resealed += 1;
            }
            transaction.commit().await?;
        }
        Ok(resealed)
    }

    pub(super) fn seal(&self, location_id: &LocationId, token: &SecretString) -> Result<Wrapped> {
        self.sealing()?.wrap(token.expose_secret().as_bytes(), &associated_data(location_id))
    }

    fn sealing(&self) -> Result<&Kek> {
        let missing = || Error::Misconfigured("tokens are only stored sealed: give log.kek or log.kek_file".to_owned());
        self.ring.kek().ok_or_else(missing)
    }
}

fn open(keys: &Kek, location_id: &LocationId, wrapped: &Wrapped) -> Result<SecretString> {
    let opened = keys.unwrapped(wrapped, &associated_data(location_id))?;
    let token = std::str::from_utf8(opened.expose_secret()).map_err(|_| Error::Damaged)?;
    Ok(SecretString::from(token))
}

/// What a token is sealed with, so that it opens nowhere else.
fn associated_data(location_id: &LocationId) -> Vec<u8> {
    format!("private token\0{location_id}").into_bytes()
}
