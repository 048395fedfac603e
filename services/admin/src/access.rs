//! Keeps the access log no longer than it is to be kept.

use chassis::Shutdown;
use eventlog::EventLog;

use crate::config::AccessSettings;

pub(crate) async fn run(log: EventLog, settings: AccessSettings, stop: Shutdown) -> anyhow::Result<()> {
    loop {
        match log.forget_accesses(settings.retention).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "accesses older than the retention are removed"),
            Err(error) => tracing::warn!(%error, "the access log could not be trimmed"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(settings.interval) => {}
        }
    }
}
