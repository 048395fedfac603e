//! What every task of the mapper works with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::{Bus, Message};
use chassis::tasks::sleep;
use chassis::{Chassis, Shutdown};
use domain::{Rules, RulesRevision};
use eventlog::EventLog;
use futures::future::{Either, select};
use futures::pin_mut;

use crate::config::Config;
use crate::metrics::Metrics;

pub(crate) struct Tools {
    pub(crate) config: Config,
    /// Those that it was started with: followed by workspaces without rules of their own.
    pub(crate) rules: Arc<Rules>,
    pub(crate) rules_text: String,
    /// Those of workspaces that have their own.
    pub(crate) known_rules: Mutex<BTreeMap<RulesRevision, Arc<Rules>>>,
    pub(crate) log: EventLog,
    pub(crate) bus: Bus,
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) metrics: Metrics,
}

impl Tools {
    pub(crate) fn delay(&self, failures: u32) -> Duration {
        self.config.retry.backoff().delay(failures, rand::random(), None)
    }

    /// Asks the log until it answers; nothing when it is time to stop first. What only a person can put right is waited for, too.
    pub(crate) async fn insist<T, F: Future<Output = eventlog::Result<T>>>(
        &self,
        doing: &'static str,
        stop: &Shutdown,
        ask: impl Fn() -> F,
    ) -> Option<T> {
        let mut failures = 0;
        loop {
            let error = match ask().await {
                Ok(answer) => {
                    self.chassis.ready("keys", Ok(()));
                    return Some(answer);
                }
                Err(error) => error,
            };
            failures += 1;
            tracing::warn!(%error, failures, doing, "the log does not answer as it should");
            self.chassis.ready("keys", Err(error.to_string()));
            if !sleep(stop, self.delay(failures)).await {
                return None;
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
        Either::Left((done, _)) => done,
        Either::Right((never, _)) => never,
    }
}
