//! Leave to work: how many requests are worked on at the same time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many at a time; who waits too long is sent away.
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    patience: Duration,
}

impl Turns {
    pub(super) fn new(most: usize, patience: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))), patience }
    }

    pub(crate) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(permit);
        }
        let waited = tokio::time::timeout(self.patience, Arc::clone(&self.free).acquire_owned()).await;
        waited.ok().and_then(Result::ok)
    }
}
