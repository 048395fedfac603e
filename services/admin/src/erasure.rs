//! Erasing people outside the log, as soon as whoever holds something can be reached.

use bus::Bus;
use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::ObjectKey;
use eventlog::{Erasure, EventLog, Purged};
use pagico::Bridge;

use crate::config::ErasureSettings;

/// What erasing needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Eraser {
    pub(crate) log: EventLog,
    pub(crate) bus: Bus,
    pub(crate) bridge: Bridge,
    pub(crate) settings: ErasureSettings,
}

/// Goes on with erasures that were interrupted or could not reach somebody, until it is time to stop.
pub(crate) async fn run(eraser: Eraser, stop: Shutdown) -> anyhow::Result<()> {
    loop {
        match eraser.log.erasures().unfinished(eraser.settings.batch.get()).await {
            Ok(unfinished) => {
                for erasure in unfinished {
                    eraser.purge(&erasure).await;
                }
            }
            Err(error) => tracing::debug!(%error, "erasures are not looked for now"),
        }
        if !sleep(&stop, *eraser.settings.interval).await {
            return Ok(());
        }
    }
}

impl Eraser {
    /// Removes what is left outside the log, as far as it can be reached. Whatever was removed is noted at once, and removing it again
    /// is harmless: it may end anywhere.
    pub(crate) async fn purge(&self, erasure: &Erasure) {
        let (location, contact) = (&erasure.location_id, &erasure.contact_id);
        for workspace in &erasure.workspaces {
            let erased = self.bridge.erase(workspace, &ObjectKey::of_contact(contact), erasure.revision).await;
            let noted = match erased {
                Ok(objects) => {
                    tracing::info!(location.id = %location, contact.id = %contact, %workspace, objects, "erased in the workspace");
                    self.log.erasures().purged(erasure, Purged::Workspace(workspace)).await
                }
                // A workspace that is not there holds nothing.
                Err(pagico::Error::WorkspaceUnknown) => self.log.erasures().purged(erasure, Purged::Workspace(workspace)).await,
                Err(error) => {
                    tracing::warn!(location.id = %location, contact.id = %contact, %workspace, %error, "not erased in the workspace yet");
                    Ok(())
                }
            };
            warn(erasure, noted);
        }
        if erasure.bus_at.is_some() {
            return;
        }
        match self.bus.purge_contact(location, contact).await {
            Ok(messages) => {
                tracing::info!(location.id = %location, contact.id = %contact, messages, "erased on the bus");
                warn(erasure, self.log.erasures().purged(erasure, Purged::Bus).await);
            }
            Err(error) => tracing::warn!(location.id = %location, contact.id = %contact, %error, "not erased on the bus yet"),
        }
    }
}

fn warn(erasure: &Erasure, noted: eventlog::Result<()>) {
    if let Err(error) = noted {
        tracing::warn!(location.id = %erasure.location_id, contact.id = %erasure.contact_id, %error, "what was erased is not noted yet");
    }
}
