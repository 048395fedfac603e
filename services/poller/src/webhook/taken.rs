//! Which webhooks were taken, so that one that GHL repeats becomes no second hint: in this process, on the bus, and in the database.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::Shutdown;
use chassis::tasks::sleep;
use eventlog::WebhookDigest;
use jiff::Timestamp;

use crate::context::Context;

/// The bus drops what it was given twice within two minutes, whichever replica gives it. Only what was sent longer ago than this can have
/// been taken before that.
const BUS_REMEMBERS: Duration = Duration::from_secs(60);
/// How often those that were taken are written down, all of them in one statement, and how often those too old to come again are forgotten.
const WRITTEN_EVERY: Duration = Duration::from_secs(1);
const FORGOTTEN_EVERY: Duration = Duration::from_secs(3_600);

pub(crate) struct Taken {
    recent: Mutex<Recent>,
}

impl Taken {
    pub(crate) fn new(recent_max: usize) -> Self {
        Self { recent: Mutex::new(Recent { max: recent_max, ..Recent::default() }) }
    }

    /// Whether this webhook was taken before. Where the database does not say, it counts as new: a second look does no harm.
    pub(super) async fn contains(&self, context: &Context, digest: WebhookDigest, sent_at: Option<Timestamp>) -> bool {
        if self.recent().digests.contains(&digest) {
            return true;
        }
        let age = sent_at.map(|sent_at| Duration::try_from(Timestamp::now().duration_since(sent_at)).unwrap_or_default());
        if age.is_some_and(|age| age < BUS_REMEMBERS) {
            return false;
        }
        context.log.webhooks().was_taken(digest).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "whether a webhook was taken before is not known");
            false
        })
    }

    pub(super) fn insert(&self, digest: WebhookDigest) {
        self.recent().insert(digest);
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down which webhooks were taken, for the other replicas and for later, until it is time to stop.
pub(crate) async fn run(context: Arc<Context>, taken: Arc<Taken>, stop: Shutdown) -> anyhow::Result<()> {
    let mut forgotten_at = None::<tokio::time::Instant>;
    loop {
        let goes_on = sleep(&stop, WRITTEN_EVERY).await;
        let fresh = std::mem::take(&mut taken.recent().unwritten);
        if !fresh.is_empty()
            && let Err(error) = context.log.webhooks().remember(&fresh).await
        {
            tracing::debug!(%error, "which webhooks were taken could not be written down");
        }
        if forgotten_at.is_none_or(|at| at.elapsed() >= FORGOTTEN_EVERY) {
            forgotten_at = Some(tokio::time::Instant::now());
            if let Err(error) = context.log.webhooks().forget(*context.config.webhooks.age_max).await {
                tracing::debug!(%error, "old webhooks could not be forgotten");
            }
        }
        if !goes_on {
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Recent {
    digests: HashSet<WebhookDigest>,
    order: VecDeque<WebhookDigest>,
    /// Not in the database yet.
    unwritten: Vec<WebhookDigest>,
    max: usize,
}

impl Recent {
    fn insert(&mut self, digest: WebhookDigest) {
        if !self.digests.insert(digest) {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
        if self.unwritten.len() < self.max {
            self.unwritten.push(digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_webhooks_are_remembered_here() {
        let taken = Taken::new(2);
        let [a, b, c] = ["a", "b", "c"].map(WebhookDigest::of);
        for digest in [a, b, b, c] {
            taken.insert(digest);
        }
        let recent = taken.recent();
        assert!(!recent.digests.contains(&a) && recent.digests.contains(&b) && recent.digests.contains(&c));
        assert_eq!((recent.digests.len(), recent.order.len(), recent.unwritten.len()), (2, 2, 2));
    }
}
