//! The services, running in this process.

use std::future::Future;
use std::time::Duration;

use chassis::Shutdown;
use tokio::task::JoinSet;

use super::configs::Configs;

/// The services that run in this process.
pub(crate) struct RunningServices {
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
    stop: Shutdown,
}

/// How long the other services wait for the bridge. They can start without it, but would log that it is missing.
const BRIDGE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Starts the bridge first, then the services that use it.
pub(super) async fn start(configs: Configs) -> RunningServices {
    let mut services = RunningServices { running: JoinSet::new(), stop: Shutdown::new() };
    let Configs { poller, mapper, writer, bridge, admin } = configs;
    let address = bridge.server.ops.unwrap_or(bridge.server.http);
    services.start("bridge", |stop| bridge::run(bridge, stop));
    let ready = async {
        let client = reqwest::Client::new();
        let is_ready =
            async || client.get(format!("http://{address}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success());
        while !is_ready().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(BRIDGE_WITHIN, ready).await.is_err() {
        tracing::warn!("the bridge is not ready yet; the others start without it");
    }
    services.start("writer", |stop| writer::run(writer, stop));
    services.start("mapper", |stop| mapper::run(mapper, stop));
    services.start("poller", |stop| poller::run(poller, stop));
    services.start("admin", |stop| admin::run(admin, stop));
    services
}

impl RunningServices {
    fn start<F>(&mut self, name: &'static str, run: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let service = run(self.stop.child_token());
        self.running.spawn(async move { (name, service.await) });
    }

    /// Waits until a service ends without having been stopped, which is always a failure. Cancel-safe.
    pub(crate) async fn failure(&mut self) -> anyhow::Error {
        match self.running.join_next().await {
            Some(Ok((name, Ok(())))) => anyhow::anyhow!("{name} ended by itself"),
            Some(Ok((name, Err(error)))) => error.context(format!("{name} failed")),
            Some(Err(panicked)) => anyhow::Error::new(panicked).context("a service panicked"),
            None => anyhow::anyhow!("no service runs"),
        }
    }

    /// Aborts services that do not stop in time; what they had in hand is done again after the next start.
    pub(crate) async fn stop(mut self, grace: Duration) {
        self.stop.cancel();
        let ending = async {
            while let Some(ended) = self.running.join_next().await {
                match ended {
                    Ok((_, Ok(()))) => {}
                    Ok((name, Err(error))) => tracing::warn!(service = name, error = format!("{error:#}"), "a service ended with an error"),
                    Err(error) => tracing::warn!(%error, "a service panicked while stopping"),
                }
            }
        };
        if tokio::time::timeout(grace, ending).await.is_err() {
            tracing::warn!("services did not stop in time and are aborted");
            self.running.shutdown().await;
        }
    }
}
