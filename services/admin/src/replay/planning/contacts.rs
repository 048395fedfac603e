//! Planning contact by contact.

use std::collections::{BTreeMap, BTreeSet};

use domain::replay::{LedgerEntry, Needed, Planned, Present, Reason, Sieve, Tally, Target, plan};
use domain::{Body, Change, ContactId, ObjectKey, RecordId, RecordKind, Recorded, Stored};
use eventlog::{ContactRange, EventLog, RawEvent, SharedRecords};
use tokio::sync::mpsc;

use super::events::{self, Events};
use super::request::{ContactPlan, Counters, Error, Request};
use super::workspace::{self, Objects};

/// Plans one part of the contacts over one connection.
#[derive(Clone, Copy)]
pub(super) struct Planner<'a> {
    pub(super) log: &'a EventLog,
    pub(super) request: &'a Request,
    pub(super) shared: &'a SharedRecords,
    /// Some contacts at a time: whoever takes them is not woken for each.
    pub(super) pages: &'a mpsc::Sender<Vec<ContactPlan>>,
    pub(super) counters: &'a Counters,
}

/// A contact whose events went through the sieve.
type Sieved = (String, Sieve<RawEvent>);

/// What is known of a contact before its events are opened.
struct Known {
    contact_id: ContactId,
    held: BTreeMap<ObjectKey, LedgerEntry>,
    settled: Vec<Planned>,
}

impl Planner<'_> {
    pub(super) async fn part(self, contacts: &ContactRange) -> Result<Tally, Error> {
        let Request { location_id, through, page_events, .. } = self.request;
        let mut objects = Objects::of(self.request);
        let (mut tally, mut cursor, mut current) = (Tally::default(), None::<(String, u64)>, None::<Sieved>);
        loop {
            let after = cursor.as_ref().map(|(contact, seq)| (contact.as_str(), *seq));
            let page = self.log.answers().records_by_contact(location_id, contacts, after, *through, *page_events).await?;
            let is_last = page.len() < usize::try_from(*page_events).unwrap_or(usize::MAX);
            tally.events += page.len() as u64;
            self.counters.add_events(page.len());
            let mut complete = Vec::new();
            for event in page {
                let (contact, revision) = (event.contact_id()?, event.revision()?);
                if current.as_ref().is_none_or(|(before, _)| before != contact) {
                    complete.extend(current.replace((contact.to_owned(), Sieve::default())));
                }
                cursor = Some((contact.to_owned(), revision.seq));
                let Some((kind, id, change)) = event.record()? else { continue };
                if self.shared.is_elsewhere(kind, id, contact) {
                    continue;
                }
                // What was stored as an id is a valid one.
                let Ok(id) = RecordId::new(id) else { continue };
                if let Some((_, sieve)) = &mut current {
                    sieve.take(kind, id, revision, change, event);
                }
            }
            if is_last {
                complete.extend(current.take());
            }
            self.contacts(complete, objects.as_mut(), &mut tally).await?;
            if is_last {
                return Ok(tally);
            }
        }
    }

    /// Plans contacts whose events were all looked at, and sends those of them that need something.
    async fn contacts(self, contacts: Vec<Sieved>, mut objects: Option<&mut Objects>, tally: &mut Tally) -> Result<(), Error> {
        if contacts.is_empty() {
            return Ok(());
        }
        let (known, events) = self.needed(contacts).await?;
        let mut page = Vec::with_capacity(known.len());
        for (Known { contact_id, mut held, settled }, recorded) in known.into_iter().zip(events::open(self.log.keys(), events).await?) {
            let mut present = match objects.as_deref_mut() {
                Some(objects) => Some(objects.next(&contact_id).await?),
                None => None,
            };
            self.add_held_elsewhere(recorded.iter().flatten(), &mut held, present.as_mut()).await?;
            let planned = self.contact(&contact_id, &held, recorded, settled, present.as_ref()).await?;
            page.push(ContactPlan { contact_id, planned });
        }
        workspace::leave_removed_by_the_user(self.request, &mut page).await?;
        page.iter().for_each(|of| tally.add(&of.contact_id, &of.planned));
        self.counters.add_contacts(page.len());
        page.retain(|of| !of.planned.is_empty());
        self.pages.send(page).await.map_err(|_| Error::Unwanted)
    }

    /// What the ledger holds of each contact, and the events that have to be opened to plan it.
    async fn needed(self, contacts: Vec<Sieved>) -> Result<(Vec<Known>, Vec<Events>), Error> {
        let Request { location_id, workspace, rules, bridge, .. } = self.request;
        let ids: Vec<&str> = contacts.iter().map(|(id, _)| id.as_str()).collect();
        let mut held = self.log.ledger().held(location_id, workspace, &ids).await?;
        let mut all = Vec::with_capacity(contacts.len());
        for (id, sieve) in contacts {
            let held = held.remove(&id).unwrap_or_default();
            let needed = sieve.needed(&held, rules.revision(), bridge.is_some());
            all.push((id, held, needed));
        }
        let positions: Vec<u64> = all.iter().flat_map(|(_, _, needed)| needed.before.iter().map(|revision| revision.seq)).collect();
        let mut before: BTreeMap<Option<ContactId>, Vec<Stored>> = BTreeMap::new();
        if !positions.is_empty() {
            for stored in self.log.answers().events_at(location_id, &positions).await? {
                before.entry(stored.contact_id.clone()).or_default().push(stored);
            }
        }
        let (mut known, mut events) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
        for (id, held, Needed { events: deciding, settled, .. }) in all {
            let Ok(contact_id) = ContactId::new(id) else { continue };
            let earlier = before.remove(&Some(contact_id.clone())).unwrap_or_default();
            events.push(Events { deciding, earlier });
            known.push(Known { contact_id, held, settled });
        }
        Ok((known, events))
    }

    /// What mirrors a record of several contacts may be held as another contact's: at an earlier moment it was here.
    async fn add_held_elsewhere(
        self,
        recorded: impl Iterator<Item = &Recorded>,
        held: &mut BTreeMap<ObjectKey, LedgerEntry>,
        mut present: Option<&mut BTreeMap<ObjectKey, Present>>,
    ) -> Result<(), Error> {
        let Request { location_id, workspace, bridge, .. } = self.request;
        let here = recorded.filter(|event| !matches!(&event.body, Body::Record(fact) if fact.change == Change::Vanished));
        let records = here.filter_map(|event| event.record.as_ref());
        let on_several = records.filter(|(kind, id)| self.shared.is_on_several(*kind, id.as_str()));
        let mut objects: BTreeMap<ObjectKey, RecordKind> = on_several.map(|(kind, id)| (ObjectKey::of_record(*kind, id), *kind)).collect();
        objects.retain(|object, _| !held.contains_key(object));
        if objects.is_empty() {
            return Ok(());
        }
        let elsewhere = self.log.ledger().held_objects(location_id, workspace, &objects.keys().collect::<Vec<_>>()).await?;
        for (object, held_there) in elsewhere {
            if let (Some(present), Some(bridge), Some(kind)) = (present.as_deref_mut(), bridge, objects.get(&object))
                && !present.contains_key(&object)
                && let Some(there) = workspace::object(bridge, workspace, *kind, &object).await?
            {
                present.insert(object.clone(), there);
            }
            held.insert(object, held_there);
        }
        Ok(())
    }

    async fn contact(
        self,
        contact_id: &ContactId,
        held: &BTreeMap<ObjectKey, LedgerEntry>,
        recorded: Option<Vec<Recorded>>,
        settled: Vec<Planned>,
        present: Option<&BTreeMap<ObjectKey, Present>>,
    ) -> Result<Vec<Planned>, Error> {
        let (mut recorded, settled) = match recorded {
            Some(recorded) => (recorded, settled),
            // As on the live path, where such an event parks, the one before it decides.
            None => events::all_readable(self.log.answers(), self.log.keys(), self.request, self.shared, contact_id).await?,
        };
        recorded.sort_by_key(Recorded::revision);
        recorded.dedup_by_key(|event| event.revision());
        let done: BTreeSet<ObjectKey> = settled.iter().filter(|one| one.reason == Reason::Equal).map(|one| one.object.clone()).collect();
        let Request { workspace, edition, rules, earlier, .. } = self.request;
        let target = Target { workspace, edition: *edition, rules, earlier };
        let mut planned = plan(&recorded, held, present, &done, target);
        planned.extend(settled);
        Ok(planned)
    }
}
