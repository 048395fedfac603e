//! Sealing what is stored and sent about a contact, and the one way to read it again.
//!
//! - `credentials`: the tokens of the marketplace app
//! - `erase`: erasing a person
//! - `purge`: purging a whole location

pub(crate) mod credentials;
pub(crate) mod erase;
pub(crate) mod purge;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::{Body, ContactId, Decode, LocationId, Stored};
use sqlx::PgConnection;

use crate::Result;
use crate::chain::{Head, Prepared};
use crate::columns::STATEMENT_ROWS_MAX;
use crate::keys::Keys;
use crate::keys::cipher::parts;
use crate::keys::ring::{ContactKey, ContactKeys, ErasedContacts, is_erased};

/// Something that is sent about a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactMessage {
    pub location_id: LocationId,
    pub contact_id: ContactId,
    pub bytes: Vec<u8>,
}

impl ContactMessage {
    /// Whether these bytes are sealed; what is plain needs no opening.
    pub fn is_sealed(bytes: &[u8]) -> bool {
        bytes.first() == Some(&SEALED)
    }
}

/// What became of a message that was to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// What was sealed; of a message that is plain, its bytes.
    Content(Vec<u8>),
    /// The contact was erased since: there is nothing to be done about it any more.
    Erased,
    /// It was changed, sent to somebody else, or its key is lost.
    Unopened,
}

/// What a sealed message begins with: no JSON text begins so.
const SEALED: u8 = 1;

impl Keys {
    /// Reads stored events: the only way from what is stored to what happened. Plain ones are read as they are, sealed ones are opened
    /// with their contacts' keys, and those of contacts that were erased become `Body::Erased`. Gives one outcome for each event, in
    /// order.
    ///
    /// An erasure by another process may go unnoticed for `erasures_checked_every`.
    ///
    /// # Errors
    /// `Locked` when the key-encryption key is not here; what is wrong with a single event is its own outcome.
    pub async fn open(&self, events: Vec<Stored>) -> Result<Vec<domain::Opened>> {
        let locations: BTreeSet<&LocationId> = events.iter().map(|event| &event.location_id).collect();
        let mut openers = BTreeMap::new();
        for location_id in locations {
            let contacts = events.iter().filter(|event| event.location_id == *location_id && event.key_id.is_some());
            let contacts = contacts.filter_map(|event| event.contact_id.as_ref()).collect();
            let opener = self.opener(location_id, &contacts, |opener| events.iter().all(|event| opener.knows(event))).await?;
            openers.insert(location_id.clone(), opener);
        }
        Ok(events
            .into_iter()
            .map(|event| {
                let body = openers.get(&event.location_id).map_or(Err(Decode::Sealed), |opener| opener.open_event(&event));
                event.with(body)
            })
            .collect())
    }

    /// Seals what is about to be sent with each contact's own key, where it has one; gives nothing for a contact that is erased. In order.
    ///
    /// # Errors
    /// `Locked` when the key-encryption key is not here.
    pub async fn seal(&self, messages: Vec<ContactMessage>) -> Result<Vec<Option<Vec<u8>>>> {
        if self.ring.kek().is_none() {
            return Ok(messages.into_iter().map(|message| Some(message.bytes)).collect());
        }
        let mut openers = BTreeMap::new();
        for (location_id, contacts) in by_location(&messages) {
            openers.insert(location_id.clone(), self.opener(location_id, &contacts, |_| true).await?);
        }
        let seal = |message: ContactMessage| {
            let opener = openers.get(&message.location_id);
            let erased = opener.and_then(|opener| opener.erased.of(&message.contact_id)).is_some_and(|erased| !erased.lifted);
            match opener.and_then(|opener| opener.keys.get(&message.contact_id)) {
                _ if erased => Ok(None),
                None => Ok(Some(message.bytes)),
                Some(key) => {
                    let associated_data = associated_data(&message.location_id, &message.contact_id, &key.id);
                    let mut sealed = vec![SEALED, u8::try_from(key.id.len()).unwrap_or(u8::MAX)];
                    sealed.extend_from_slice(key.id.as_bytes());
                    sealed.extend(key.seal(&message.bytes, &associated_data)?);
                    Ok(Some(sealed))
                }
            }
        };
        messages.into_iter().map(seal).collect()
    }

    /// Opens what `seal` gave, in order.
    ///
    /// # Errors
    /// `Locked` when the key-encryption key is not here.
    pub async fn unseal(&self, messages: Vec<ContactMessage>) -> Result<Vec<Opened>> {
        let sealed: Vec<&ContactMessage> = messages.iter().filter(|message| ContactMessage::is_sealed(&message.bytes)).collect();
        let mut openers = BTreeMap::new();
        for (location_id, contacts) in by_location(sealed.iter().copied()) {
            let complete = |opener: &Opener| sealed.iter().all(|message| opener.knows_message(message));
            openers.insert(location_id.clone(), self.opener(location_id, &contacts, complete).await?);
        }
        let open = |message: ContactMessage| match openers.get(&message.location_id) {
            _ if !ContactMessage::is_sealed(&message.bytes) => Opened::Content(message.bytes),
            Some(opener) => opener.open_message(&message),
            None => Opened::Unopened,
        };
        Ok(messages.into_iter().map(open).collect())
    }

    /// What is needed to open things about these contacts. When something does not open because a key is not there, the contact may
    /// have been erased a moment ago: that is then looked at anew.
    async fn opener(
        &self,
        location_id: &LocationId,
        contacts: &BTreeSet<&ContactId>,
        complete: impl Fn(&Opener) -> bool,
    ) -> Result<Opener> {
        if let Some(erased) = self.ring.fresh(location_id) {
            let keys = self.ring.known(location_id, contacts.iter().copied());
            let wanted = contacts.iter().filter(|id| erased.of(id).is_none_or(|erased| erased.lifted));
            if wanted.into_iter().all(|id| keys.contains_key(*id)) {
                let opener = Opener { location_id: location_id.clone(), erased, keys };
                if complete(&opener) {
                    return Ok(opener);
                }
            }
        }
        let mut connection = self.pool.acquire().await?;
        let opener = self.opener_over(&mut connection, location_id, contacts, false).await?;
        if complete(&opener) {
            return Ok(opener);
        }
        self.opener_over(&mut connection, location_id, contacts, true).await
    }

    async fn opener_over(
        &self,
        connection: &mut PgConnection,
        location_id: &LocationId,
        contacts: &BTreeSet<&ContactId>,
        now: bool,
    ) -> Result<Opener> {
        let erased = self.ring.erased(connection, location_id, now).await?;
        let keys = self.ring.alive(connection, location_id, contacts).await?;
        Ok(Opener { location_id: location_id.clone(), erased, keys })
    }

    /// As `open`, for one event and over a connection that is in a transaction.
    pub(crate) async fn open_over(&self, connection: &mut PgConnection, event: &Stored) -> Result<Result<Body, Decode>> {
        let contacts = event.contact_id.iter().filter(|_| event.key_id.is_some()).collect();
        let opener = self.opener_over(connection, &event.location_id, &contacts, true).await?;
        Ok(opener.open_event(event))
    }

    /// Seals what is to be appended, under the head's lock: every contact's own key, made where there is none yet. What happened to
    /// records of a contact that is erased is left out. Gives the keys that were made, to be remembered after the commit.
    pub(crate) async fn seal_fresh(
        &self,
        connection: &mut PgConnection,
        location_id: &LocationId,
        head: &Head,
        fresh: &mut Vec<Prepared>,
    ) -> Result<Fresh> {
        let erased = self.ring.locked_erased(connection, location_id, head.erasures).await?;
        fresh.retain(|prepared| {
            !prepared.entry.contact_id.as_ref().is_some_and(|id| is_erased(&erased, id) && has_content(&prepared.entry.body))
        });
        let mut made = Fresh { erasures: head.erasures, keys: Vec::new() };
        if self.ring.kek().is_none() {
            return Ok(made);
        }
        let sealed = fresh.iter().filter(|prepared| has_content(&prepared.entry.body));
        let contacts: BTreeSet<ContactId> = sealed.filter_map(|prepared| prepared.entry.contact_id.clone()).collect();
        let contacts: BTreeSet<&ContactId> = contacts.iter().collect();
        let mut keys = self.ring.alive(&mut *connection, location_id, &contacts).await?;
        let without: Vec<&ContactId> = contacts.into_iter().filter(|id| !keys.contains_key(*id)).collect();
        for without in without.chunks(STATEMENT_ROWS_MAX) {
            made.keys.extend(self.ring.make(&mut *connection, location_id, without).await?);
        }
        keys.extend(made.keys.iter().cloned());
        for prepared in fresh.iter_mut().filter(|prepared| has_content(&prepared.entry.body)) {
            prepared.seal(location_id, &keys)?;
        }
        Ok(made)
    }

    pub(crate) fn keep_fresh(&self, location_id: &LocationId, fresh: &Fresh) {
        self.ring.keep(location_id, Some(fresh.erasures), &fresh.keys);
    }
}

/// Keys that were made in a transaction.
pub(crate) struct Fresh {
    erasures: i64,
    keys: Vec<(ContactId, Arc<ContactKey>)>,
}

impl Prepared {
    fn seal(&mut self, location_id: &LocationId, keys: &ContactKeys) -> Result<()> {
        let Some((contact_id, key)) = self.entry.contact_id.as_ref().and_then(|id| Some((id, keys.get(id)?))) else { return Ok(()) };
        let (kind, id) = self.entry.record.as_ref().map_or(("", ""), |(kind, id)| (kind.as_str(), id.as_str()));
        let associated_data = parts(["event", location_id.as_str(), contact_id.as_str(), &key.id, &self.type_name, kind, id]);
        self.payload = key.seal(&self.payload, &associated_data)?;
        self.key = Some(Arc::clone(key));
        Ok(())
    }
}

/// Deliveries and what operators do hold ids and words of ours, nothing that GHL's users wrote.
fn has_content(body: &Body) -> bool {
    match body {
        Body::Record(_) => true,
        Body::Delivery(_) | Body::Operator(_) | Body::Erased => false,
    }
}

/// What opens things about some contacts of a location.
struct Opener {
    location_id: LocationId,
    erased: ErasedContacts,
    keys: ContactKeys,
}

impl Opener {
    /// Whether the event can be told to be erased or has its key here.
    fn knows(&self, event: &Stored) -> bool {
        let Some(key_id) = event.key_id.as_ref().filter(|_| event.location_id == self.location_id) else { return true };
        self.is_gone(event) || event.contact_id.as_ref().and_then(|id| self.keys.get(id)).is_some_and(|key| key.id == *key_id)
    }

    /// Of an erased contact everything that happened to its records before is gone, sealed or not.
    fn is_gone(&self, event: &Stored) -> bool {
        let erased = event.contact_id.as_ref().and_then(|id| self.erased.of(id));
        event.record.is_some() && erased.is_some_and(|erased| (event.epoch, event.seq) < (erased.at.epoch, erased.at.seq))
    }

    fn open_event(&self, event: &Stored) -> Result<Body, Decode> {
        if self.is_gone(event) {
            return Ok(Body::Erased);
        }
        let Some(key_id) = &event.key_id else { return event.read() };
        let contact_id = event.contact_id.as_ref().ok_or(Decode::Unopened)?;
        let key = self.keys.get(contact_id).filter(|key| key.id == *key_id).ok_or(Decode::Unopened)?;
        let (kind, id) = event.record.as_ref().map_or(("", ""), |(kind, id)| (kind.as_str(), id.as_str()));
        let associated_data = parts(["event", self.location_id.as_str(), contact_id.as_str(), key_id, &event.type_name, kind, id]);
        let payload = key.open(&event.body, &associated_data).ok_or(Decode::Unopened)?;
        Body::decode(&event.type_name, &payload)
    }

    /// As `knows`, of a sealed message.
    fn knows_message(&self, message: &ContactMessage) -> bool {
        message.location_id != self.location_id
            || message_parts(&message.bytes).is_none_or(|(key_id, _)| self.key(message, key_id).is_some())
    }

    fn key(&self, message: &ContactMessage, key_id: &str) -> Option<&ContactKey> {
        self.keys.get(&message.contact_id).filter(|key| key.id == key_id).map(AsRef::as_ref)
    }

    fn open_message(&self, message: &ContactMessage) -> Opened {
        let Some((key_id, sealed)) = message_parts(&message.bytes) else { return Opened::Unopened };
        match self.key(message, key_id) {
            Some(key) => {
                let associated_data = associated_data(&message.location_id, &message.contact_id, key_id);
                key.open(sealed, &associated_data).map_or(Opened::Unopened, Opened::Content)
            }
            None if self.erased.of(&message.contact_id).is_some() => Opened::Erased,
            None => Opened::Unopened,
        }
    }
}

/// The id of the key that sealed a message, and what it sealed.
fn message_parts(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.get(1..)?.split_first()?;
    let (key_id, sealed) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(key_id).ok()?, sealed))
}

fn associated_data(location_id: &LocationId, contact_id: &ContactId, key_id: &str) -> Vec<u8> {
    parts(["letter", location_id.as_str(), contact_id.as_str(), key_id])
}

fn by_location<'a>(messages: impl IntoIterator<Item = &'a ContactMessage>) -> BTreeMap<&'a LocationId, BTreeSet<&'a ContactId>> {
    let mut locations: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for message in messages {
        locations.entry(&message.location_id).or_default().insert(&message.contact_id);
    }
    locations
}
