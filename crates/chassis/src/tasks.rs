//! The tasks of a service, and how they stop.

use std::time::Duration;

use anyhow::Error;
use tokio::task::JoinSet;

use crate::Shutdown;

/// Sleeps; false when it is time to stop.
pub async fn sleep(stop: &Shutdown, duration: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(duration) => true,
    }
}

/// Waits for all tasks; the first that fails stops the others.
///
/// # Errors
/// The first failure.
pub async fn join_all(mut tasks: JoinSet<anyhow::Result<()>>, stop: &Shutdown) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(Error::new(error).context("a task ended unexpectedly")));
        if ended.is_err() {
            stop.cancel();
        }
        outcome = outcome.and(ended);
    }
    outcome
}
