//! Of several replicas one finds out and tells: the one whose turn it is.

use std::time::Duration;

use eventlog::Alerts;

pub(crate) struct Turn {
    alerts: Alerts,
    /// How other replicas know this one.
    instance: String,
    ttl: Duration,
}

impl Turn {
    pub(crate) fn new(alerts: Alerts, ttl: Duration) -> Self {
        Self { alerts, instance: format!("{:016x}", rand::random::<u64>()), ttl }
    }

    /// Takes the turn or keeps it; false while another replica has it. Asked before each message, so that its time does not run out while
    /// the message is sent.
    pub(crate) async fn take(&self) -> eventlog::Result<bool> {
        self.alerts.take_turn(&self.instance, self.ttl).await
    }

    /// Gives it back, so that another replica can take it at once.
    pub(crate) async fn end(&self) {
        if let Err(error) = self.alerts.end_turn(&self.instance).await {
            tracing::debug!(%error, "the turn could not be given back; another replica takes it once it has expired");
        }
    }
}
