//! What every task of the writer works with.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Message};
use chassis::tasks::sleep;
use chassis::{Chassis, Shutdown};
use eventlog::EventLog;
use futures::future::select;
use futures::pin_mut;
use pagico::Bridge;
use tokio::sync::watch;

use crate::config::Config;
use crate::fate::Fate;
use crate::metrics::Metrics;

pub(crate) struct Tools {
    pub(crate) config: Config,
    pub(crate) log: EventLog,
    pub(crate) bus: Bus,
    pub(crate) bridge: Bridge,
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) metrics: Metrics,
    /// How many batches of the live lane are in hand.
    pub(crate) live_batches: watch::Sender<usize>,
}

/// Why the log did not take something.
#[derive(Debug)]
pub(crate) enum Unheard {
    /// It was time to stop before it answered.
    Stopped,
    Refused(eventlog::Error),
}

impl Tools {
    /// What becomes of messages that the log did not hear of: what it refuses is tried again much later.
    pub(crate) fn fate(&self, unheard: &Unheard) -> Fate {
        match unheard {
            Unheard::Stopped => Fate::Left,
            Unheard::Refused(_) => Fate::Again(self.config.retry.longest),
        }
    }

    pub(crate) fn delay(&self, attempt: u32) -> Duration {
        self.config.retry.backoff().delay(attempt, rand::random(), None)
    }

    /// Asks the log until it answers. An outage is waited for.
    pub(crate) async fn insist<T, F: Future<Output = eventlog::Result<T>> + Send>(
        &self,
        doing: &'static str,
        stop: &Shutdown,
        mut ask: impl FnMut() -> F + Send,
    ) -> Result<T, Unheard> {
        let mut attempt = 0;
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            attempt += 1;
            tracing::warn!(%error, attempt, doing, "the log did not answer");
            if !error.is_transient() {
                return Err(Unheard::Refused(error));
            }
            if !sleep(stop, self.delay(attempt)).await {
                return Err(Unheard::Stopped);
            }
        }
    }
}

/// Does the work, and tells the bus meanwhile that the messages are still in hand.
pub(crate) async fn in_hand<T>(messages: &[Message], every: Duration, work: impl Future<Output = T>) -> T {
    let telling = async {
        loop {
            tokio::time::sleep(every).await;
            for message in messages {
                if let Err(error) = message.extend().await {
                    tracing::debug!(%error, "could not keep a message in hand");
                    break;
                }
            }
        }
    };
    pin_mut!(telling, work);
    match select(work, telling).await {
        futures::future::Either::Left((done, _)) => done,
        futures::future::Either::Right((never, _)) => never,
    }
}
