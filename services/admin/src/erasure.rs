//! Erasing people outside the log: in workspaces and on the bus, as soon as these can be reached.

use bus::Bus;
use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::ObjectKey;
use eventlog::{Erasure, Erasures, PurgedPart};
use pagico::Bridge;

use crate::config::ErasureSettings;

/// Erases where the log itself does not reach. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Eraser {
    pub(crate) erasures: Erasures,
    pub(crate) bus: Bus,
    pub(crate) bridge: Bridge,
    pub(crate) settings: ErasureSettings,
}

/// Continues erasures that were interrupted or could not reach the bridge or the bus, until it is time to stop.
pub(crate) async fn run(eraser: Eraser, stop: Shutdown) -> anyhow::Result<()> {
    loop {
        match eraser.erasures.unfinished(eraser.settings.batch.get()).await {
            Ok(unfinished) => {
                for erasure in unfinished {
                    eraser.purge(&erasure).await;
                }
            }
            Err(error) => tracing::debug!(%error, "unfinished erasures cannot be read now"),
        }
        if !sleep(&stop, *eraser.settings.interval).await {
            return Ok(());
        }
    }
}

impl Eraser {
    /// Removes what is left outside the log, as far as it can be reached. Each removal is recorded at once, and repeating one is
    /// harmless, so this may be cancelled anywhere.
    pub(crate) async fn purge(&self, erasure: &Erasure) {
        let (location, contact) = (&erasure.location_id, &erasure.contact_id);
        for workspace in &erasure.workspaces {
            let erased = self.bridge.erase(workspace, &ObjectKey::of_contact(contact), erasure.revision).await;
            let recorded = match erased {
                Ok(objects) => {
                    tracing::info!(location.id = %location, contact.id = %contact, %workspace, objects, "erased in the workspace");
                    self.erasures.record_purged(erasure, PurgedPart::Workspace(workspace)).await
                }
                // A workspace that is not there holds nothing.
                Err(pagico::Error::WorkspaceUnknown) => self.erasures.record_purged(erasure, PurgedPart::Workspace(workspace)).await,
                Err(error) => {
                    tracing::warn!(location.id = %location, contact.id = %contact, %workspace, %error, "not erased in the workspace yet");
                    Ok(())
                }
            };
            warn_unrecorded(erasure, recorded);
        }
        if erasure.bus_at.is_some() {
            return;
        }
        match self.bus.purge_contact(location, contact).await {
            Ok(messages) => {
                tracing::info!(location.id = %location, contact.id = %contact, messages, "erased on the bus");
                warn_unrecorded(erasure, self.erasures.record_purged(erasure, PurgedPart::Bus).await);
            }
            Err(error) => tracing::warn!(location.id = %location, contact.id = %contact, %error, "not erased on the bus yet"),
        }
    }
}

fn warn_unrecorded(erasure: &Erasure, recorded: eventlog::Result<()>) {
    if let Err(error) = recorded {
        tracing::warn!(location.id = %erasure.location_id, contact.id = %erasure.contact_id, %error, "what was erased is not recorded yet");
    }
}
