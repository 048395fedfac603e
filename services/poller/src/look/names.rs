//! The names of what records refer to, and the zone of the location: kept for a while, refreshed when an id is met that has none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use domain::{Listing, Names, Observation, Record, Sighting};
use ghl::{Client, Zone};

use crate::config::NameSettings;

/// The names of one location.
pub(crate) struct NameBook {
    settings: NameSettings,
    page: RwLock<Option<Arc<Page>>>,
    /// Held while GHL is asked, so that it is asked once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Page {
    zone: Zone,
    company_id: Option<String>,
    names: Names,
    read_at: Instant,
    /// Whether the location itself was told; without its zone the page is only good until GHL may be asked again.
    complete: bool,
}

/// Ids that a look met.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mentioned<'a> {
    users: BTreeSet<&'a str>,
    fields: BTreeSet<&'a str>,
    calendars: BTreeSet<&'a str>,
}

impl NameBook {
    pub(crate) fn new(settings: NameSettings) -> Self {
        Self { settings, page: RwLock::new(None), asking: tokio::sync::Mutex::new(()) }
    }

    /// The zone of the location; the unknown one when GHL does not tell or name a real one.
    ///
    /// # Errors
    /// Only when nothing is known yet and GHL cannot be asked now.
    pub(crate) async fn zone(&self, client: &Client) -> Result<Zone, ghl::Error> {
        Ok(self.fresh(client, self.settings.lifetime).await?.zone.clone())
    }

    /// The ids of the location's calendars, in order; none when GHL does not tell.
    ///
    /// # Errors
    /// As `zone`.
    pub(crate) async fn calendars(&self, client: &Client) -> Result<Vec<String>, ghl::Error> {
        Ok(self.fresh(client, self.settings.lifetime).await?.names.calendars.keys().cloned().collect())
    }

    /// The names of what was mentioned, after another look at GHL's lists if one of them has none.
    ///
    /// # Errors
    /// As `zone`.
    pub(crate) async fn names(&self, client: &Client, mentioned: &Mentioned<'_>) -> Result<Names, ghl::Error> {
        let mut page = self.fresh(client, self.settings.lifetime).await?;
        if !mentioned.all_in(&page.names) {
            page = self.fresh(client, self.settings.refresh_pause).await?;
        }
        Ok(mentioned.pick(&page.names))
    }

    /// What is known, if it is younger than `age_max`, or what GHL says now. Whoever finds GHL being asked goes on with what is old.
    async fn fresh(&self, client: &Client, age_max: Duration) -> Result<Arc<Page>, ghl::Error> {
        let known = self.known();
        if let Some(page) = known.as_ref().filter(|page| self.is_young(page, age_max)) {
            return Ok(Arc::clone(page));
        }
        let turn = match (self.asking.try_lock(), &known) {
            (Ok(turn), _) => turn,
            (Err(_), Some(page)) => return Ok(Arc::clone(page)),
            (Err(_), None) => self.asking.lock().await,
        };
        // Another may have asked while this one waited.
        if let Some(page) = self.known().filter(|page| self.is_young(page, age_max)) {
            return Ok(page);
        }
        let page = Arc::new(ask(client, self.known().as_deref()).await?);
        *self.page.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&page));
        drop(turn);
        Ok(page)
    }

    fn is_young(&self, page: &Page, age_max: Duration) -> bool {
        page.read_at.elapsed() < if page.complete { age_max } else { age_max.min(self.settings.refresh_pause) }
    }

    fn known(&self) -> Option<Arc<Page>> {
        self.page.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Asks for everything. A list that GHL will not give keeps what was known of it: without a scope for it, records still come, only with
/// ids for names.
async fn ask(client: &Client, known: Option<&Page>) -> Result<Page, ghl::Error> {
    let first = known.is_none();
    let location = unless_needed(client, "location", client.location().await, first)?;
    let complete = location.is_some();
    let zone =
        location.as_ref().map(|location| location.zone.clone()).or_else(|| known.map(|page| page.zone.clone())).unwrap_or(Zone::UNKNOWN);
    if zone == Zone::UNKNOWN {
        tracing::warn!(location.id = %client.location_id(), "the time zone of the location is unknown: its local times stay text");
    }
    let company_id = location.and_then(|location| location.company_id).or_else(|| known.and_then(|page| page.company_id.clone()));
    let users = async {
        match &company_id {
            Some(company_id) => unless_needed(client, "users", client.users(company_id).await, first),
            None => Ok(None),
        }
    };
    let (users, fields, calendars) = tokio::join!(users, client.custom_fields(), client.calendars());
    let before = |of: fn(&Names) -> &BTreeMap<String, String>| known.map(|page| of(&page.names).clone()).unwrap_or_default();
    let names = Names {
        users: users?.unwrap_or_else(|| before(|names| &names.users)),
        fields: unless_needed(client, "custom fields", fields, first)?.unwrap_or_else(|| before(|names| &names.fields)),
        calendars: unless_needed(client, "calendars", calendars, first)?.unwrap_or_else(|| before(|names| &names.calendars)),
    };
    Ok(Page { zone, company_id, names, read_at: Instant::now(), complete })
}

/// Does without an answer that GHL will not give; waits for one that it cannot give now, but only the first time.
fn unless_needed<T>(client: &Client, list: &str, answer: Result<T, ghl::Error>, first: bool) -> Result<Option<T>, ghl::Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if first && error.is_transient() => Err(error),
        Err(error) => {
            tracing::warn!(location.id = %client.location_id(), list, %error, "names are not refreshed");
            Ok(None)
        }
    }
}

impl<'a> Mentioned<'a> {
    pub(crate) fn by(observation: &'a Observation) -> Self {
        let mut mentioned = Self::default();
        if let Sighting::Present { contact, .. } = &observation.contact {
            mentioned.users.extend(contact.assigned_to.as_deref());
            mentioned.fields.extend(contact.custom_fields.keys().map(String::as_str));
        }
        for record in listed(observation) {
            match record {
                Record::Contact(_) => {}
                Record::Task(task) => mentioned.users.extend(task.assigned_to.as_deref()),
                Record::Note(note) => mentioned.users.extend(note.user_id.as_deref()),
                Record::Appointment(appointment) => {
                    mentioned.users.extend(appointment.assigned_to.as_deref());
                    mentioned.calendars.extend(appointment.calendar_id.as_deref());
                }
            }
        }
        mentioned
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
