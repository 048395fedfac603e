//! A cache of the names of what records refer to, and of the location's time zone; refreshed early when an id has no name yet. An id that has
//! none after that belongs to nobody known: the next refresh that is due anyway tells whether it does meanwhile. What GHL gave last is kept in the
//! log's database: where it refuses a list when this service starts, records go on to show the names that they had.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use domain::{LocationId, Names, References};
use eventlog::{KnownRecords, Premises};
use ghl::{Client, Zone};
use tokio::sync::OnceCell;

use crate::config::NameSettings;

/// The names of one location.
pub(crate) struct NameCache {
    settings: NameSettings,
    location_id: LocationId,
    log: KnownRecords,
    /// What GHL gave last to whoever looked after the location before.
    inherited: OnceCell<Option<Snapshot>>,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    /// Locked while GHL is asked, so that it is asked only once at a time.
    asking: tokio::sync::Mutex<()>,
    /// When the names were read that were carried to the records last.
    followed_at: Mutex<Option<Instant>>,
    /// The ids that had no name, and since when.
    nameless: Mutex<BTreeMap<String, Instant>>,
}

#[derive(Debug)]
struct Snapshot {
    zone: Zone,
    company_id: Option<String>,
    names: Names,
    read_at: Instant,
    /// When GHL was last asked for everything and did not fail in passing.
    asked_at: Instant,
    /// Whether GHL gave the location itself. Without its zone the snapshot is refreshed as soon as GHL may be asked again.
    complete: bool,
    /// Whether GHL has ever given the calendars.
    has_calendars: bool,
}

impl NameCache {
    pub(crate) fn new(settings: NameSettings, location_id: LocationId, log: KnownRecords) -> Self {
        Self {
            settings,
            location_id,
            log,
            inherited: OnceCell::new(),
            snapshot: RwLock::new(None),
            asking: tokio::sync::Mutex::new(()),
            followed_at: Mutex::default(),
            nameless: Mutex::default(),
        }
    }

    /// The time zone of the location; `Zone::UNKNOWN` when GHL gives none or an invalid one.
    ///
    /// # Errors
    /// Only when nothing is known yet and GHL cannot be asked now.
    pub(crate) async fn zone(&self, client: &Client) -> Result<Zone, ghl::Error> {
        Ok(self.fresh(client, self.settings.lifetime).await?.zone.clone())
    }

    /// The ids of the location's calendars, in order.
    ///
    /// # Errors
    /// When GHL has never given them, and does not now.
    pub(crate) async fn calendars(&self, client: &Client) -> Result<Vec<String>, ghl::Error> {
        let mut snapshot = self.fresh(client, self.settings.lifetime).await?;
        if !snapshot.has_calendars {
            snapshot = self.fresh(client, self.settings.refresh_pause).await?;
        }
        if snapshot.has_calendars {
            return Ok(snapshot.names.calendars.keys().cloned().collect());
        }
        Ok(client.calendars().await?.into_keys().collect())
    }

    /// Reads everything again, unless it was read just before.
    ///
    /// # Errors
    /// As `zone`.
    pub(crate) async fn refreshed(&self, client: &Client) -> Result<(), ghl::Error> {
        self.fresh(client, self.settings.refresh_pause).await.map(drop)
    }

    /// The names of these ids. When one has no name yet, GHL's lists are read again first.
    ///
    /// # Errors
    /// As `zone`.
    pub(crate) async fn names(&self, client: &Client, ids: &References<'_>) -> Result<Names, ghl::Error> {
        let mut snapshot = self.fresh(client, self.settings.lifetime).await?;
        if self.lacks_news(&snapshot, ids) {
            snapshot = self.fresh(client, self.settings.refresh_pause).await?;
        }
        Ok(snapshot.names.only(ids))
    }

    /// The names and when they were read, unless those were followed already.
    pub(crate) fn to_follow(&self) -> Option<(Names, Instant)> {
        let snapshot = self.known()?;
        let followed_at = *self.followed_at.lock().unwrap_or_else(PoisonError::into_inner);
        (followed_at != Some(snapshot.read_at)).then(|| (snapshot.names.clone(), snapshot.read_at))
    }

    /// The names that were read then are shown by all records.
    pub(crate) fn follow(&self, read_at: Instant) {
        *self.followed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(read_at);
    }

    /// Whether GHL has not been asked yet since one of these ids was seen to have no name.
    fn lacks_news(&self, snapshot: &Snapshot, ids: &References<'_>) -> bool {
        let nameless = snapshot.names.without(ids);
        if nameless.is_empty() {
            return false;
        }
        let now = Instant::now();
        let mut known = self.nameless.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.settings.nameless_max.get() {
            known.clear();
        }
        let since = nameless.into_iter().map(|id| *known.entry(id.to_owned()).or_insert(now)).max();
        since.is_some_and(|since| since >= snapshot.asked_at)
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
        let known = self.known();
        let before = match &known {
            Some(snapshot) => Some(snapshot.as_ref()),
            None => self.inherited().await,
        };
        let snapshot = Arc::new(ask(client, before).await?);
        if before.is_none_or(|before| before.premises() != snapshot.premises()) {
            self.keep(&snapshot).await;
        }
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&snapshot));
        drop(locked);
        Ok(snapshot)
    }

    async fn inherited(&self) -> Option<&Snapshot> {
        let load = async || match self.log.premises(&self.location_id).await {
            Ok(kept) => kept.map(Snapshot::from),
            Err(error) => {
                tracing::warn!(location.id = %self.location_id, %error, "the names that were known before cannot be read");
                None
            }
        };
        self.inherited.get_or_init(load).await.as_ref()
    }

    async fn keep(&self, snapshot: &Snapshot) {
        // It is read from GHL again after the next start, too.
        if let Err(error) = self.log.keep_premises(&self.location_id, &snapshot.premises()).await {
            tracing::warn!(location.id = %self.location_id, %error, "the names cannot be kept");
        }
    }

    fn is_young(&self, snapshot: &Snapshot, age_max: Duration) -> bool {
        snapshot.read_at.elapsed() < if snapshot.complete { age_max } else { age_max.min(self.settings.refresh_pause) }
    }

    fn known(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<Premises> for Snapshot {
    fn from(Premises { names, time_zone, company_id }: Premises) -> Self {
        let zone = time_zone.as_deref().map_or(Zone::UNKNOWN, Zone::named);
        let (now, has_calendars) = (Instant::now(), !names.calendars.is_empty());
        Self { zone, company_id, names, read_at: now, asked_at: now, complete: false, has_calendars }
    }
}

impl Snapshot {
    fn premises(&self) -> Premises {
        Premises { names: self.names.clone(), time_zone: self.zone.name().map(str::to_owned), company_id: self.company_id.clone() }
    }
}

/// Reads everything. A list that GHL refuses keeps its old content: without the scope for it, records are still read, with ids instead
/// of names.
async fn ask(client: &Client, known: Option<&Snapshot>) -> Result<Snapshot, ghl::Error> {
    let asked_at = Instant::now();
    let failed = Failed { first: known.is_none(), in_passing: AtomicBool::new(false) };
    let location = optional(client, "location", client.location().await, &failed)?;
    let complete = location.is_some();
    let zone = location
        .as_ref()
        .map(|location| location.zone.clone())
        .or_else(|| known.map(|snapshot| snapshot.zone.clone()))
        .unwrap_or(Zone::UNKNOWN);
    if zone == Zone::UNKNOWN {
        tracing::warn!(location.id = %client.location_id(), "time zone of the location unknown, local times are kept as text");
    }
    let company_id = location.and_then(|location| location.company_id).or_else(|| known.and_then(|snapshot| snapshot.company_id.clone()));
    let users = async {
        match &company_id {
            Some(company_id) => optional(client, "users", client.users(company_id).await, &failed),
            None => Ok(None),
        }
    };
    let (users, fields, calendars) = tokio::join!(users, client.custom_fields(), client.calendars());
    let before = |of: fn(&Names) -> &BTreeMap<String, String>| known.map(|snapshot| of(&snapshot.names).clone()).unwrap_or_default();
    let fields = optional(client, "custom fields", fields, &failed)?.unwrap_or_else(|| {
        let known = known.map(|snapshot| snapshot.names.clone()).unwrap_or_default();
        ghl::CustomFields { names: known.fields, types: known.field_types, labels: known.field_labels }
    });
    let users = users?;
    let calendars = optional(client, "calendars", calendars, &failed)?;
    let has_calendars = calendars.is_some() || known.is_some_and(|snapshot| snapshot.has_calendars);
    let names = Names {
        users: users.unwrap_or_else(|| before(|names| &names.users)),
        fields: fields.names,
        field_types: fields.types,
        field_labels: fields.labels,
        calendars: calendars.unwrap_or_else(|| before(|names| &names.calendars)),
    };
    let before = known.filter(|_| failed.in_passing.into_inner());
    let asked_at = before.map_or(asked_at, |before| before.asked_at);
    Ok(Snapshot { zone, company_id, names, read_at: Instant::now(), asked_at, complete, has_calendars })
}

/// What a failed answer means for a refresh.
struct Failed {
    /// Nothing is known yet.
    first: bool,
    /// Whether one failed that may be given the next time.
    in_passing: AtomicBool,
}

/// Treats a failed answer as missing. Only a transient failure of the first read is an error.
fn optional<T>(client: &Client, list: &str, answer: Result<T, ghl::Error>, failed: &Failed) -> Result<Option<T>, ghl::Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if failed.first && error.is_transient() => Err(error),
        Err(error) => {
            tracing::warn!(location.id = %client.location_id(), list, %error, "names could not be refreshed");
            failed.in_passing.fetch_or(error.is_transient(), Ordering::Relaxed);
            Ok(None)
        }
    }
}
