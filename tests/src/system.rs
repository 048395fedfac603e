//! The whole system over real servers and a simulated GHL.

mod clients; // how its services are reached
mod servers; // PostgreSQL and NATS, which may die
mod settings; // what it is started with
mod sync; // when its workspace equals GHL

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chassis::Shutdown;
use domain::LocationId;
use embedded::{Nats, NatsSettings, Postgres, PostgresSettings, scratch};
use eventlog::EventLog;
use sandbox::{Sandbox, World};
use secrecy::SecretString;
use tokio::process::Child;
use tokio::task::JoinHandle;
use toml::Table;

pub(crate) use self::settings::merge;
use self::settings::tables;
pub use self::settings::{KEY, SERVICES, SystemSettings, TOKEN};
use crate::apart;

enum Running {
    Here { shutdown: Shutdown, task: JoinHandle<anyhow::Result<()>> },
    Apart(Child),
}

/// The system, running.
pub struct System {
    pub postgres: Postgres,
    pub nats: Nats,
    pub sandbox: Sandbox,
    pub log: EventLog,
    pub http: reqwest::Client,
    nats_data: PathBuf,
    tables: BTreeMap<&'static str, Table>,
    apart: Option<PathBuf>,
    running: BTreeMap<&'static str, Running>,
}

impl System {
    /// # Errors
    /// When a server or service does not start.
    pub async fn start(settings: SystemSettings) -> anyhow::Result<Self> {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("another story was first");
        }
        let name = &settings.name;
        let postgres =
            Postgres::start(PostgresSettings { data: scratch(&format!("{name}-postgres")), ..PostgresSettings::default() }).await?;
        for database in ["log", "bridge"] {
            postgres.create_database(database).await?;
        }
        let nats_data = scratch(&format!("{name}-nats"));
        let nats = Nats::start(NatsSettings { data: nats_data.clone(), ..NatsSettings::default() }).await?;
        let owner = eventlog::Settings { url: postgres.url("log").into(), ..eventlog::Settings::default() };
        eventlog::migrate(&owner).await?;
        eventlog::ensure_service_role(&owner, "app", &SecretString::from("app")).await?;
        let service_url = as_app(&postgres.url("log"))?;
        let log = EventLog::connect(&eventlog::Settings {
            url: service_url.clone().into(),
            kek: settings.kek.into(),
            ..eventlog::Settings::default()
        })
        .await?;

        let sandbox = Sandbox::start(settings.sandbox).await?;
        sandbox.world().populate_with(7, settings.contacts, settings.load);
        sandbox.world().settle_search();
        let tables = tables(&postgres, &nats, &sandbox, &service_url, settings.kek, settings.more)?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?;
        let mut system = Self { postgres, nats, sandbox, log, http, nats_data, tables, apart: settings.apart, running: BTreeMap::new() };
        let webhooks = format!("{}/webhooks/ghl", system.address("poller", "http")?);
        system.world().send_webhooks_to(Some(webhooks.parse()?));
        for service in SERVICES {
            system.start_service(service)?;
        }
        Ok(system)
    }

    pub fn world(&self) -> World {
        self.sandbox.world()
    }

    /// # Errors
    /// Never: the sandbox's location id is one.
    pub fn location(&self) -> anyhow::Result<LocationId> {
        Ok(LocationId::new(self.sandbox.location_id())?)
    }

    /// # Errors
    /// When the settings do not fit the service.
    pub fn start_service(&mut self, service: &'static str) -> anyhow::Result<()> {
        let file = self.settings_file(service)?;
        if let Some(program) = &self.apart {
            self.running.insert(service, Running::Apart(apart::start(program, service, &file)?));
            return Ok(());
        }
        let shutdown = Shutdown::new();
        let (file, stop) = (Some(file.as_path()), shutdown.clone());
        let task = match service {
            "bridge" => tokio::spawn(bridge::run(chassis::load(file)?, stop)),
            "writer" => tokio::spawn(writer::run(chassis::load(file)?, stop)),
            "mapper" => tokio::spawn(mapper::run(chassis::load(file)?, stop)),
            "poller" => tokio::spawn(poller::run(chassis::load(file)?, stop)),
            "admin" => tokio::spawn(admin::run(chassis::load(file)?, stop)),
            other => anyhow::bail!("there is no service {other}"),
        };
        self.running.insert(service, Running::Here { shutdown, task });
        Ok(())
    }

    /// Writes down what a service is started with, for whoever starts it.
    ///
    /// # Errors
    /// When there is no such service, or the file cannot be written.
    pub fn settings_file(&self, service: &str) -> anyhow::Result<PathBuf> {
        let table = self.tables.get(service).context("a service")?;
        let file = scratch(&format!("config-{service}")).join(format!("{service}.toml"));
        std::fs::write(&file, table.to_string())?;
        Ok(file)
    }

    /// Ends a service between any two of its steps.
    pub async fn kill_service(&mut self, service: &'static str) {
        match self.running.remove(service) {
            Some(Running::Here { task, .. }) => {
                task.abort();
                // Aborted is what it should be.
                drop(task.await);
            }
            // It is gone already when that fails.
            Some(Running::Apart(mut child)) => drop(child.kill().await),
            None => {}
        }
    }

    /// # Errors
    /// What the service ended with.
    pub async fn stop_service(&mut self, service: &'static str) -> anyhow::Result<()> {
        match self.running.remove(service) {
            Some(Running::Here { shutdown, task }) => {
                shutdown.cancel();
                task.await?
            }
            Some(Running::Apart(mut child)) => {
                ensure!(child.try_wait()?.is_none(), "the service has ended by itself");
                Ok(child.kill().await?)
            }
            None => Ok(()),
        }
    }

    /// Changes the settings that a service is next started with.
    pub fn change_settings(&mut self, service: &'static str, settings: Table) {
        if let Some(table) = self.tables.get_mut(service) {
            merge(table, settings);
        }
    }

    /// Stops everything in order.
    ///
    /// # Errors
    /// What a service ended with.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for service in SERVICES {
            self.stop_service(service).await.with_context(|| format!("stopping {service}"))?;
        }
        self.sandbox.stop().await;
        self.nats.stop().await?;
        self.postgres.stop().await?;
        Ok(())
    }
}

fn as_app(owner: &str) -> anyhow::Result<String> {
    let mut url = url::Url::parse(owner)?;
    url.set_username("app").ok().context("a user")?;
    url.set_password(Some("app")).ok().context("a password")?;
    Ok(url.to_string())
}
