//! Making a plan: the log contact by contact, against the ledger or against what the workspace holds. Memory holds a page of events
//! and one contact for each connection, however long the log is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::replay::{Held, Needed, Planned, Present, Reason, Sieve, Tally, Target, mirror_kind, plan};
use domain::{Body, Change, ContactId, LocationId, ObjectKey, RecordId, RecordKind, Recorded, Rules, RulesRevision, Stored, Workspace};
use eventlog::{Contacts, EventLog, Shared, Unread};
use futures::stream::{Peekable, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What is to be planned.
#[derive(Clone)]
pub struct Ask {
    pub location_id: LocationId,
    /// None is every contact.
    pub contact_id: Option<ContactId>,
    pub workspace: Workspace,
    pub edition: u32,
    pub rules: Arc<Rules>,
    /// Every text of rules that is known.
    pub earlier: Arc<BTreeMap<RulesRevision, Rules>>,
    /// The last position that counts.
    pub through: u64,
    /// Whom to ask what the workspace really holds; none for the ledger alone.
    pub bridge: Option<pagico::Bridge>,
    pub page_events: u32,
    pub connections: usize,
}

/// What would be done about the objects of one contact.
pub struct OfContact {
    pub contact_id: ContactId,
    pub planned: Vec<Planned>,
}

/// How many pages of a plan may wait to be taken.
pub const PAGES_WAITING: usize = 2;

/// How far the planning is.
#[derive(Debug, Default)]
pub struct Seen {
    pub events: AtomicU64,
    pub contacts: AtomicU64,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Log(#[from] eventlog::Error),
    #[error(transparent)]
    Bridge(#[from] pagico::Error),
    /// Nobody wants the plan any more.
    #[error("the plan is no longer wanted")]
    Unwanted,
    #[error("planning ended unexpectedly")]
    Broken,
}

/// Where a plan goes, some contacts at a time: whoever takes it is not woken for each.
type Out = mpsc::Sender<Vec<OfContact>>;
type Objects = Peekable<Pin<Box<dyn Stream<Item = pagico::Result<pagico::Object>> + Send>>>;

/// Plans, on several connections at once where the workspace itself need not be asked. Contacts come in no certain order.
pub async fn make(log: &EventLog, ask: Arc<Ask>, out: Out, seen: Arc<Seen>) -> Result<Tally, Error> {
    let parts = match (&ask.contact_id, &ask.bridge) {
        (Some(contact_id), _) => vec![Contacts::Only(contact_id.clone())],
        // The bridge lists in one order only.
        (None, Some(_)) => vec![Contacts::Between(None, None)],
        (None, None) => log.parts_of_contacts(&ask.location_id, ask.through, ask.connections * 4).await?,
    };
    let parts = Arc::new(Mutex::new(VecDeque::from(parts)));
    let shared = Arc::new(log.shared_records(&ask.location_id, ask.through).await?);
    let mut workers: JoinSet<Result<Tally, Error>> = JoinSet::new();
    for _ in 0..ask.connections {
        let (log, ask, out, seen, parts) = (log.clone(), Arc::clone(&ask), out.clone(), Arc::clone(&seen), Arc::clone(&parts));
        let shared = Arc::clone(&shared);
        workers.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let part = parts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(part) = part else { return Ok(tally) };
                let work = Work { log: &log, ask: &ask, shared: &shared, out: &out, seen: &seen };
                tally.merge(&work.part(&part).await?);
            }
        });
    }
    let mut tally = Tally::default();
    while let Some(ended) = workers.join_next().await {
        tally.merge(&ended.map_err(|_| Error::Broken)??);
    }
    Ok(tally)
}

#[derive(Clone, Copy)]
struct Work<'a> {
    log: &'a EventLog,
    ask: &'a Ask,
    shared: &'a Shared,
    out: &'a Out,
    seen: &'a Seen,
}

/// A contact whose events came through.
type Sieved = (String, Sieve<Unread>);

impl Work<'_> {
    async fn part(self, contacts: &Contacts) -> Result<Tally, Error> {
        let Ask { location_id, through, page_events, .. } = self.ask;
        let mut objects = self.objects();
        let (mut tally, mut place, mut current) = (Tally::default(), None::<(String, u64)>, None::<Sieved>);
        loop {
            let after = place.as_ref().map(|(contact, seq)| (contact.as_str(), *seq));
            let page = self.log.records_by_contact(location_id, contacts, after, *through, *page_events).await?;
            let last = page.len() < usize::try_from(*page_events).unwrap_or(usize::MAX);
            tally.events += page.len() as u64;
            self.seen.events.fetch_add(page.len() as u64, Ordering::Relaxed);
            let mut complete = Vec::new();
            for event in page {
                let (contact, revision) = (event.contact_id()?, event.revision()?);
                if current.as_ref().is_none_or(|(before, _)| before != contact) {
                    complete.extend(current.replace((contact.to_owned(), Sieve::default())));
                }
                place = Some((contact.to_owned(), revision.seq));
                let Some((kind, id, change)) = event.record()? else { continue };
                if self.shared.is_elsewhere(kind, id, contact) {
                    continue;
                }
                // An id that was stored is one.
                let Ok(id) = RecordId::new(id) else { continue };
                if let Some((_, sieve)) = &mut current {
                    sieve.take(kind, id, revision, change, event);
                }
            }
            if last {
                complete.extend(current.take());
            }
            self.contacts(complete, objects.as_mut(), &mut tally).await?;
            if last {
                return Ok(tally);
            }
        }
    }

    /// What the workspace holds, in the order of the contacts.
    fn objects(self) -> Option<Objects> {
        let bridge = self.ask.bridge.as_ref()?;
        let contact = self.ask.contact_id.as_ref().map(ObjectKey::of_contact);
        let objects: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(bridge.objects(&self.ask.workspace, contact.as_ref()));
        Some(objects.peekable())
    }

    async fn contacts(self, contacts: Vec<Sieved>, mut objects: Option<&mut Objects>, tally: &mut Tally) -> Result<(), Error> {
        if contacts.is_empty() {
            return Ok(());
        }
        let Ask { location_id, workspace, rules, bridge, .. } = self.ask;
        let ids: Vec<&str> = contacts.iter().map(|(id, _)| id.as_str()).collect();
        let mut held = self.log.held(location_id, workspace, &ids).await?;
        let mut needed = Vec::with_capacity(contacts.len());
        for (id, sieve) in contacts {
            let held = held.remove(&id).unwrap_or_default();
            let came = sieve.needed(&held, rules.revision(), bridge.is_some());
            needed.push((id, held, came));
        }
        let places: Vec<u64> = needed.iter().flat_map(|(_, _, came)| came.before.iter().map(|revision| revision.seq)).collect();
        let mut before: BTreeMap<Option<ContactId>, Vec<Stored>> = BTreeMap::new();
        if !places.is_empty() {
            for stored in self.log.events_at(location_id, &places).await? {
                before.entry(stored.contact_id.clone()).or_default().push(stored);
            }
        }
        let mut came = Vec::with_capacity(needed.len());
        let mut whose = Vec::with_capacity(needed.len());
        for (id, held, Needed { events, settled, .. }) in needed {
            let Ok(contact_id) = ContactId::new(id) else { continue };
            let earlier = before.remove(&Some(contact_id.clone())).unwrap_or_default();
            came.push((events, earlier));
            whose.push((contact_id, held, settled));
        }
        let mut page = Vec::with_capacity(whose.len());
        for ((contact_id, held, settled), recorded) in whose.into_iter().zip(self.read(came).await?) {
            let mut present = match objects.as_deref_mut() {
                Some(objects) => Some(present(objects, &contact_id).await?),
                None => None,
            };
            let mut held = held;
            self.wandered(recorded.iter().flatten(), &mut held, present.as_mut()).await?;
            let planned = self.contact(&contact_id, &held, recorded, settled, present.as_ref()).await?;
            page.push(OfContact { contact_id, planned });
        }
        self.leave_to_the_user(&mut page).await?;
        page.iter().for_each(|of| tally.add(&of.contact_id, &of.planned));
        self.seen.contacts.fetch_add(page.len() as u64, Ordering::Relaxed);
        page.retain(|of| !of.planned.is_empty());
        self.out.send(page).await.map_err(|_| Error::Unwanted)
    }

    /// What mirrors a record of several contacts may be held as another contact's: at an earlier moment it was here.
    async fn wandered(
        self,
        recorded: impl Iterator<Item = &Recorded>,
        held: &mut BTreeMap<ObjectKey, Held>,
        mut present: Option<&mut BTreeMap<ObjectKey, Present>>,
    ) -> Result<(), Error> {
        let Ask { location_id, workspace, bridge, .. } = self.ask;
        let here = recorded.filter(|event| !matches!(&event.body, Body::Record(fact) if fact.change == Change::Vanished));
        let records = here.filter_map(|event| event.record.as_ref());
        let wandering = records.filter(|(kind, id)| self.shared.is_on_several(*kind, id.as_str()));
        let mut objects: BTreeMap<ObjectKey, RecordKind> = wandering.map(|(kind, id)| (ObjectKey::of_record(*kind, id), *kind)).collect();
        objects.retain(|object, _| !held.contains_key(object));
        if objects.is_empty() {
            return Ok(());
        }
        let elsewhere = self.log.held_objects(location_id, workspace, &objects.keys().collect::<Vec<_>>()).await?;
        for (object, theirs) in elsewhere {
            if let (Some(present), Some(bridge), Some(kind)) = (present.as_deref_mut(), bridge, objects.get(&object))
                && !present.contains_key(&object)
            {
                match bridge.object(workspace, mirror_kind(*kind), &object).await {
                    Ok(Some(there)) => drop(present.insert(object.clone(), Present { revision: there.revision, content: there.content })),
                    Ok(None) | Err(pagico::Error::WorkspaceUnknown) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            held.insert(object, theirs);
        }
        Ok(())
    }

    /// What was started and is not there any more was removed by the user, where the workspace remembers it; else it was lost.
    async fn leave_to_the_user(self, page: &mut [OfContact]) -> Result<(), Error> {
        let Some(bridge) = &self.ask.bridge else { return Ok(()) };
        let mut starting: Vec<&mut Planned> = page.iter_mut().flat_map(|of| &mut of.planned).filter(|one| one.starts()).collect();
        let keys: Vec<&ObjectKey> = starting.iter().map(|one| &one.object).collect();
        let remembered = match bridge.remembered(&self.ask.workspace, &keys).await {
            Err(pagico::Error::WorkspaceUnknown) => return Ok(()),
            remembered => remembered?,
        };
        starting.iter_mut().filter(|one| remembered.contains(&one.object)).for_each(|one| one.leave());
        Ok(())
    }

    /// Opens the events of several contacts at once, so that their keys are asked for once: of each contact those that decide and
    /// those that only tell what was. Gives nothing for a contact of whose deciding events one cannot be read.
    async fn read(self, came: Vec<(Vec<Unread>, Vec<Stored>)>) -> Result<Vec<Option<Vec<Recorded>>>, Error> {
        let mut read: Vec<Option<Vec<Recorded>>> = Vec::with_capacity(came.len());
        let (mut stored, mut whose) = (Vec::new(), Vec::new());
        for (index, (events, earlier)) in came.into_iter().enumerate() {
            let mut readable = Some(Vec::with_capacity(events.len() + earlier.len()));
            for event in events {
                match event.stored() {
                    Ok(event) => {
                        stored.push(event);
                        whose.push((index, true));
                    }
                    Err(eventlog::Error::Unreadable(_)) => readable = None,
                    Err(error) => return Err(error.into()),
                }
            }
            whose.extend(earlier.iter().map(|_| (index, false)));
            stored.extend(earlier);
            read.push(readable);
        }
        for (opened, (index, decides)) in self.log.open(stored).await?.into_iter().zip(whose) {
            let Some(of_contact) = read.get_mut(index) else { continue };
            match (opened, of_contact.as_mut()) {
                (Ok(event), Some(recorded)) => recorded.push(event),
                (Err(_), _) if decides => *of_contact = None,
                (Ok(_), None) | (Err(_), _) => {}
            }
        }
        Ok(read)
    }

    async fn contact(
        self,
        contact_id: &ContactId,
        held: &BTreeMap<ObjectKey, Held>,
        recorded: Option<Vec<Recorded>>,
        settled: Vec<Planned>,
        present: Option<&BTreeMap<ObjectKey, Present>>,
    ) -> Result<Vec<Planned>, Error> {
        let (mut recorded, settled) = match recorded {
            Some(recorded) => (recorded, settled),
            // As on the live path, where such an event parks, the one before it decides.
            None => self.all_events(contact_id).await?,
        };
        recorded.sort_by_key(Recorded::revision);
        recorded.dedup_by_key(|event| event.revision());
        let done: BTreeSet<ObjectKey> = settled.iter().filter(|one| one.reason == Reason::Equal).map(|one| one.object.clone()).collect();
        let Ask { workspace, edition, rules, earlier, .. } = self.ask;
        let target = Target { workspace, edition: *edition, rules, earlier };
        let mut planned = plan(&recorded, held, present, &done, target);
        planned.extend(settled);
        Ok(planned)
    }

    /// Every event of a contact that can be read, and what is left as it is because of those that cannot.
    async fn all_events(self, contact_id: &ContactId) -> Result<(Vec<Recorded>, Vec<Planned>), Error> {
        let Ask { location_id, through, page_events, .. } = self.ask;
        let contacts = Contacts::Only(contact_id.clone());
        let (mut recorded, mut skipped, mut place) = (Vec::new(), Vec::new(), 0);
        loop {
            let after = Some((contact_id.as_str(), place));
            let page = self.log.records_by_contact(location_id, &contacts, after, *through, *page_events).await?;
            let last = page.len() < usize::try_from(*page_events).unwrap_or(usize::MAX);
            for event in page {
                let revision = event.revision()?;
                place = revision.seq;
                if let Some((kind, id, _)) = event.record()?
                    && self.shared.is_elsewhere(kind, id, contact_id.as_str())
                {
                    continue;
                }
                let opened = match event.stored() {
                    Ok(stored) => self.log.open(vec![stored]).await?.pop().and_then(Result::ok),
                    Err(eventlog::Error::Unreadable(_)) => None,
                    Err(error) => return Err(error.into()),
                };
                if let Some(event) = opened {
                    recorded.push(event);
                } else if let Some((kind, id, _)) = event.record()?
                    && let Ok(id) = RecordId::new(id)
                {
                    skipped.push(Planned::unreadable(kind, &id, revision));
                }
            }
            if last {
                return Ok((recorded, skipped));
            }
        }
    }
}

/// What the workspace holds of a contact. Objects of contacts that the log does not know are passed over.
async fn present(objects: &mut Objects, contact_id: &ContactId) -> Result<BTreeMap<ObjectKey, Present>, Error> {
    let wanted = ObjectKey::of_contact(contact_id);
    let mut present = BTreeMap::new();
    loop {
        let is_past = |next: &pagico::Object| next.contact.as_ref().is_some_and(|contact| *contact > wanted);
        match Pin::new(&mut *objects).peek().await {
            None => break,
            Some(Ok(next)) if is_past(next) => break,
            Some(_) => {}
        }
        match objects.next().await {
            Some(Ok(object)) if object.contact.as_ref() == Some(&wanted) => {
                present.insert(object.key, Present { revision: object.revision, content: object.content });
            }
            Some(Ok(_)) => {}
            // Nothing was ever written to it, or it was dropped.
            Some(Err(pagico::Error::WorkspaceUnknown)) | None => break,
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(present)
}
