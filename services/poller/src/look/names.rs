//! The names of what records refer to, and the location's time zone: cached for a while, refreshed when an id has no name yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use domain::{Listing, Names, Observation, Record, Sighting};
use ghl::{Client, Zone};

use crate::config::NameSettings;

/// The names of one location.
pub(crate) struct NameCache {
    settings: NameSettings,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    /// Locked while GHL is asked, so that it is asked once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Snapshot {
    zone: Zone,
    company_id: Option<String>,
    names: Names,
    read_at: Instant,
    /// Whether GHL gave the location itself. Without its zone the snapshot is only good until GHL may be asked again.
    complete: bool,
}

/// The ids that an observation refers to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ReferencedIds<'a> {
    users: BTreeSet<&'a str>,
    fields: BTreeSet<&'a str>,
    calendars: BTreeSet<&'a str>,
}

impl NameCache {
    pub(crate) fn new(settings: NameSettings) -> Self {
        Self { settings, snapshot: RwLock::new(None), asking: tokio::sync::Mutex::new(()) }
    }

    /// The zone of the location; the unknown one when GHL does not give one that exists.
    ///
    /// # Errors
    /// Only when nothing is known yet and GHL cannot be asked now.
    pub(crate) async fn zone(&self, client: &Client) -> Result<Zone, ghl::Error> {
        Ok(self.fresh(client, self.settings.lifetime).await?.zone.clone())
    }

    /// The ids of the location's calendars, in order; empty when GHL does not give them.
    ///
    /// # Errors
    /// As `zone`.
    pub(crate) async fn calendars(&self, client: &Client) -> Result<Vec<String>, ghl::Error> {
        Ok(self.fresh(client, self.settings.lifetime).await?.names.calendars.keys().cloned().collect())
    }

    /// The names of these ids. When one has no name yet, GHL's lists are read again first.
    ///
    /// # Errors
    /// As `zone`.
    pub(crate) async fn names(&self, client: &Client, ids: &ReferencedIds<'_>) -> Result<Names, ghl::Error> {
        let mut snapshot = self.fresh(client, self.settings.lifetime).await?;
        if !ids.all_in(&snapshot.names) {
            snapshot = self.fresh(client, self.settings.refresh_pause).await?;
        }
        Ok(ids.pick(&snapshot.names))
    }

    /// The snapshot, if it is younger than `age_max`, or a new one. While GHL is being asked, others go on with the old one.
    async fn fresh(&self, client: &Client, age_max: Duration) -> Result<Arc<Snapshot>, ghl::Error> {
        let known = self.known();
        if let Some(snapshot) = known.as_ref().filter(|snapshot| self.is_young(snapshot, age_max)) {
            return Ok(Arc::clone(snapshot));
        }
        let locked = match (self.asking.try_lock(), &known) {
            (Ok(locked), _) => locked,
            (Err(_), Some(snapshot)) => return Ok(Arc::clone(snapshot)),
            (Err(_), None) => self.asking.lock().await,
        };
        // Another may have asked while this one waited.
        if let Some(snapshot) = self.known().filter(|snapshot| self.is_young(snapshot, age_max)) {
            return Ok(snapshot);
        }
        let snapshot = Arc::new(ask(client, self.known().as_deref()).await?);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&snapshot));
        drop(locked);
        Ok(snapshot)
    }

    fn is_young(&self, snapshot: &Snapshot, age_max: Duration) -> bool {
        snapshot.read_at.elapsed() < if snapshot.complete { age_max } else { age_max.min(self.settings.refresh_pause) }
    }

    fn known(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads everything. A list that GHL refuses keeps its old content: without the scope for it, records are still read, only with ids for
/// names.
async fn ask(client: &Client, known: Option<&Snapshot>) -> Result<Snapshot, ghl::Error> {
    let first = known.is_none();
    let location = optional(client, "location", client.location().await, first)?;
    let complete = location.is_some();
    let zone = location
        .as_ref()
        .map(|location| location.zone.clone())
        .or_else(|| known.map(|snapshot| snapshot.zone.clone()))
        .unwrap_or(Zone::UNKNOWN);
    if zone == Zone::UNKNOWN {
        tracing::warn!(location.id = %client.location_id(), "the time zone of the location is unknown: its local times stay text");
    }
    let company_id = location.and_then(|location| location.company_id).or_else(|| known.and_then(|snapshot| snapshot.company_id.clone()));
    let users = async {
        match &company_id {
            Some(company_id) => optional(client, "users", client.users(company_id).await, first),
            None => Ok(None),
        }
    };
    let (users, fields, calendars) = tokio::join!(users, client.custom_fields(), client.calendars());
    let before = |of: fn(&Names) -> &BTreeMap<String, String>| known.map(|snapshot| of(&snapshot.names).clone()).unwrap_or_default();
    let names = Names {
        users: users?.unwrap_or_else(|| before(|names| &names.users)),
        fields: optional(client, "custom fields", fields, first)?.unwrap_or_else(|| before(|names| &names.fields)),
        calendars: optional(client, "calendars", calendars, first)?.unwrap_or_else(|| before(|names| &names.calendars)),
    };
    Ok(Snapshot { zone, company_id, names, read_at: Instant::now(), complete })
}

/// Does without an answer that GHL refuses; fails on one that it cannot give now, but only the first time.
fn optional<T>(client: &Client, list: &str, answer: Result<T, ghl::Error>, first: bool) -> Result<Option<T>, ghl::Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if first && error.is_transient() => Err(error),
        Err(error) => {
            tracing::warn!(location.id = %client.location_id(), list, %error, "names are not refreshed");
            Ok(None)
        }
    }
}

impl<'a> ReferencedIds<'a> {
    pub(crate) fn of(observation: &'a Observation) -> Self {
        let mut ids = Self::default();
        if let Sighting::Present { contact, .. } = &observation.contact {
            ids.users.extend(contact.assigned_to.as_deref());
            ids.fields.extend(contact.custom_fields.keys().map(String::as_str));
        }
        for record in listed(observation) {
            match record {
                Record::Contact(_) => {}
                Record::Task(task) => ids.users.extend(task.assigned_to.as_deref()),
                Record::Note(note) => ids.users.extend(note.user_id.as_deref()),
                Record::Appointment(appointment) => {
                    ids.users.extend(appointment.assigned_to.as_deref());
                    ids.calendars.extend(appointment.calendar_id.as_deref());
                }
            }
        }
        ids
    }

    fn all_in(&self, names: &Names) -> bool {
        self.users.iter().all(|id| names.users.contains_key(*id))
            && self.fields.iter().all(|id| names.fields.contains_key(*id))
            && self.calendars.iter().all(|id| names.calendars.contains_key(*id))
    }

    fn pick(&self, names: &Names) -> Names {
        let pick = |ids: &BTreeSet<&str>, all: &BTreeMap<String, String>| {
            ids.iter().filter_map(|id| all.get_key_value(*id)).map(|(id, name)| (id.clone(), name.clone())).collect()
        };
        Names {
            users: pick(&self.users, &names.users),
            fields: pick(&self.fields, &names.fields),
            calendars: pick(&self.calendars, &names.calendars),
        }
    }
}

/// The records in an observation's listings.
fn listed(observation: &Observation) -> impl Iterator<Item = &Record> {
    [&observation.tasks, &observation.notes, &observation.appointments].into_iter().flat_map(|listing| {
        let (partial, complete) = match listing {
            Listing::NotAsked => (None, None),
            Listing::Partial(records) => (Some(records.iter().filter_map(|(_, record)| record.as_ref())), None),
            Listing::Complete(records) => (None, Some(records.iter().map(|(_, record)| record))),
        };
        partial.into_iter().flatten().chain(complete.into_iter().flatten())
    })
}
