//! Permits: how many requests are worked on at the same time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limited number of permits. Waiting longer than the time-out gives none.
pub(crate) struct Permits {
    free: Arc<Semaphore>,
    timeout: Duration,
}

impl Permits {
    pub(super) fn new(most: usize, timeout: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))), timeout }
    }

    pub(crate) async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(permit);
        }
        let waited = tokio::time::timeout(self.timeout, Arc::clone(&self.free).acquire_owned()).await;
        waited.ok().and_then(Result::ok)
    }
}
