//! Keeps what stands beside the log no longer than it is to be kept.

use std::time::Duration;

use chassis::Shutdown;
use chassis::tasks::sleep;

/// Forgets what is too old, again and again. `what` is what is forgotten, in a word.
pub(crate) async fn run<F>(what: &'static str, interval: Duration, forget: impl Fn() -> F, stop: Shutdown) -> anyhow::Result<()>
where
    F: Future<Output = eventlog::Result<u64>>,
{
    loop {
        match forget().await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(what, forgotten, "what is older than its retention is removed"),
            Err(error) => tracing::warn!(what, %error, "what is older than its retention could not be removed"),
        }
        if !sleep(&stop, interval).await {
            return Ok(());
        }
    }
}
