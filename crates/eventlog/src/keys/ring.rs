//! The contacts' own keys: made when something of a contact is first sealed, remembered unwrapped for a while, and gone when the
//! contact is erased.
//!
//! What a process remembers of a location counts as long as the location's count of erasures stands still. Appending looks at that count
//! under the head's lock, so that nothing is ever sealed with a key that was destroyed; whoever only reads looks at it once in
//! `erasures_checked_every`, which is how long an erasure elsewhere may go unnoticed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{ContactId, LocationId, Revision};
use jiff::Timestamp;
use lru::LruCache;
use sqlx::{PgConnection, Row};

use crate::columns::{At, epoch, unsigned};
use crate::keys::cipher::{self, Key, parts};
use crate::{Error, Kek, Result};

/// A contact's key, unwrapped.
pub(crate) struct ContactKey {
    pub(crate) id: String,
    key: Key,
}

impl ContactKey {
    pub(crate) fn seal(&self, plain: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
        cipher::seal(&cipher::cipher(&self.key), plain, associated_data)
    }

    pub(crate) fn open(&self, sealed: &[u8], associated_data: &[u8]) -> Option<Vec<u8>> {
        cipher::open(&cipher::cipher(&self.key), sealed, associated_data)
    }
}

/// When a contact was erased.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Erased {
    /// Of its records' events, those before this one have no content.
    pub(crate) at: Revision,
    /// It may be observed again since.
    pub(crate) lifted: bool,
}

/// Who is erased in a location. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct ErasedContacts {
    contacts: Arc<BTreeMap<ContactId, Erased>>,
    /// Everybody: the location was purged.
    all: Option<Erased>,
}

impl ErasedContacts {
    /// When a contact was erased, if it was.
    pub(crate) fn of(&self, contact_id: &ContactId) -> Option<Erased> {
        self.all.or_else(|| self.contacts.get(contact_id).copied())
    }
}

pub(crate) type ContactKeys = HashMap<ContactId, Arc<ContactKey>>;

pub(crate) fn is_erased(erased: &ErasedContacts, contact_id: &ContactId) -> bool {
    erased.of(contact_id).is_some_and(|erased| !erased.lifted)
}

/// What is remembered, of each location.
pub(crate) struct KeyRing {
    kek: Option<Kek>,
    remembered_max: NonZeroUsize,
    checked_every: Duration,
    locations: Mutex<HashMap<LocationId, Remembered>>,
}

struct Remembered {
    erasures: i64,
    checked_at: Instant,
    erased: ErasedContacts,
    /// A key-encryption key that keys of the location are wrapped with.
    sealed_by: Option<String>,
    keys: LruCache<ContactId, Arc<ContactKey>>,
}

impl KeyRing {
    pub(crate) fn new(kek: Option<Kek>, remembered_max: NonZeroUsize, checked_every: Duration) -> Self {
        Self { kek, remembered_max, checked_every, locations: Mutex::default() }
    }

    pub(crate) fn kek(&self) -> Option<&Kek> {
        self.kek.as_ref()
    }

    /// Who is erased, as of the count that was just read under the head's lock.
    ///
    /// # Errors
    /// `Locked` when the location's events are sealed and there is no key-encryption key here: nothing may go on in plain.
    pub(crate) async fn locked_erased(
        &self,
        connection: &mut PgConnection,
        location_id: &LocationId,
        erasures: i64,
    ) -> Result<ErasedContacts> {
        if self.remembers(location_id, erasures).is_none() {
            self.remember(connection, location_id, erasures).await?;
        }
        let (erased, sealed_by) = self.remembers(location_id, erasures).unwrap_or_default();
        match (&self.kek, sealed_by) {
            (None, Some(kek_id)) => Err(Error::Locked { kek_id }),
            _ => Ok(erased),
        }
    }

    /// Who is erased, as far as was known not longer than `checked_every` ago; `now` when that is too long.
    pub(crate) async fn erased(&self, connection: &mut PgConnection, location_id: &LocationId, now: bool) -> Result<ErasedContacts> {
        if !now && let Some(erased) = self.fresh(location_id) {
            return Ok(erased);
        }
        let count = sqlx::query("SELECT erasures FROM log_head WHERE location_id = $1")
            .bind(location_id.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        // A location without a log has no events to open.
        let Some(count) = count else { return Ok(ErasedContacts::default()) };
        let erasures = count.try_get(0)?;
        if self.remembers(location_id, erasures).is_none() {
            self.remember(connection, location_id, erasures).await?;
        }
        let mut all = self.all();
        let Some(remembered) = all.get_mut(location_id) else { return Ok(ErasedContacts::default()) };
        remembered.checked_at = Instant::now();
        Ok(remembered.erased.clone())
    }

    /// As `erased`, when it is known without asking.
    pub(crate) fn fresh(&self, location_id: &LocationId) -> Option<ErasedContacts> {
        let all = self.all();
        let remembered = all.get(location_id).filter(|remembered| remembered.checked_at.elapsed() < self.checked_every)?;
        Some(remembered.erased.clone())
    }

    /// Those of these contacts' keys that are remembered.
    pub(crate) fn known<'a>(&self, location_id: &LocationId, contacts: impl IntoIterator<Item = &'a ContactId>) -> ContactKeys {
        let mut all = self.all();
        let Some(remembered) = all.get_mut(location_id) else { return ContactKeys::new() };
        let find = |id: &ContactId| Some((id.clone(), Arc::clone(remembered.keys.get(id)?)));
        contacts.into_iter().filter_map(find).collect()
    }

    /// The keys of these contacts, where they have one that is alive.
    pub(crate) async fn alive(
        &self,
        connection: &mut PgConnection,
        location_id: &LocationId,
        contacts: &BTreeSet<&ContactId>,
    ) -> Result<ContactKeys> {
        let mut keys = self.known(location_id, contacts.iter().copied());
        let missing: Vec<&str> = contacts.iter().filter(|id| !keys.contains_key(**id)).map(|id| id.as_str()).collect();
        if missing.is_empty() {
            return Ok(keys);
        }
        let erasures = self.all().get(location_id).map(|remembered| remembered.erasures);
        // Key by key, see `known`.
        let rows = sqlx::query(
            "SELECT k.* FROM unnest($2::text[]) AS wanted (id) CROSS JOIN LATERAL (SELECT contact_id, key_id, kek_id, wrapped \
             FROM contact_keys WHERE location_id = $1 AND contact_id = wanted.id AND destroyed_at IS NULL OFFSET 0) k",
        )
        .bind(location_id.as_str())
        .bind(&missing)
        .fetch_all(connection)
        .await?;
        let mut loaded = Vec::with_capacity(rows.len());
        for row in &rows {
            let Ok(contact_id) = ContactId::new(row.try_get::<String, _>(0)?) else { continue };
            let key = self.unwrapped(location_id, &contact_id, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)?;
            loaded.push((contact_id, Arc::new(key)));
        }
        self.keep(location_id, erasures, &loaded);
        keys.extend(loaded);
        Ok(keys)
    }

    /// Makes a key for each of these contacts, none of whom has one. They are to be given to `keep` once the transaction is committed.
    pub(crate) async fn make(
        &self,
        connection: &mut PgConnection,
        location_id: &LocationId,
        contacts: &[&ContactId],
    ) -> Result<Vec<(ContactId, Arc<ContactKey>)>> {
        let Some(kek) = &self.kek else { return Ok(Vec::new()) };
        let mut made = Vec::with_capacity(contacts.len());
        let mut wrapped = Vec::with_capacity(contacts.len());
        for contact_id in contacts {
            let key = ContactKey { id: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>()), key: cipher::new_key() };
            wrapped.push(kek.wrap(&*key.key, &associated_data(location_id, contact_id, &key.id))?.bytes);
            made.push(((*contact_id).clone(), Arc::new(key)));
        }
        sqlx::query(
            "INSERT INTO contact_keys (location_id, created_at, kek_id, key_id, contact_id, wrapped) \
             SELECT $1, $2, $3, * FROM unnest($4::text[], $5::text[], $6::bytea[])",
        )
        .bind(location_id.as_str())
        .bind(At(Timestamp::now()))
        .bind(kek.current())
        .bind(made.iter().map(|(_, key)| key.id.as_str()).collect::<Vec<_>>())
        .bind(contacts.iter().map(|id| id.as_str()).collect::<Vec<_>>())
        .bind(wrapped)
        .execute(connection)
        .await?;
        Ok(made)
    }

    /// Remembers keys, unless somebody was erased since the count was `erasures`.
    pub(crate) fn keep(&self, location_id: &LocationId, erasures: Option<i64>, keys: &[(ContactId, Arc<ContactKey>)]) {
        let mut all = self.all();
        let Some(remembered) = all.get_mut(location_id).filter(|remembered| Some(remembered.erasures) == erasures) else { return };
        for (contact_id, key) in keys {
            remembered.keys.put(contact_id.clone(), Arc::clone(key));
            if remembered.keys.len() > self.remembered_max.get() {
                remembered.keys.pop_lru();
            }
        }
    }

    /// Drops what is remembered of a location: somebody was erased just now.
    pub(crate) fn forget(&self, location_id: &LocationId) {
        self.all().remove(location_id);
    }

    fn unwrapped(
        &self,
        location_id: &LocationId,
        contact_id: &ContactId,
        id: String,
        kek_id: String,
        wrapped: &[u8],
    ) -> Result<ContactKey> {
        let Some(kek) = &self.kek else { return Err(Error::Locked { kek_id }) };
        let mut bytes = kek.open(&kek_id, wrapped, &associated_data(location_id, contact_id, &id))?;
        let key = bytes.as_slice().try_into().map(Key::new);
        zeroize::Zeroize::zeroize(&mut bytes);
        Ok(ContactKey { id, key: key.map_err(|_| Error::Damaged)? })
    }

    fn remembers(&self, location_id: &LocationId, erasures: i64) -> Option<(ErasedContacts, Option<String>)> {
        let all = self.all();
        let remembered = all.get(location_id).filter(|remembered| remembered.erasures == erasures)?;
        Some((remembered.erased.clone(), remembered.sealed_by.clone()))
    }

    /// Begins anew with a location: the keys that were remembered are dropped and with that wiped. Room for keys is made as they come: most
    /// locations have few.
    async fn remember(&self, connection: &mut PgConnection, location_id: &LocationId, erasures: i64) -> Result<()> {
        let rows = sqlx::query("SELECT contact_id, epoch, seq, lifted_at IS NOT NULL FROM erasures WHERE location_id = $1")
            .bind(location_id.as_str())
            .fetch_all(&mut *connection)
            .await?;
        let mut erased = BTreeMap::new();
        for row in &rows {
            let Ok(contact_id) = ContactId::new(row.try_get::<String, _>(0)?) else { continue };
            let at = Revision { epoch: epoch(row.try_get(1)?), seq: unsigned(row.try_get(2)?) };
            erased.insert(contact_id, Erased { at, lifted: row.try_get(3)? });
        }
        let closed = sqlx::query("SELECT epoch, seq FROM log_head WHERE location_id = $1 AND closed")
            .bind(location_id.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        let purged_at = closed.map(|row| Ok::<_, Error>(Revision { epoch: epoch(row.try_get(0)?), seq: unsigned(row.try_get(1)?) }));
        let all = purged_at.transpose()?.map(|at| Erased { at, lifted: false });
        let sealed_by = sqlx::query("SELECT kek_id FROM contact_keys WHERE location_id = $1 AND destroyed_at IS NULL LIMIT 1")
            .bind(location_id.as_str())
            .fetch_optional(connection)
            .await?;
        let sealed_by = sealed_by.map(|row| row.try_get(0)).transpose()?;
        let (erased, keys) = (ErasedContacts { contacts: Arc::new(erased), all }, LruCache::unbounded());
        let remembered = Remembered { erasures, checked_at: Instant::now(), erased, sealed_by, keys };
        self.all().insert(location_id.clone(), remembered);
        Ok(())
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<LocationId, Remembered>> {
        self.locations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a contact's key is wrapped with, so that it unwraps nowhere else.
pub(crate) fn associated_data(location_id: &LocationId, contact_id: &ContactId, key_id: &str) -> Vec<u8> {
    parts(["contact key", location_id.as_str(), contact_id.as_str(), key_id])
}
