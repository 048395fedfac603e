//! What every request needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
    computed: Mutex<HashMap<String, Computed<T>>>,
    computing: tokio::sync::Mutex<()>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { computed: Mutex::default(), computing: tokio::sync::Mutex::default() }
    }
}

struct Computed<T> {
    seen: Seen,
    at: Instant,
    took: Duration,
    value: T,
}

/// In a workspace of so many objects what may be a little old is used for so many times as long as it took to compute.
const LARGE_OBJECTS: u64 = 20_000;
const USED_FOR: u32 = 10;

impl<T: Clone> Remembered<T> {
    /// Of a workspace that was seen with this head, or a little earlier where it is large: a page that is asked for after every
    /// change must not read the whole workspace each time.
    pub(crate) async fn of_lately<F: Future<Output = Result<T>>>(&self, head: &Head, compute: impl FnOnce() -> F) -> Result<T> {
        let lately = {
            let all = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
            let is_large = head.objects() >= LARGE_OBJECTS;
            let fits = |known: &&Computed<T>| is_large && known.seen.0 == head.created_at && known.at.elapsed() < known.took * USED_FOR;
            all.get(&head.workspace).filter(fits).map(|known| known.value.clone())
        };
        match lately {
            Some(value) => Ok(value),
            None => self.of(head, compute).await,
        }
    }

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
        let begun = Instant::now();
        let value = compute().await?;
        let mut all = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, at) = ((head.created_at, head.position), Instant::now());
        all.insert(head.workspace.clone(), Computed { seen, at, took: at - begun, value: value.clone() });
        Ok(value)
    }

    fn known(&self, head: &Head) -> Option<T> {
        let all = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(created_at, position): Seen| created_at == head.created_at && position >= head.position;
        all.get(&head.workspace).filter(|known| fits(known.seen)).map(|known| known.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(position: u64) -> Head {
        Head { workspace: "w".to_owned(), position, created_at: 1, counts: [LARGE_OBJECTS, 0, 0, 0, 0] }
    }

    #[tokio::test]
    async fn what_took_long_is_used_a_little_longer_and_never_for_another_workspace_of_the_name() {
        let remembered = Remembered::default();
        let slow = async |value: u64| {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(value)
        };
        assert_eq!(remembered.of_lately(&head(1), || slow(1)).await.unwrap(), 1);
        assert_eq!(remembered.of_lately(&head(2), || slow(2)).await.unwrap(), 1, "within ten times as long");
        assert_eq!(remembered.of(&head(2), || slow(2)).await.unwrap(), 2, "who must know is told the truth");
        assert_eq!(remembered.of_lately(&Head { created_at: 2, ..head(0) }, || slow(3)).await.unwrap(), 3);
        let small = Head { counts: [1, 0, 0, 0, 0], created_at: 2, ..head(1) };
        assert_eq!(remembered.of_lately(&small, || slow(4)).await.unwrap(), 4, "a small one is read again");
    }
}
