//! A location while this replica holds its lease: its client, whether its token is accepted, and how far polling has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::{LocationId, Net};
use eventlog::{KnownRecords, Lease, Passes, Progress};
use ghl::{Client, Lane};
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::app::access::Pause;
use crate::config::Config;
use crate::look::absence::Absences;
use crate::look::append::Appender;
use crate::look::bulk::Bulk;
use crate::look::names::NameCache;
use crate::look::owed::Owed;
use crate::look::refuted::Refuted;

pub(crate) struct Connection {
    pub(crate) location_id: LocationId,
    pub(crate) connected_at: Timestamp,
    pub(crate) client: Client,
    pub(crate) names: NameCache,
    pub(crate) appender: Appender,
    pub(crate) absences: Absences,
    pub(crate) refuted: Refuted,
    pub(crate) owed: Owed,
    /// Notified when GHL allows something that it refused.
    pub(crate) allowed: Notify,
    pub(crate) bulk: Bulk,
    /// The permission to call GHL and to append.
    pub(crate) lease: Lease,
    /// Cancelled when the lease is given back or lost.
    pub(crate) stop: Shutdown,
    /// Notified when every contact is to be looked at again.
    pub(crate) backfill_wanted: Notify,
    /// Notified when a person asks to look again.
    pub(crate) resync_wanted: Notify,
    /// Held by whoever goes through the lists of the whole location for the sweep: a second one would only spend calls.
    pub(crate) sweeping: tokio::sync::Mutex<()>,
    /// Notified when the sweep is to give way to a person's request; what it leaves open is resumed.
    pub(crate) sweep_gives_way: Notify,
    paused: Mutex<Option<Paused>>,
    /// Moves when what waits for the end of a pause is to ask again at once.
    tries: watch::Sender<()>,
    progress: tokio::sync::Mutex<()>,
}

/// A location that is not asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paused {
    pub(crate) why: Pause,
    pub(crate) since: Timestamp,
    until: Instant,
}

impl Connection {
    pub(crate) fn new(
        location: &eventlog::Location,
        config: &Config,
        log: &KnownRecords,
        client: Client,
        appender: Appender,
        lease: Lease,
        stop: Shutdown,
    ) -> Self {
        Self {
            location_id: location.location_id.clone(),
            connected_at: location.connected_at,
            client,
            names: NameCache::new(config.names.clone(), location.location_id.clone(), log.clone()),
            appender,
            absences: Absences::default(),
            refuted: Refuted::new(config.refuted.clone()),
            owed: Owed::new(config.scopes.owed_max),
            allowed: Notify::new(),
            bulk: Bulk::new(config.watch.bulk_min.get(), config.watch.bulk_within, config.watch.bulk_later_max),
            lease,
            stop,
            backfill_wanted: Notify::new(),
            resync_wanted: Notify::new(),
            sweeping: tokio::sync::Mutex::new(()),
            sweep_gives_way: Notify::new(),
            paused: Mutex::new(None),
            tries: watch::Sender::new(()),
            progress: tokio::sync::Mutex::new(()),
        }
    }

    /// A client whose calls count against the budget of the net's lane.
    pub(crate) fn client_for(&self, net: &Net) -> Client {
        self.client.on(match net {
            Net::Webhook { .. } | Net::Operator { .. } => Lane::Hints,
            Net::Poll | Net::Writer => Lane::Watch,
            Net::Sweep => Lane::Sweep,
            Net::Backfill => Lane::Backfill,
        })
    }

    /// Why this location is paused, until GHL answers again.
    pub(crate) fn paused(&self) -> Option<Paused> {
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much longer this location is not asked.
    pub(crate) fn paused_for(&self) -> Option<Duration> {
        self.paused()?.until.checked_duration_since(Instant::now())
    }

    /// Pauses this location; true when it was not paused for this reason before.
    pub(crate) fn pause(&self, why: Pause, pause: Duration) -> bool {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        let before = paused.filter(|before| before.why == why);
        let since = before.map_or_else(Timestamp::now, |before| before.since);
        *paused = Some(Paused { why, since, until: Instant::now() + pause });
        before.is_none()
    }

    /// Ends the pause; true when there was one.
    pub(crate) fn resume(&self) -> bool {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    /// Has the location asked at once, although its pause is not over: it has another token.
    pub(crate) fn try_again(&self) {
        if let Some(paused) = &mut *self.paused.lock().unwrap_or_else(PoisonError::into_inner) {
            paused.until = Instant::now();
        }
        self.tries.send_replace(());
    }

    /// Waits until the location is to be asked again before its pause is over.
    pub(crate) async fn tried_again(&self) {
        // The sender is here as long as its receivers.
        self.tries.subscribe().changed().await.ok();
    }

    /// Waits for so long, or until the location is to be asked again; false when it is time to stop.
    pub(crate) async fn sleep(&self, stop: &Shutdown, pause: Duration) -> bool {
        tokio::select! {
            slept = sleep(stop, pause) => slept,
            () = self.tried_again() => !stop.is_cancelled(),
        }
    }

    /// Waits until the location is not paused; false when it is time to stop.
    pub(crate) async fn wait_until_askable(&self, stop: &Shutdown) -> bool {
        while let Some(pause) = self.paused_for() {
            if !self.sleep(stop, pause).await {
                return false;
            }
        }
        !stop.is_cancelled()
    }

    /// Changes the saved progress. The watch and the backfill share it, so each reads before it writes, one at a time.
    pub(crate) async fn change_progress(&self, passes: &Passes, change: impl FnOnce(&mut Progress) + Send) -> eventlog::Result<Progress> {
        let locked = self.progress.lock().await;
        let mut progress = passes.progress(&self.location_id).await?;
        change(&mut progress);
        passes.save_progress(&self.location_id, &progress).await?;
        drop(locked);
        Ok(progress)
    }
}

/// The locations whose leases this replica holds now.
#[derive(Default)]
pub(crate) struct Connections(RwLock<BTreeMap<LocationId, Arc<Connection>>>);

impl Connections {
    pub(crate) fn insert(&self, connection: Arc<Connection>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(connection.location_id.clone(), connection);
    }

    pub(crate) fn remove(&self, location_id: &LocationId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(location_id);
    }

    pub(crate) fn get(&self, location_id: &LocationId) -> Option<Arc<Connection>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(location_id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
