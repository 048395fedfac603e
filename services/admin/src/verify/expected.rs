//! What the workspace should hold according to the log, as digests, one contact at a time.

use std::collections::{BTreeMap, BTreeSet};

use domain::replay::fold;
use domain::{Action, CombinedDigest, ContactId, Intent, ObjectKey, Policy, map, object_digest};
use eventlog::{ContactRange, RawEvent, SharedRecords};
use jiff::Timestamp;
use pagico::ContactDigest;
use proto::replay::v1 as api;
use proto::replay::v1::verify_replay_response::Part;
use tonic::Status;

use super::comparison::{Comparison, Ended, Sender, send};

/// The digest of each contact that has mirrored objects.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) contacts: BTreeMap<ObjectKey, ContactDigest>,
    /// Events that could not be read.
    pub(super) unreadable: u64,
    /// Contacts that changed so recently that the change may only be on its way.
    recent: BTreeSet<ObjectKey>,
}

impl Expected {
    /// A contact that is not known here may have appeared meanwhile.
    pub(super) fn is_recent(&self, contact: &ObjectKey) -> bool {
        self.recent.contains(contact) || !self.contacts.contains_key(contact)
    }

    /// Adds several contacts at once, so that their keys are read once.
    async fn add(
        &mut self,
        comparison: &Comparison,
        shared: &SharedRecords,
        contacts: Vec<ContactEvents>,
        since: Timestamp,
    ) -> Result<(), Ended> {
        let mut keys = Vec::with_capacity(contacts.len());
        for contact_events in &contacts {
            // What was stored as the id of a contact is a valid one.
            let contact = ContactId::new(contact_events.contact_id.as_str()).ok().map(|id| ObjectKey::of_contact(&id));
            if contact_events.youngest()? >= since {
                self.recent.extend(contact.clone());
            }
            keys.push(contact);
        }
        for (contact, wanted) in keys.into_iter().zip(intents_of_all(comparison, shared, contacts).await?) {
            self.unreadable += wanted.unreadable;
            let digest = digest(&wanted.intents)?;
            if digest.objects > 0 {
                self.contacts.extend(contact.map(|contact| (contact, digest)));
            }
        }
        Ok(())
    }
}

/// The events of one contact, in the order of the log.
pub(super) struct ContactEvents {
    contact_id: String,
    events: Vec<RawEvent>,
}

impl ContactEvents {
    /// When the last of them was recorded.
    pub(super) fn youngest(&self) -> Result<Timestamp, Ended> {
        Ok(self.events.last().map_or(Ok(Timestamp::MIN), RawEvent::recorded_at)?)
    }
}

/// Reads the log up to the head. Memory holds the digests, one page of events, and the events of one contact.
pub(super) async fn expected(comparison: &Comparison, head: u64, to: &Sender) -> Result<Expected, Ended> {
    let since = Timestamp::now().saturating_sub(comparison.settings.patience).unwrap_or(Timestamp::MIN);
    let mut expected = Expected::default();
    let shared = comparison.known.shared_records(&comparison.location_id, head).await?;
    if let Some(contact_id) = &comparison.contact_id {
        expected.add(comparison, &shared, vec![events_of(comparison, contact_id, head).await?], since).await?;
        return Ok(expected);
    }
    let contacts_total = comparison.known.contacts_present(&comparison.location_id).await?;
    let (mut contacts, mut current, mut cursor) = (0, None::<ContactEvents>, None::<(String, u64)>);
    let everybody = ContactRange::Between(None, None);
    loop {
        let after = cursor.as_ref().map(|(contact, seq)| (contact.as_str(), *seq));
        let page = comparison
            .answers
            .records_by_contact(&comparison.location_id, &everybody, after, head, comparison.settings.page_events.get())
            .await?;
        let is_last = page.len() < comparison.settings.page_events.get() as usize;
        let mut complete = Vec::new();
        for event in page {
            let contact_id = event.contact_id()?.to_owned();
            cursor = Some((contact_id.clone(), event.revision()?.seq));
            match &mut current {
                Some(contact_events) if contact_events.contact_id == contact_id => contact_events.events.push(event),
                _ => complete.extend(current.replace(ContactEvents { contact_id, events: vec![event] })),
            }
        }
        if is_last {
            complete.extend(current.take());
        }
        contacts += complete.len() as u64;
        expected.add(comparison, &shared, complete, since).await?;
        if is_last {
            return Ok(expected);
        }
        send(to, Part::Progress(api::VerifyProgress { contacts, contacts_total: contacts_total.max(contacts) })).await?;
    }
}

/// Every event of a contact up to a position.
pub(super) async fn events_of(comparison: &Comparison, contact_id: &ContactId, head: u64) -> Result<ContactEvents, Ended> {
    let (only, mut contact_events) =
        (ContactRange::Only(contact_id.clone()), ContactEvents { contact_id: contact_id.to_string(), events: Vec::new() });
    loop {
        let cursor = contact_events.events.last().map_or(Ok(0), |last| last.revision().map(|revision| revision.seq))?;
        let after = Some((contact_id.as_str(), cursor));
        let page = comparison
            .answers
            .records_by_contact(&comparison.location_id, &only, after, head, comparison.settings.page_events.get())
            .await?;
        let is_last = page.len() < comparison.settings.page_events.get() as usize;
        contact_events.events.extend(page);
        if is_last {
            return Ok(contact_events);
        }
    }
}

/// The intents of a contact that decide, by object.
#[derive(Default)]
pub(super) struct ContactIntents {
    pub(super) intents: BTreeMap<ObjectKey, Intent>,
    /// Events that cannot be read: as on the live lane, where they park, the one before decides.
    unreadable: u64,
}

pub(super) async fn intents_of(
    comparison: &Comparison,
    shared: &SharedRecords,
    contact_events: ContactEvents,
) -> Result<ContactIntents, Ended> {
    Ok(intents_of_all(comparison, shared, vec![contact_events]).await?.pop().unwrap_or_default())
}

/// The only place of a comparison that opens events. Gives the intents of each contact, in order. A record of several contacts counts
/// where it was seen last.
async fn intents_of_all(
    comparison: &Comparison,
    shared: &SharedRecords,
    contacts: Vec<ContactEvents>,
) -> Result<Vec<ContactIntents>, Ended> {
    let (mut stored, mut whose, mut unreadable) = (Vec::new(), Vec::new(), vec![0; contacts.len()]);
    for ((index, contact_events), unreadable) in contacts.into_iter().enumerate().zip(&mut unreadable) {
        for event in contact_events.events {
            if let Some((kind, id, _)) = event.record()?
                && shared.is_elsewhere(kind, id, &contact_events.contact_id)
            {
                continue;
            }
            match event.stored() {
                Ok(event) => {
                    stored.push(event);
                    whose.push(index);
                }
                Err(eventlog::Error::Unreadable(_)) => *unreadable += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut opened = comparison.keys.open(stored).await?.into_iter().zip(whose).peekable();
    let mut all = Vec::with_capacity(unreadable.len());
    for (index, unreadable) in unreadable.into_iter().enumerate() {
        let (mut intents, mut wanted) = (Vec::new(), ContactIntents { unreadable, ..ContactIntents::default() });
        while let Some((event, _)) = opened.next_if(|(_, whose)| *whose == index) {
            match event.transpose() {
                Ok(recorded) => intents.extend(map(&recorded, &comparison.rules)),
                Err(_) => wanted.unreadable += 1,
            }
        }
        wanted.intents = fold(intents);
        all.push(wanted);
    }
    Ok(all)
}

/// The digest of the mirrored objects that should be there.
pub(super) fn digest(folded: &BTreeMap<ObjectKey, Intent>) -> Result<ContactDigest, Ended> {
    let mut whole = CombinedDigest::default();
    for intent in folded.values().filter(|intent| intent.policy == Policy::Mirror) {
        let Action::Put(content) = &intent.action else { continue };
        let contact = ObjectKey::of_contact(&intent.contact_id);
        let digest = object_digest(&intent.object, &contact, content);
        whole.add(&digest.map_err(|_| Ended::Failed(Status::internal("an intent did not become JSON")))?);
    }
    Ok(ContactDigest { objects: whole.count(), digest: whole.digest() })
}
