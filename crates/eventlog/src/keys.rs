//! The keys: those that wrap, and the contacts' own, which seal what is stored and sent about them.
//!
//! - `kek`: the key-encryption keys
//! - `ring`: the contacts' keys, loaded, remembered and made
//! - `cipher`: AES-256-GCM

pub(crate) mod cipher;
pub(crate) mod kek;
pub(crate) mod ring;

use std::sync::Arc;

use domain::ContactId;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use crate::columns::{location_id, unsigned};
use crate::keys::kek::Kek;
use crate::keys::ring::{KeyRing, associated_data};
use crate::{Error, Result};

/// What seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    pub(crate) pool: PgPool,
    pub(crate) ring: Arc<KeyRing>,
}

/// How far wrapping keys anew has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Keys looked at, and those among them that had another key-encryption key.
    pub seen: u64,
    pub rewrapped: u64,
    /// Where to go on; none when that was all.
    pub next: Option<(String, String)>,
}

impl Keys {
    /// The key-encryption keys that the log was connected with.
    pub fn kek(&self) -> Option<&Kek> {
        self.ring.kek()
    }

    /// How many keys of contacts there are, and how many of them the current key-encryption key does not wrap.
    ///
    /// # Errors
    /// `Misconfigured` when there is no key-encryption key.
    pub async fn count(&self) -> Result<(u64, u64)> {
        let row = sqlx::query("SELECT count(*), count(*) FILTER (WHERE kek_id <> $1) FROM contact_keys WHERE destroyed_at IS NULL")
            .bind(self.current_kek()?.current())
            .fetch_one(&self.pool)
            .await?;
        Ok((unsigned(row.try_get(0)?), unsigned(row.try_get(1)?)))
    }

    /// Wraps the keys of contacts after a position, in the order of their ids, with the current key-encryption key, `limit` of them in one transaction. Events are not
    /// touched. Doing it again does nothing.
    ///
    /// # Errors
    /// `Misconfigured` when there is no key-encryption key, `Locked` when one that wrapped a key is not here.
    pub async fn rewrap(&self, after: Option<&(String, String)>, limit: u32) -> Result<Rewrapped> {
        let kek = self.current_kek()?;
        let mut transaction = self.pool.begin().await?;
        let rows = sqlx::query(
            "SELECT location_id, key_id, contact_id, kek_id, wrapped FROM contact_keys \
             WHERE (location_id, key_id) > ($1, $2) AND destroyed_at IS NULL ORDER BY location_id, key_id LIMIT $3 FOR UPDATE",
        )
        .bind(after.map_or("", |(location_id, _)| location_id))
        .bind(after.map_or("", |(_, key_id)| key_id))
        .bind(i64::from(limit))
        .fetch_all(&mut *transaction)
        .await?;
        let (mut locations, mut ids, mut wrapped) = (Vec::new(), Vec::new(), Vec::new());
        let mut done = Rewrapped { seen: rows.len() as u64, ..Rewrapped::default() };
        for row in &rows {
            let (location_id, key_id): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if row.try_get::<&str, _>(3)? != kek.current() {
                wrapped.push(rewrapped(kek, row, &location_id, &key_id)?);
                locations.push(location_id.clone());
                ids.push(key_id.clone());
            }
            done.next = Some((location_id, key_id)).filter(|_| rows.len() as u64 >= u64::from(limit));
        }
        done.rewrapped = ids.len() as u64;
        sqlx::query(
            "UPDATE contact_keys k SET kek_id = $1, wrapped = u.wrapped FROM unnest($2::text[], $3::text[], $4::bytea[]) \
             AS u (location_id, key_id, wrapped) WHERE k.location_id = u.location_id AND k.key_id = u.key_id",
        )
        .bind(kek.current())
        .bind(locations)
        .bind(ids)
        .bind(wrapped)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(done)
    }

    fn current_kek(&self) -> Result<&Kek> {
        self.ring.kek().ok_or_else(|| Error::Misconfigured("there is no key-encryption key".to_owned()))
    }
}

fn rewrapped(kek: &Kek, row: &PgRow, location: &str, key_id: &str) -> Result<Vec<u8>> {
    let contact_id = ContactId::new(row.try_get::<String, _>(2)?).map_err(|_| Error::Damaged)?;
    let associated_data = associated_data(&location_id(location.to_owned())?, &contact_id, key_id);
    let mut key = kek.open(row.try_get(3)?, row.try_get(4)?, &associated_data)?;
    let wrapped = kek.wrap(&key, &associated_data);
    zeroize::Zeroize::zeroize(&mut key);
    Ok(wrapped?.bytes)
}
