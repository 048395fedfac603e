//! Tasks with names, so that a failure says whose it is.

use anyhow::Context as _;
use tokio::task::{JoinError, JoinSet};

pub(crate) type Tasks = JoinSet<anyhow::Result<()>>;

pub(crate) fn spawn(tasks: &mut Tasks, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
    tasks.spawn(async move { task.await.context(name) });
}

/// What a task ended with.
pub(crate) fn outcome(ended: Result<anyhow::Result<()>, JoinError>) -> anyhow::Result<()> {
    ended.context("a task ended unexpectedly")?
}
