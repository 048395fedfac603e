//! What every task of the writer works with.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Message};
use chassis::{Chassis, Shutdown};
use eventlog::EventLog;
use futures::future::select;
use futures::pin_mut;

use crate::bridge::Bridge;
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
}

impl Tools {
    pub(crate) fn delay(&self, attempt: u32) -> Duration {
        self.config.retry.backoff().delay(attempt, rand::random(), None)
    }

    /// Asks the log until it answers. An outage is waited for; what the log will not take is left to another try much later.
    pub(crate) async fn insist<T, F: Future<Output = eventlog::Result<T>> + Send>(
        &self,
        doing: &'static str,
        stop: &Shutdown,
        mut ask: impl FnMut() -> F + Send,
    ) -> Result<T, Fate> {
        let mut attempt = 0;
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            attempt += 1;
            tracing::warn!(%error, attempt, doing, "the log did not answer");
            if !error.is_transient() {
                return Err(Fate::Again(self.config.retry.longest));
            }
            if !rest(stop, self.delay(attempt)).await {
                return Err(Fate::Left);
            }
        }
    }
}

/// Rests; false when it is time to stop.
pub(crate) async fn rest(stop: &Shutdown, duration: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(duration) => true,
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
