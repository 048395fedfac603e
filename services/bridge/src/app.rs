//! What every request needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::{Chassis, Shutdown};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::{Config, Limits, Page};
use crate::keys::Keys;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::{Head, Result, Root, Store};

pub(crate) type App = Arc<Parts>;

pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) page: Page,
    pub(crate) keys: Keys,
    pub(crate) live: Live,
    pub(crate) metrics: Metrics,
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) reads: Turns,
    pub(crate) writes: Turns,
    pub(crate) followers: Turns,
    pub(crate) roots: Remembered<Root>,
    pub(crate) orphans: Remembered<u64>,
    pub(crate) shutdown: Shutdown,
}

impl Parts {
    pub(crate) fn new(config: &Config, chassis: Arc<Chassis>, shutdown: Shutdown) -> Result<App> {
        let (limits, page) = (config.limits.clone(), config.page.clone());
        Ok(Arc::new(Self {
            store: Store::new(&config.database)?,
            keys: Keys::new(limits.keys_refresh),
            live: Live::default(),
            metrics: Metrics::new(),
            chassis,
            reads: Turns::new(limits.reads_in_flight_max.get(), limits.turn_timeout),
            writes: Turns::new(limits.writes_in_flight_max.get(), limits.turn_timeout),
            followers: Turns::new(page.followers_max.get(), Duration::ZERO),
            roots: Remembered::default(),
            orphans: Remembered::default(),
            limits,
            page,
            shutdown,
        }))
    }
}

/// So many at a time; who waits too long is sent away.
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    patience: Duration,
}

impl Turns {
    fn new(most: usize, patience: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))), patience }
    }

    pub(crate) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(permit);
        }
        let waited = tokio::time::timeout(self.patience, Arc::clone(&self.free).acquire_owned()).await;
        waited.ok().and_then(std::result::Result::ok)
    }
}

/// When a workspace was created, and the position it was seen at.
type Seen = (i64, u64);

/// What was last computed of each workspace, so that asking again costs nothing while nothing changes.
pub(crate) struct Remembered<T> {
    computed: Mutex<HashMap<String, (Seen, T)>>,
    computing: tokio::sync::Mutex<()>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { computed: Mutex::default(), computing: tokio::sync::Mutex::default() }
    }
}

impl<T: Clone> Remembered<T> {
    /// Of a workspace that was seen with this head: of then, or of later.
    pub(crate) async fn of<F: Future<Output = Result<T>>>(&self, head: &Head, compute: impl FnOnce() -> F) -> Result<T> {
        if let Some(known) = self.known(head) {
            return Ok(known);
        }
        // One at a time: it reads the whole workspace.
        let _computing = self.computing.lock().await;
        if let Some(known) = self.known(head) {
            return Ok(known);
        }
        let computed = compute().await?;
        let mut all = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(head.workspace.clone(), ((head.created_at, head.position), computed.clone()));
        Ok(computed)
    }

    fn known(&self, head: &Head) -> Option<T> {
        let all = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(created_at, position): Seen| created_at == head.created_at && position >= head.position;
        all.get(&head.workspace).filter(|(seen, _)| fits(*seen)).map(|(_, known)| known.clone())
    }
}
