//! The services, running in this process.

use std::future::Future;
use std::time::Duration;

use chassis::Shutdown;
use tokio::task::JoinSet;

use super::configs::Configs;

/// Services that run in this process.
pub(crate) struct Fleet {
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
    stop: Shutdown,
}

/// How long the others wait for the bridge. They would manage without, but not without complaining.
const BRIDGE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) async fn start(configs: Configs) -> Fleet {
    let mut fleet = Fleet { running: JoinSet::new(), stop: Shutdown::new() };
    let Configs { poller, mapper, writer, bridge, admin } = configs;
    let address = bridge.server.http;
    fleet.start("bridge", |stop| bridge::run(bridge, stop));
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
    fleet.start("writer", |stop| writer::run(writer, stop));
    fleet.start("mapper", |stop| mapper::run(mapper, stop));
    fleet.start("poller", |stop| poller::run(poller, stop));
    fleet.start("admin", |stop| admin::run(admin, stop));
    fleet
}

impl Fleet {
    fn start<F>(&mut self, name: &'static str, run: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let service = run(self.stop.child_token());
        self.running.spawn(async move { (name, service.await) });
    }

    /// Waits for a service to end although nobody told it to: that is always a failure. Cancel-safe.
    pub(crate) async fn failure(&mut self) -> anyhow::Error {
        match self.running.join_next().await {
            Some(Ok((name, Ok(())))) => anyhow::anyhow!("{name} ended by itself"),
            Some(Ok((name, Err(error)))) => error.context(format!("{name} failed")),
            Some(Err(panicked)) => anyhow::Error::new(panicked).context("a service panicked"),
            None => anyhow::anyhow!("no service runs"),
        }
    }

    /// What has not ended in time is cut short: everything it held is done again after the next start.
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
            tracing::warn!("services did not end in time and are cut short");
            self.running.shutdown().await;
        }
    }
}
