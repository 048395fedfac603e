//! The work on a location while its lease is held. When one of its tasks ends before it is time, all of them are started again after a
//! pause that grows: trouble stays with the location that has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::LocationId;
use eventlog::Lease;
use ghl::Client;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use crate::app::candidate::{Access, Candidate};
use crate::config::RetrySettings;
use crate::context::Context;
use crate::look::append::Appender;
use crate::look::connection::{Connection, Connections};
use crate::nets;
use crate::tasks::{Tasks, spawn};

/// A location that is worked on.
pub(super) struct Work {
    pub(super) lease: Lease,
    /// What its client was made with.
    pub(super) access: Access,
    /// Finishes what is in hand.
    stop: Shutdown,
    /// Aborts what is in hand.
    abort: Shutdown,
    /// Aborted when it is dropped: nothing goes on for a location that nobody looks after.
    running: AbortOnDropHandle<()>,
}

impl Work {
    pub(super) fn start(
        context: &Arc<Context>,
        connections: &Arc<Connections>,
        candidate: &Arc<Candidate>,
        client: Client,
        lease: Lease,
        stop: &Shutdown,
    ) -> Self {
        let (stop, abort, access) = (stop.child_token(), Shutdown::new(), candidate.access.clone());
        let work = {
            let (context, connections, candidate) = (Arc::clone(context), Arc::clone(connections), Arc::clone(candidate));
            let (lease, stop, abort) = (lease.clone(), stop.clone(), abort.clone());
            async move {
                let location_id = &lease.location_id;
                let start = |stop: Shutdown| start(&context, &connections, &candidate, &client, &lease, stop);
                let failed = || context.metrics.location_restarted(location_id);
                keep_running(location_id, &stop, &abort, &context.config.retry, start, failed).await;
                connections.remove(location_id);
                context.problems.forget(location_id);
                context.access.forget(location_id);
            }
        };
        Self { lease, access, stop, abort, running: AbortOnDropHandle::new(tokio::spawn(work)) }
    }

    /// Finishes what is in hand; what does not end in time is aborted.
    pub(super) async fn finish(mut self, within: Duration) -> Lease {
        self.stop.cancel();
        if tokio::time::timeout(within, &mut self.running).await.is_err() {
            self.abort().await;
        }
        self.lease
    }

    /// Aborts what is in hand: another replica may already be working on the location.
    pub(super) async fn abort(&mut self) {
        self.stop.cancel();
        self.abort.cancel();
        if let Err(error) = (&mut self.running).await {
            tracing::error!(location.id = %self.lease.location_id, error = what_ended(&error), "work on a location ended unexpectedly");
        }
    }
}

/// Starts everything that works on a location.
fn start(
    context: &Arc<Context>,
    connections: &Connections,
    candidate: &Candidate,
    client: &Client,
    lease: &Lease,
    stop: Shutdown,
) -> Tasks {
    let (appender, appending) = Appender::start(context, lease.clone());
    let connection =
        Connection::new(&candidate.location, &context.config, context.log.known(), client.clone(), appender, lease.clone(), stop.clone());
    let connection = Arc::new(connection);
    let mut tasks = Tasks::new();
    nets::start(&mut tasks, context, &connection);
    spawn(&mut tasks, "appender", async move {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = appending => Ok(ended?),
        }
    });
    connections.insert(connection);
    tasks
}

/// Keeps tasks running until it is time to stop, and then waits for them.
async fn keep_running(
    location_id: &LocationId,
    stop: &Shutdown,
    abort: &Shutdown,
    retry: &RetrySettings,
    mut start: impl FnMut(Shutdown) -> Tasks,
    failed: impl Fn(),
) {
    let mut failures = 0;
    while !stop.is_cancelled() {
        let (started_at, stop_tasks) = (Instant::now(), stop.child_token());
        let mut tasks = start(stop_tasks.clone());
        let mut ended = None;
        tokio::select! {
            first = tasks.join_next() => ended = first,
            () = abort.cancelled() => {}
        }
        if stop.is_cancelled() {
            tokio::select! {
                () = async { while tasks.join_next().await.is_some() {} } => {}
                () = abort.cancelled() => tasks.shutdown().await,
            }
            return;
        }
        stop_tasks.cancel();
        tasks.shutdown().await;
        failures = if started_at.elapsed() > retry.longest { 1 } else { failures + 1 };
        failed();
        let error = match &ended {
            Some(Ok(Err(error))) => format!("{error:#}"),
            Some(Err(error)) => what_ended(error).to_owned(),
            Some(Ok(Ok(()))) | None => "it ended by itself".to_owned(),
        };
        tracing::error!(location.id = %location_id, error, failures, "work on a location ended unexpectedly and is started again after a pause");
        if !sleep(stop, retry.delay(failures, None)).await {
            return;
        }
    }
}

/// Without the panic's own message, which may quote anything.
fn what_ended(error: &JoinError) -> &'static str {
    if error.is_panic() { "a task panicked" } else { "a task was cancelled" }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use settings::Period;

    use super::*;

    fn retry() -> RetrySettings {
        let (first, longest) = (Period::from_secs(1), Duration::from_secs(60));
        RetrySettings {
            first,
            longest,
            token_pause: longest,
            scope_pause: longest,
            scope_pause_max: longest,
            reconnect: first,
            unreadable_attempts_max: 1,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_location_whose_task_panics_is_started_again_after_pauses_that_grow() {
        let (stop, abort, begin) = (Shutdown::new(), Shutdown::new(), tokio::time::Instant::now());
        let (location_id, starts) = (LocationId::new("loc").unwrap(), Cell::new(Vec::new()));
        let failures = Cell::new(0);
        let start = |_| {
            let mut so_far: Vec<Duration> = starts.take();
            so_far.push(begin.elapsed());
            let (number, stop) = (so_far.len(), stop.clone());
            starts.set(so_far);
            let mut tasks = Tasks::new();
            spawn(&mut tasks, "hangs", std::future::pending());
            spawn(&mut tasks, "looks", async move {
                assert!(number > 4, "a record nobody has seen before");
                stop.cancel();
                Ok(())
            });
            tasks
        };
        let aborting = async {
            stop.cancelled().await;
            abort.cancel();
        };
        let failed = || failures.set(failures.get() + 1);
        let retry = retry();
        tokio::join!(keep_running(&location_id, &stop, &abort, &retry, start, failed), aborting);
        let starts = starts.take();
        let pauses: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!((pauses.len(), failures.get()), (4, 4));
        for (pause, least) in pauses.iter().zip([500, 1_000, 2_000, 4_000]) {
            assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_does_not_end_is_aborted() {
        let (stop, abort) = (Shutdown::new(), Shutdown::new());
        let location_id = LocationId::new("loc").unwrap();
        let start = |_| {
            let mut tasks = Tasks::new();
            spawn(&mut tasks, "hangs", std::future::pending());
            tasks
        };
        let retry = retry();
        let running = keep_running(&location_id, &stop, &abort, &retry, start, || ());
        let stopping = async {
            stop.cancel();
            tokio::time::sleep(Duration::from_secs(5)).await;
            abort.cancel();
        };
        tokio::time::timeout(Duration::from_secs(6), async { tokio::join!(running, stopping) }).await.expect("it has ended");
    }
}
