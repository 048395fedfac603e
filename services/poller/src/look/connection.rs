//! A location that is connected: how it is asked, whether its token works, and how far polling has come.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chassis::Shutdown;
use domain::{LocationId, Net};
use eventlog::{EventLog, Lease, Progress};
use ghl::{Client, Lane};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::look::append::Appender;
use crate::look::names::NameBook;

pub(crate) struct Connection {
    pub(crate) location_id: LocationId,
    pub(crate) connected_at: Timestamp,
    pub(crate) client: Client,
    pub(crate) names: NameBook,
    pub(crate) appender: Appender,
    /// What gives the right to ask and to append.
    pub(crate) lease: Lease,
    /// Cancelled when the lease is given back or lost.
    pub(crate) stop: Shutdown,
    /// Rung when every contact is to be looked at again.
    pub(crate) backfill_wanted: Notify,
    refused_until: Mutex<Option<Instant>>,
    progress: tokio::sync::Mutex<()>,
}

impl Connection {
    pub(crate) fn new(
        location: &eventlog::Location,
        client: Client,
        names: NameBook,
        appender: Appender,
        lease: Lease,
        stop: Shutdown,
    ) -> Self {
        Self {
            location_id: location.location_id.clone(),
            connected_at: location.connected_at,
            client,
            names,
            appender,
            lease,
            stop,
            backfill_wanted: Notify::new(),
            refused_until: Mutex::new(None),
            progress: tokio::sync::Mutex::new(()),
        }
    }

    /// The client that asks on behalf of a net.
    pub(crate) fn client_for(&self, net: &Net) -> Client {
        self.client.on(match net {
            Net::Webhook { .. } | Net::Operator { .. } => Lane::Hints,
            Net::Poll | Net::Writer => Lane::Watch,
            Net::Sweep => Lane::Sweep,
            Net::Backfill => Lane::Backfill,
        })
    }

    /// How much longer GHL is not to be asked, because it refused the token.
    pub(crate) fn paused_for(&self) -> Option<Duration> {
        let until = (*self.refused_until.lock().unwrap_or_else(PoisonError::into_inner))?;
        until.checked_duration_since(Instant::now())
    }

    /// Notes what an answer says about the token; true when that is news. Only this location pauses.
    pub(crate) fn token_refused(&self, pause: Duration) -> bool {
        let mut until = self.refused_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.replace(Instant::now() + pause).is_none()
    }

    pub(crate) fn token_accepted(&self) -> bool {
        self.refused_until.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    /// Waits until GHL may be asked; false when it is time to stop.
    pub(crate) async fn wait_until_askable(&self, shutdown: &Shutdown) -> bool {
        while let Some(pause) = self.paused_for() {
            if !crate::context::rest(shutdown, pause).await {
                return false;
            }
        }
        !shutdown.is_cancelled()
    }

    /// Changes the saved progress. The watch and the backfill share it, so each reads before it writes, one at a time.
    pub(crate) async fn change_progress(&self, log: &EventLog, change: impl FnOnce(&mut Progress) + Send) -> eventlog::Result<Progress> {
        let turn = self.progress.lock().await;
        let mut progress = log.progress(&self.location_id).await?;
        change(&mut progress);
        log.save_progress(&self.location_id, &progress).await?;
        drop(turn);
        Ok(progress)
    }
}
