//! Purging locations: what is left of them in the log's database, at the bridge and on the bus, as soon as these can be reached.

use bus::Bus;
use chassis::Shutdown;
use chassis::tasks::sleep;
use eventlog::{Purge, PurgeStep, Purges};
use pagico::{Bridge, Leaving};

use crate::config::ErasureSettings;

/// Purges everywhere. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Purger {
    pub(crate) purges: Purges,
    pub(crate) bus: Bus,
    pub(crate) bridge: Bridge,
    pub(crate) settings: ErasureSettings,
}

/// Continues purges that were interrupted or could not reach the bridge or the bus, until it is time to stop.
pub(crate) async fn run(purger: Purger, stop: Shutdown) -> anyhow::Result<()> {
    loop {
        match purger.purges.unfinished(purger.settings.batch.get()).await {
            Ok(unfinished) => {
                for purge in unfinished {
                    purger.go_on(purge, &stop).await;
                }
            }
            Err(error) => tracing::debug!(%error, "unfinished purges cannot be read now"),
        }
        if !sleep(&stop, *purger.settings.interval).await {
            return Ok(());
        }
    }
}

impl Purger {
    /// Takes step after step until nothing is left that can be done now.
    async fn go_on(&self, mut purge: Purge, stop: &Shutdown) {
        while !stop.is_cancelled() {
            match self.step(&purge).await {
                Ok(Some(further)) => purge = further,
                Ok(None) => return,
                Err(error) => return tracing::warn!(location.id = %purge.location_id, %error, "purge is interrupted, it goes on later"),
            }
        }
    }

    /// One batch of what is left in the log's database; then what is left elsewhere. None when nothing more can be done now. Repeating a step is
    /// harmless, so this may be cancelled anywhere.
    ///
    /// # Errors
    /// When the log's database does not answer.
    pub(crate) async fn step(&self, purge: &Purge) -> eventlog::Result<Option<Purge>> {
        if purge.finished_at.is_some() {
            return Ok(None);
        }
        if purge.log_at.is_none() {
            return self.purges.destroy(&purge.location_id, self.settings.purge_batch.get()).await.map(Some);
        }
        let (mut is_further, location_id) = (false, &purge.location_id);
        if purge.bus_at.is_none() {
            match self.bus.purge_location(location_id).await {
                Ok(messages) => {
                    tracing::info!(location.id = %location_id, messages, "purged on the bus");
                    self.purges.record(location_id, PurgeStep::Bus).await?;
                    is_further = true;
                }
                Err(error) => tracing::warn!(location.id = %location_id, %error, "not purged on the bus yet"),
            }
        }
        if !purge.workspaces.is_empty()
            && let Err(error) = self.bridge.remove_alias(location_id.as_str()).await
        {
            tracing::debug!(location.id = %location_id, %error, "the alias of the location is not removed yet");
        }
        for workspace in &purge.workspaces {
            match self.bridge.retire(workspace).await {
                Ok(Leaving::Gone) | Err(pagico::Error::WorkspaceUnknown) => {
                    tracing::info!(location.id = %location_id, %workspace, "workspace is purged");
                    self.purges.record(location_id, PurgeStep::Workspace(workspace)).await?;
                    is_further = true;
                }
                Ok(Leaving::Going) => is_further = true,
                Err(error) => tracing::warn!(location.id = %location_id, %workspace, %error, "workspace is not purged yet"),
            }
        }
        if is_further { self.purges.find(location_id).await } else { Ok(None) }
    }
}
