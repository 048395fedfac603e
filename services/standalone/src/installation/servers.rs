//! PostgreSQL and nats-server as child processes that are kept running.

use std::num::NonZeroU16;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use embedded::{Nats, NatsSettings, Postgres, PostgresSettings};
use tokio_util::sync::CancellationToken;

/// How often a child is checked, and started again after a failed start.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many starts in a row may fail before this process gives up.
const STARTS_MAX: u32 = 50;

pub(crate) const LOG_DATABASE: &str = "mirror_log";
pub(crate) const BRIDGE_DATABASE: &str = "mirror_bridge";

/// The children of this process.
#[derive(Default)]
pub(crate) struct Servers {
    postgres: Option<Child<PostgresSettings, Postgres>>,
    nats: Option<Child<NatsSettings, Nats>>,
}

struct Child<S, T> {
    settings: S,
    /// None between the end of a process and the next successful start.
    server: Option<T>,
}

impl Servers {
    /// # Errors
    /// One sentence: a program is missing, a port is taken, or why the server did not start.
    pub(crate) async fn start_postgres(&mut self, data: &Path, port: NonZeroU16) -> Result<(), embedded::Error> {
        let settings = PostgresSettings { data: data.join("postgres"), port: Some(port.get()), ..PostgresSettings::default() };
        let server = Postgres::start(settings.clone()).await?;
        for database in [LOG_DATABASE, BRIDGE_DATABASE] {
            server.create_database(database).await?;
        }
        self.postgres = Some(Child { settings, server: Some(server) });
        Ok(())
    }

    /// # Errors
    /// As for PostgreSQL.
    pub(crate) async fn start_nats(&mut self, data: &Path, port: NonZeroU16, token: &str) -> Result<(), embedded::Error> {
        let token = Some(token.to_owned());
        let settings = NatsSettings { data: data.join("nats"), port: Some(port.get()), token, ..NatsSettings::default() };
        let server = Nats::start(settings.clone()).await?;
        self.nats = Some(Child { settings, server: Some(server) });
        Ok(())
    }

    /// The address of a database in the child, as its owner.
    #[must_use]
    pub(crate) fn postgres_url(&self, database: &str) -> Option<String> {
        Some(self.postgres.as_ref()?.server.as_ref()?.url(database))
    }

    #[must_use]
    pub(crate) fn nats_url(&self) -> Option<String> {
        Some(self.nats.as_ref()?.server.as_ref()?.url())
    }

    /// Restarts a child that ends by itself, on its data, until it is told to stop; then stops both.
    ///
    /// # Errors
    /// When a child cannot be started again many times in a row.
    pub(crate) async fn keep(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut failures = 0;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match self.revive().await {
                Ok(()) => failures = 0,
                Err(error) if failures < STARTS_MAX => {
                    failures += 1;
                    tracing::warn!(%error, "a server could not be started again");
                }
                Err(error) => {
                    self.stop().await;
                    return Err(error).context("a server ended and could not be started again");
                }
            }
        }
        self.stop().await;
        Ok(())
    }

    async fn revive(&mut self) -> Result<(), embedded::Error> {
        if let Some(child) = &mut self.postgres {
            // Dropping the process that has ended releases the lock on its data.
            if let Some(ended) = child.server.take_if(|server| !server.is_running()) {
                tracing::warn!(pid = ended.pid(), "PostgreSQL ended by itself; starting it again");
            }
            if child.server.is_none() {
                child.server = Some(Postgres::start(child.settings.clone()).await?);
            }
        }
        if let Some(child) = &mut self.nats {
            if let Some(ended) = child.server.take_if(|server| !server.is_running()) {
                tracing::warn!(pid = ended.pid(), "nats-server ended by itself; starting it again");
            }
            if child.server.is_none() {
                child.server = Some(Nats::start(child.settings.clone()).await?);
            }
        }
        Ok(())
    }

    /// Stops both at once, each within its own time limit.
    pub(crate) async fn stop(self) {
        let postgres = async {
            match self.postgres.and_then(|child| child.server) {
                Some(server) => server.stop().await,
                None => Ok(()),
            }
        };
        let nats = async {
            match self.nats.and_then(|child| child.server) {
                Some(server) => server.stop().await,
                None => Ok(()),
            }
        };
        let (postgres, nats) = tokio::join!(postgres, nats);
        for error in [postgres, nats].into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "a server did not stop cleanly");
        }
    }
}
