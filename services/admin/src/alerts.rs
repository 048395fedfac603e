//! Tells a person what needs one: once when a condition is raised and once when it is resolved.
//!
//! - `condition`: what can be the matter, and what to do about it
//! - `finding`: what is the matter now
//! - `turn`: whether this replica does it
//! - `telling`, `message`: over which channel it is told, and how
//! - `metrics`: the open alerts for Prometheus

pub(crate) mod condition;
pub(crate) mod finding;
mod message;
mod metrics;
mod telling;
mod turn;

use std::time::Duration;

use chassis::tasks::sleep;
use chassis::{Chassis, Shutdown};
use eventlog::Alerts;
use jiff::Timestamp;
use notifier::Channel;

use self::finding::{Facts, Found};
use self::metrics::{Metrics, Shown};
use self::telling::Teller;
use self::turn::Turn;
use crate::config::AlertSettings;

/// Alerts that are shown as metrics at most.
const SHOWN_MAX: u32 = 10_000;

/// Finds out and tells while it has the turn.
pub(crate) struct Watcher {
    turn: Turn,
    alerts: Alerts,
    facts: Facts,
    teller: Teller,
    metrics: Metrics,
    shown: Shown,
    resolved_after: Duration,
}

impl Watcher {
    /// # Errors
    /// Only what a person has to correct: a file that cannot be read, an address that is none.
    pub(crate) fn new(chassis: &Chassis, facts: Facts, settings: AlertSettings) -> anyhow::Result<Self> {
        let channels = Channel::all(&settings.webhook, &settings.mail)?;
        let metrics = chassis.register(Metrics::new);
        let (ttl, resolved_after) = (*settings.lease, settings.resolved_after);
        let alerts = facts.alerts.clone();
        let teller = Teller::new(alerts.clone(), settings, channels, metrics.clone());
        let turn = Turn::new(alerts.clone(), ttl);
        Ok(Self { turn, alerts, facts, teller, metrics, shown: Shown::default(), resolved_after })
    }

    /// Looks from time to time, an interval after the start first: whoever starts with it is then at work. Gives the turn back at the end.
    pub(crate) async fn run(mut self, interval: Duration, stop: Shutdown) -> anyhow::Result<()> {
        while sleep(&stop, interval).await {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "what a person must know could not be found out");
            }
        }
        self.turn.end().await;
        Ok(())
    }

    async fn look(&mut self) -> eventlog::Result<()> {
        if !self.turn.take().await? {
            self.metrics.clear(&mut self.shown);
            return Ok(());
        }
        let Found { findings, asked } = self.facts.find().await?;
        self.alerts.reconcile(&findings, &asked, self.resolved_after).await?;
        let now = Timestamp::now();
        self.metrics.show(&self.alerts.open(None, None, SHOWN_MAX).await?, &mut self.shown, now);
        self.teller.tell(now, &self.turn).await
    }
}
