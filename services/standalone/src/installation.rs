//! What `demo` and `up` share: everything is started in this order, and stopped in the reverse order.

pub(crate) mod configs;
pub(crate) mod databases;
pub(crate) mod directory;
mod running;
pub(crate) mod secrets;
mod servers;

use std::num::{NonZeroU16, NonZeroU32};
use std::path::absolute;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::ports;
use crate::settings::Settings;
use configs::Wiring;
use databases::Databases;
use directory::DataDirectory;
use running::RunningServices;
use secrets::Secrets;
use servers::Servers;

/// The servers run and the databases are ready; no service runs yet.
pub(crate) struct Infrastructure {
    pub(crate) settings: Settings,
    pub(crate) secrets: Secrets,
    servers: Servers,
    databases: Databases,
    directory: DataDirectory,
}

impl Infrastructure {
    /// Checks every port first. `other_ports` are those of neither a service nor a server.
    pub(crate) async fn prepare(
        mut settings: Settings,
        directory: DataDirectory,
        other_ports: &[(&'static str, NonZeroU16)],
    ) -> Result<Self, Failure> {
        settings.data = absolute(&settings.data).context("finding the data directory")?;
        let secrets = Secrets::of(&settings.data)?;
        configs::check(&settings, &secrets)?;
        let wanted: Vec<_> = settings.ports.of_services().into_iter().chain(other_ports.iter().copied()).collect();
        ports::check(settings.listen, &wanted).map_err(Failure::Unavailable)?;
        let mut servers = Servers::default();
        // The embedded servers check their own ports, after they have stopped what a killed process left behind.
        if settings.nats.is_embedded() {
            servers.start_nats(&settings.data, settings.ports.nats, &secrets.nats_token).await?;
        }
        if settings.postgres.is_embedded() {
            servers.start_postgres(&settings.data, settings.ports.postgres).await?;
        }
        let databases = databases::prepare(&settings, &servers, &secrets).await?;
        Ok(Self { settings, secrets, servers, databases, directory })
    }

    pub(crate) fn bus(&self) -> bus::Settings {
        let url = self.servers.nats_url().unwrap_or_else(|| self.settings.nats.url.clone());
        let token = match self.settings.nats.is_embedded() {
            true => SecretString::from(self.secrets.nats_token.clone()),
            false => self.settings.nats.token.clone(),
        };
        let token = Some(token).filter(|token| !token.expose_secret().is_empty());
        bus::Settings { url, token, ..bus::Settings::default() }
    }

    pub(crate) fn log(&self) -> eventlog::Settings {
        eventlog::Settings {
            url: self.databases.log.clone(),
            connections_max: const { NonZeroU32::new(2).unwrap() },
            ..eventlog::Settings::default()
        }
    }

    /// Starts every service.
    pub(crate) async fn launch(self) -> Result<Installation, Failure> {
        let bus = self.bus();
        let Self { settings, secrets, servers, databases, directory } = self;
        let wiring = Wiring { settings: &settings, secrets: &secrets, databases: &databases, bus: &bus };
        // Boxed: the settings of all services would make every future above as large as they are.
        let services = Box::pin(running::start(wiring.configs()?)).await;
        let stop = CancellationToken::new();
        let servers = tokio::spawn(servers.keep(stop.clone()));
        Ok(Installation { settings, secrets, services, servers, stop, _directory: directory })
    }
}

/// Everything is running.
pub(crate) struct Installation {
    pub(crate) settings: Settings,
    pub(crate) secrets: Secrets,
    services: RunningServices,
    servers: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
    _directory: DataDirectory,
}

impl Installation {
    /// Waits until something ends by itself, which is always a failure. Cancel-safe.
    pub(crate) async fn failure(&mut self) -> Failure {
        tokio::select! {
            error = self.services.failure() => Failure::Failed(error),
            ended = &mut self.servers => match ended {
                Ok(Ok(())) => Failure::Failed(anyhow::anyhow!("the servers were stopped")),
                Ok(Err(error)) => Failure::Failed(error),
                Err(error) => Failure::Failed(anyhow::Error::new(error).context("the task that keeps the servers panicked")),
            },
        }
    }

    /// Services first, while their servers still answer.
    pub(crate) async fn stop(self) {
        self.services.stop(self.settings.grace).await;
        self.stop.cancel();
        // When it has ended already, `failure` has said why.
        if !self.servers.is_finished()
            && let Ok(Err(error)) = self.servers.await
        {
            tracing::warn!(error = format!("{error:#}"), "the servers did not stop cleanly");
        }
    }
}
