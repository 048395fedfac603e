//! Everything that is started for a demo as well as for real, in order, and stopped in the reverse order.

pub(crate) mod configs;
mod databases;
pub(crate) mod directory;
mod fleet;
pub(crate) mod secrets;
mod servers;

use std::num::NonZeroU16;
use std::path::absolute;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::ports;
use crate::settings::Settings;
use configs::Surroundings;
use databases::Databases;
use directory::Hold;
use fleet::Fleet;
use secrets::Secrets;
use servers::Servers;

/// The servers run, the databases are ready, no service runs yet.
pub(crate) struct Ground {
    pub(crate) settings: Settings,
    pub(crate) secrets: Secrets,
    servers: Servers,
    databases: Databases,
    hold: Hold,
}

impl Ground {
    /// Looks at every port first. `guests` are ports that something else than services and servers will listen on.
    pub(crate) async fn prepare(mut settings: Settings, hold: Hold, guests: &[(&'static str, NonZeroU16)]) -> Result<Self, Failure> {
        settings.data = absolute(&settings.data).context("finding the data directory")?;
        let secrets = Secrets::of(&settings.data)?;
        configs::check(&settings, &secrets)?;
        let wanted: Vec<_> = settings.ports.of_services().into_iter().chain(guests.iter().copied()).collect();
        ports::check(settings.listen, &wanted).map_err(Failure::Unavailable)?;
        let mut servers = Servers::default();
        // The embedded servers look at their ports themselves, once a leftover of a killed process no longer listens there.
        if settings.nats.is_embedded() {
            servers.start_nats(&settings.data, settings.ports.nats, &secrets.nats_token).await?;
        }
        if settings.postgres.is_embedded() {
            servers.start_postgres(&settings.data, settings.ports.postgres).await?;
        }
        let databases = databases::prepare(&settings, &servers, &secrets).await?;
        Ok(Self { settings, secrets, servers, databases, hold })
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
        eventlog::Settings { url: self.databases.log.clone(), connections_max: 2, ..eventlog::Settings::default() }
    }

    /// Starts every service.
    pub(crate) async fn launch(self) -> Result<Stand, Failure> {
        let bus = self.bus();
        let Self { settings, secrets, servers, databases, hold } = self;
        let surroundings = Surroundings { settings: &settings, secrets: &secrets, databases: &databases, bus: &bus };
        // The settings of all services in one value are much to carry through every future above.
        let fleet = Box::pin(fleet::start(surroundings.configs()?)).await;
        let stop = CancellationToken::new();
        let servers = tokio::spawn(servers.keep(stop.clone()));
        Ok(Stand { settings, secrets, fleet, servers, stop, _hold: hold })
    }
}

/// Everything runs.
pub(crate) struct Stand {
    pub(crate) settings: Settings,
    pub(crate) secrets: Secrets,
    fleet: Fleet,
    servers: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
    _hold: Hold,
}

impl Stand {
    /// Waits for something to end by itself, which is always a failure. Cancel-safe.
    pub(crate) async fn failure(&mut self) -> Failure {
        tokio::select! {
            error = self.fleet.failure() => Failure::Failed(error),
            ended = &mut self.servers => match ended {
                Ok(Ok(())) => Failure::Failed(anyhow::anyhow!("the servers were stopped")),
                Ok(Err(error)) => Failure::Failed(error),
                Err(error) => Failure::Failed(anyhow::Error::new(error).context("the task that keeps the servers panicked")),
            },
        }
    }

    /// Services first, while their servers still answer.
    pub(crate) async fn stop(self) {
        self.fleet.stop(self.settings.grace).await;
        self.stop.cancel();
        // When it has ended already, `failure` has said why.
        if !self.servers.is_finished()
            && let Ok(Err(error)) = self.servers.await
        {
            tracing::warn!(error = format!("{error:#}"), "the servers were not stopped in order");
        }
    }
}
