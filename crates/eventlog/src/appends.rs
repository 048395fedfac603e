//! Waking whoever waits for new events.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells this process that something was appended. Clones tell the same listeners.
#[derive(Clone)]
pub(crate) struct Appended(Arc<watch::Sender<u64>>);

impl Appended {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// Wakes the listeners when there are new events.
    pub(crate) fn notify(&self, events: usize) {
        if events > 0 {
            self.0.send_modify(|appends| *appends = appends.wrapping_add(1));
        }
    }

    pub(crate) fn listen(&self) -> Appends {
        Appends(self.0.subscribe())
    }
}

/// Wakes whoever waits for new events of this process.
pub struct Appends(watch::Receiver<u64>);

impl Appends {
    /// Returns at once when something was appended, by this `EventLog` or a clone, since the last call; otherwise waits for it.
    /// Appends of other processes are not noticed: also look from time to time. Cancellation safe.
    pub async fn wait_for_append(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
