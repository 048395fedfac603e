//! Only what watches GHL: a simulated GHL, the log, the bus, and several pollers that may be killed at any time.

use std::path::PathBuf;

use anyhow::Context as _;
use chassis::Shutdown;
use domain::LocationId;
use embedded::{Nats, NatsSettings, Postgres, PostgresSettings, free_port, scratch};
use eventlog::EventLog;
use sandbox::{Load, Sandbox, World};
use tokio::task::JoinHandle;
use toml::{Table, toml};

use crate::system::merge;
use crate::wait::eventually;

/// One poller: its settings, and what runs when it does.
struct Replica {
    http: String,
    file: PathBuf,
    running: Option<(Shutdown, JoinHandle<anyhow::Result<()>>)>,
}

pub struct Pollers {
    postgres: Postgres,
    nats: Nats,
    pub sandbox: Sandbox,
    pub log: EventLog,
    replicas: Vec<Replica>,
}

impl Pollers {
    /// Starts the servers and so many pollers over the first location of the sandbox. `more` is added to their settings.
    ///
    /// # Errors
    /// When a server or a poller does not start.
    pub async fn start(name: &str, settings: sandbox::Settings, contacts: usize, replicas: usize, more: &Table) -> anyhow::Result<Self> {
        Self::start_with(name, settings, contacts, Load::Varied, replicas, more).await
    }

    /// The same, with so much on each contact.
    ///
    /// # Errors
    /// When a server or a poller does not start.
    pub async fn start_with(
        name: &str,
        settings: sandbox::Settings,
        contacts: usize,
        load: Load,
        replicas: usize,
        more: &Table,
    ) -> anyhow::Result<Self> {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("another story was first");
        }
        let data = scratch(&format!("{name}-postgres"));
        let postgres = Postgres::start(PostgresSettings { data, ..PostgresSettings::default() }).await?;
        postgres.create_database("log").await?;
        let data = scratch(&format!("{name}-nats"));
        let nats = Nats::start(NatsSettings { data, ..NatsSettings::default() }).await?;
        let log = eventlog::Settings { url: postgres.url("log").into(), ..eventlog::Settings::default() };
        eventlog::migrate(&log).await?;
        let log = EventLog::connect(&log).await?;
        let sandbox = Sandbox::start(settings).await?;
        sandbox.world().populate_with(7, contacts, load);
        sandbox.world().settle_search();
        let mut pollers = Self { postgres, nats, sandbox, log, replicas: Vec::new() };
        for number in 0..replicas {
            pollers.add(&format!("{name}-poller-{number}"), more)?;
        }
        if replicas > 0 {
            pollers.send_webhooks_to(0)?;
        }
        Ok(pollers)
    }

    /// Starts one more poller. Webhooks go to it from now on.
    ///
    /// # Errors
    /// When it does not start.
    pub fn add(&mut self, name: &str, more: &Table) -> anyhow::Result<()> {
        let replica = self.replica(name, more.clone())?;
        self.replicas.push(replica);
        let number = self.replicas.len() - 1;
        self.revive(number)?;
        self.send_webhooks_to(number)
    }

    /// Writes down what one more poller is started with, for whoever starts it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn settings_file(&self, name: &str, more: &Table) -> anyhow::Result<PathBuf> {
        Ok(self.replica(name, more.clone())?.file)
    }

    fn replica(&self, name: &str, more: Table) -> anyhow::Result<Replica> {
        let (http, grpc) = (format!("127.0.0.1:{}", free_port()?), format!("127.0.0.1:{}", free_port()?));
        let (id, token, base_url) = (self.sandbox.location_id(), self.sandbox.token(), self.sandbox.base_url());
        let (log_url, nats_url, pem) = (self.postgres.url("log"), self.nats.url(), self.sandbox.ed25519_public_pem()?);
        let (address, ops) = (http.clone(), http.clone());
        let mut table = toml! {
            server = { http = address, ops = ops, grpc = grpc, token = "the-control-token" }
            log = { url = log_url }
            bus = { url = nats_url }
            health = { interval = "200ms" }
            locations = [{ id = id, token = token }]
            ghl = { base_url = base_url }
            webhooks = { ed25519_pems = [pem] }
            retry = { first = "20ms", longest = "500ms", reconnect = "50ms" }
        };
        merge(&mut table, more);
        let file = scratch(name).join("poller.toml");
        std::fs::write(&file, table.to_string())?;
        Ok(Replica { http, file, running: None })
    }

    pub fn world(&self) -> World {
        self.sandbox.world()
    }

    /// # Errors
    /// Never: the sandbox's location id is one.
    pub fn location(&self) -> anyhow::Result<LocationId> {
        Ok(LocationId::new(self.sandbox.location_id())?)
    }

    /// GHL knows one address only; whatever stands before the pollers sends it here from now on.
    ///
    /// # Errors
    /// When there is no such poller.
    pub fn send_webhooks_to(&self, number: usize) -> anyhow::Result<()> {
        self.world().send_webhooks_to(Some(self.webhook_url(number)?.parse()?));
        Ok(())
    }

    /// # Errors
    /// When there is no such poller.
    pub fn webhook_url(&self, number: usize) -> anyhow::Result<String> {
        let replica = self.replicas.get(number).context("a poller")?;
        Ok(format!("http://{}/webhooks/ghl", replica.http))
    }

    pub fn log_url(&self) -> String {
        self.postgres.url("log")
    }

    pub fn nats_url(&self) -> String {
        self.nats.url()
    }

    /// Ends a poller between any two of its steps.
    pub async fn kill(&mut self, number: usize) {
        if let Some((_, task)) = self.replicas.get_mut(number).and_then(|replica| replica.running.take()) {
            task.abort();
            // Aborted is what it should be.
            drop(task.await);
        }
    }

    /// # Errors
    /// When its settings cannot be read.
    pub fn revive(&mut self, number: usize) -> anyhow::Result<()> {
        let replica = self.replicas.get_mut(number).context("a poller")?;
        let shutdown = Shutdown::new();
        let task = tokio::spawn(poller::run(chassis::load(Some(&replica.file))?, shutdown.clone()));
        replica.running = Some((shutdown, task));
        Ok(())
    }

    /// Waits until the location was read once as a whole.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn backfilled(&self) -> anyhow::Result<()> {
        let location_id = self.location()?;
        eventually("the backfill ends", async || {
            let progress = self.log.passes().progress(&location_id).await.map_err(|error| error.to_string())?;
            progress.backfill.finished_at.map(drop).ok_or_else(|| format!("{} seen", progress.backfill.seen))
        })
        .await
    }

    /// Stops everything in order.
    ///
    /// # Errors
    /// What a poller ended with.
    pub async fn stop(self) -> anyhow::Result<()> {
        for replica in self.replicas {
            if let Some((shutdown, task)) = replica.running {
                shutdown.cancel();
                task.await??;
            }
        }
        self.sandbox.stop().await;
        self.nats.stop().await?;
        self.postgres.stop().await?;
        Ok(())
    }
}
