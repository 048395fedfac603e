//! Waiting for what has to come true.

use std::time::Duration;

use anyhow::ensure;

/// How long anything may take to come true.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until something is there; fails with the last word of what is missing.
///
/// # Errors
/// When it is not there in time.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> anyhow::Result<T> {
    within(PATIENCE, what, look).await
}

/// Waits so long at most until something is there.
///
/// # Errors
/// When it is not there in time.
pub async fn within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> anyhow::Result<T> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(missing) => ensure!(tokio::time::Instant::now() < deadline, "not within {patience:?}: {what}: {missing}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
