//! Deletes what is kept beside the log for a limited time only.

use std::time::Duration;

use chassis::Shutdown;
use chassis::tasks::sleep;

/// Deletes what is older than its retention, again after each interval. `what` names it in the log lines.
pub(crate) async fn run<F>(what: &'static str, interval: Duration, forget: impl Fn() -> F, stop: Shutdown) -> anyhow::Result<()>
where
    F: Future<Output = eventlog::Result<u64>>,
{
    loop {
        match forget().await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(what, forgotten, "removed what is older than its retention"),
            Err(error) => tracing::warn!(what, %error, "could not remove what is older than its retention"),
        }
        if !sleep(&stop, interval).await {
            return Ok(());
        }
    }
}
