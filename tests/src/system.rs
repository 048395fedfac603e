//! The whole system over real servers and a simulated GHL.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chassis::Shutdown;
use domain::LocationId;
use embedded::{Nats, NatsSettings, Postgres, PostgresSettings, free_port, scratch};
use eventlog::EventLog;
use proto::admin::v1::admin_client::AdminClient;
use proto::control::v1::control_client::ControlClient;
use proto::replay::v1::replay_client::ReplayClient;
use sandbox::{Sandbox, World};
use secrecy::SecretString;
use standalone::compare::{Held, Names, Truth, differences};
use tokio::process::Child;
use tokio::task::JoinHandle;
use toml::{Table, Value, toml};
use tonic::transport::Channel;

use crate::apart;
use crate::grpc::WithToken;

/// How long anything may take to come true.
pub const PATIENCE: Duration = Duration::from_secs(90);
pub const TOKEN: &str = "the-control-token";
pub const KEY: &str = "the-bridge-key-0123456789abcdef0123456789";

pub const SERVICES: [&str; 5] = ["bridge", "writer", "mapper", "poller", "admin"];

/// Waits until something is there; fails with the last word of what is missing.
///
/// # Errors
/// When it is not there in time.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> anyhow::Result<T> {
    within(PATIENCE, what, look).await
}

/// Waits so long at most until something is there.
///
/// # Errors
/// When it is not there in time.
pub async fn within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> anyhow::Result<T> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(missing) => ensure!(tokio::time::Instant::now() < deadline, "not within {patience:?}: {what}: {missing}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a story wants different.
pub struct Plan {
    name: String,
    pub contacts: usize,
    pub sandbox: sandbox::Settings,
    kek: &'static str,
    more: BTreeMap<&'static str, Table>,
    apart: Option<PathBuf>,
}

impl Plan {
    pub fn new(name: &str) -> Self {
        let sandbox = sandbox::Settings { limits: sandbox::Limits::none(), ..sandbox::Settings::default() };
        Self { name: name.to_owned(), contacts: 12, sandbox, kek: "", more: BTreeMap::new(), apart: None }
    }

    #[must_use]
    pub fn contacts(mut self, contacts: usize) -> Self {
        self.contacts = contacts;
        self
    }

    #[must_use]
    pub fn sandbox(mut self, change: impl FnOnce(&mut sandbox::Settings)) -> Self {
        change(&mut self.sandbox);
        self
    }

    /// Events and intents are sealed.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.kek = "test:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        self
    }

    /// The watch looks once and then not for an hour, so that a change is seen by its webhook and by nothing else.
    #[must_use]
    pub fn by_webhooks_alone(self) -> Self {
        self.with("poller", toml! { watch = { interval = "1h" } })
    }

    /// Each service is a process of its own, started by this program, so that to kill it is to kill a process.
    #[must_use]
    pub fn apart(mut self, program: impl Into<PathBuf>) -> Self {
        self.apart = Some(program.into());
        self
    }

    #[must_use]
    pub fn with(mut self, service: &'static str, settings: Table) -> Self {
        self.more.insert(service, settings);
        self
    }
}

enum Running {
    Here { shutdown: Shutdown, task: JoinHandle<anyhow::Result<()>> },
    Apart(Child),
}

/// The system, running.
pub struct Mirror {
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

impl Mirror {
    /// # Errors
    /// When a server or service does not start.
    pub async fn start(plan: Plan) -> anyhow::Result<Self> {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("another story was first");
        }
        let name = &plan.name;
        let postgres =
            Postgres::start(PostgresSettings { data: scratch(&format!("{name}-postgres")), ..PostgresSettings::default() }).await?;
        for database in ["log", "bridge"] {
            postgres.create_database(database).await?;
        }
        let nats_data = scratch(&format!("{name}-nats"));
        let nats = Nats::start(NatsSettings { data: nats_data.clone(), ..NatsSettings::default() }).await?;
        let owner = eventlog::Settings { url: postgres.url("log").into(), ..eventlog::Settings::default() };
        EventLog::migrate(&owner).await?;
        EventLog::ensure_service_role(&owner, "app", &SecretString::from("app")).await?;
        let service_url = as_app(&postgres.url("log"))?;
        let log = EventLog::connect(&eventlog::Settings {
            url: service_url.clone().into(),
            kek: plan.kek.into(),
            ..eventlog::Settings::default()
        })
        .await?;

        let sandbox = Sandbox::start(plan.sandbox).await?;
        sandbox.world().populate(7, plan.contacts);
        sandbox.world().settle_search();
        let tables = tables(&postgres, &nats, &sandbox, &service_url, plan.kek, plan.more)?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?;
        let mut mirror = Self { postgres, nats, sandbox, log, http, nats_data, tables, apart: plan.apart, running: BTreeMap::new() };
        let webhooks = format!("{}/webhooks/ghl", mirror.address("poller", "http")?);
        mirror.world().send_webhooks_to(Some(webhooks.parse()?));
        for service in SERVICES {
            mirror.start_service(service)?;
        }
        Ok(mirror)
    }

    pub fn nats_data(&self) -> &Path {
        &self.nats_data
    }

    /// # Errors
    /// Never: the token can be metadata.
    pub fn token(&self) -> anyhow::Result<WithToken> {
        WithToken::new(TOKEN)
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

    /// Ends PostgreSQL without notice and starts it again on what it left.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn crash_postgres(&mut self) -> anyhow::Result<()> {
        let (data, port) = (self.postgres.data().to_owned(), self.postgres.port());
        self.postgres.kill().await;
        self.postgres = Postgres::start(PostgresSettings { data, port: Some(port), ..PostgresSettings::default() }).await?;
        Ok(())
    }

    /// Ends nats-server without notice.
    pub async fn kill_nats(&mut self) {
        self.nats.kill().await;
    }

    /// Starts it again on the same port; with nothing in its store if `wiped`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn revive_nats(&mut self, wiped: bool) -> anyhow::Result<()> {
        let port = self.nats.port();
        if wiped {
            embedded::wipe(&self.nats_data)?;
        }
        self.nats = Nats::start(NatsSettings { data: self.nats_data.clone(), port: Some(port), ..NatsSettings::default() }).await?;
        Ok(())
    }

    /// The address of a service: `http` or `grpc`.
    ///
    /// # Errors
    /// When there is none.
    pub fn address(&self, service: &str, what: &str) -> anyhow::Result<String> {
        let server = self.tables.get(service).and_then(|table| table.get("server"));
        let address = server.and_then(|server| server.get(what)).and_then(Value::as_str).context("an address")?;
        Ok(format!("http://{address}"))
    }

    /// # Errors
    /// When the admin service cannot be reached.
    pub async fn admin(&self) -> anyhow::Result<AdminClient<tonic::service::interceptor::InterceptedService<Channel, WithToken>>> {
        Ok(AdminClient::with_interceptor(self.channel("admin").await?, WithToken::new(TOKEN)?))
    }

    /// # Errors
    /// When the admin service cannot be reached.
    pub async fn replay(&self) -> anyhow::Result<ReplayClient<tonic::service::interceptor::InterceptedService<Channel, WithToken>>> {
        Ok(ReplayClient::with_interceptor(self.channel("admin").await?, WithToken::new(TOKEN)?))
    }

    /// # Errors
    /// When the service cannot be reached.
    pub async fn control(
        &self,
        service: &str,
    ) -> anyhow::Result<ControlClient<tonic::service::interceptor::InterceptedService<Channel, WithToken>>> {
        Ok(ControlClient::with_interceptor(self.channel(service).await?, WithToken::new(TOKEN)?))
    }

    /// # Errors
    /// When the service cannot be reached in time.
    pub async fn channel(&self, service: &str) -> anyhow::Result<Channel> {
        let endpoint = Channel::from_shared(self.address(service, "grpc")?)?.timeout(Duration::from_secs(20));
        eventually("a gRPC server", async || endpoint.connect().await.map_err(|error| error.to_string())).await
    }

    /// Everything that the workspace called like the location holds, over REST.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub async fn workspace(&self) -> anyhow::Result<Vec<Held>> {
        self.workspace_called(self.sandbox.location_id()).await
    }

    /// Everything that a workspace holds, over REST.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub async fn workspace_called(&self, workspace: &str) -> anyhow::Result<Vec<Held>> {
        let bridge = self.address("bridge", "http")?;
        let mut held = Vec::new();
        for kind in ["contact", "project", "task", "note", "appointment"] {
            let mut cursor = String::new();
            loop {
                let mut url = url::Url::parse(&bridge)?;
                url.path_segments_mut().ok().context("a path")?.extend(["v1", "workspaces", workspace, &format!("{kind}s")]);
                url.query_pairs_mut().append_pair("limit", "500");
                if !cursor.is_empty() {
                    url.query_pairs_mut().append_pair("cursor", &cursor);
                }
                let answer = self.http.get(url).bearer_auth(KEY).send().await?;
                if answer.status() == 404 {
                    return Ok(held);
                }
                let page: serde_json::Value = serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?;
                let text =
                    |item: &serde_json::Value, field: &str| item.get(field).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
                for item in page.get("items").and_then(|items| items.as_array()).context("items")? {
                    let content = item.get("content").cloned().unwrap_or_default();
                    held.push(Held { kind: kind.to_owned(), key: text(item, "key"), contact: text(item, "contact"), content });
                }
                cursor = page.get("next_cursor").and_then(|cursor| cursor.as_str()).unwrap_or_default().to_owned();
                if cursor.is_empty() {
                    break;
                }
            }
        }
        Ok(held)
    }

    /// What GHL holds, as the comparison wants it.
    pub fn truth(&self) -> Truth {
        let snapshot = self.world().snapshot();
        let mut truth = Truth {
            contacts: Vec::new(),
            tasks: Vec::new(),
            notes: Vec::new(),
            appointments: Vec::new(),
            names: Names { users: snapshot.users, custom_fields: snapshot.custom_fields, calendars: snapshot.calendars },
            time_zone: snapshot.time_zone,
        };
        for contact in snapshot.contacts.into_values() {
            truth.contacts.push(contact.contact);
            truth.tasks.extend(contact.tasks);
            truth.notes.extend(contact.notes);
            truth.appointments.extend(contact.appointments);
        }
        truth
    }

    /// Waits until the workspace equals GHL, object by object.
    ///
    /// # Errors
    /// The first differences, when it does not in time.
    pub async fn in_sync(&self) -> anyhow::Result<()> {
        self.in_sync_beside(|_| false).await
    }

    /// Waits until the workspace equals GHL but for what is beside it.
    ///
    /// # Errors
    /// The first differences, when it does not in time.
    pub async fn in_sync_beside(&self, is_beside: impl Fn(&Held) -> bool) -> anyhow::Result<()> {
        eventually("the workspace equals GHL", async || {
            let connected_at = self.connected_at().await.map_err(|error| error.to_string())?;
            let mut held = self.workspace().await.map_err(|error| error.to_string())?;
            held.retain(|object| !is_beside(object));
            let found = differences(&self.truth(), &held, connected_at);
            let first: Vec<String> = found.iter().take(5).map(|difference| format!("{}: {}", difference.key, difference.problem)).collect();
            if found.is_empty() { Ok(()) } else { Err(format!("{} differences, first {first:?}", found.len())) }
        })
        .await
    }

    async fn connected_at(&self) -> anyhow::Result<jiff::Timestamp> {
        let location_id = self.location()?;
        let locations = self.log.locations().await?;
        let location = locations.into_iter().find(|location| location.location_id == location_id).context("not connected")?;
        Ok(location.connected_at)
    }

    /// Changes the settings that a service is next started with.
    pub fn relax(&mut self, service: &'static str, settings: Table) {
        if let Some(table) = self.tables.get_mut(service) {
            merge(table, settings);
        }
    }

    /// Waits until every location was read once as a whole.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn backfilled(&self) -> anyhow::Result<()> {
        let location_id = self.location()?;
        eventually("the backfill ends", async || {
            let progress = self.log.progress(&location_id).await.map_err(|error| error.to_string())?;
            progress.backfill.finished_at.map(drop).ok_or_else(|| format!("{} seen", progress.backfill.seen))
        })
        .await
    }

    /// Waits until the log has nothing to pass on and nothing waits on the bus.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn quiet(&self) -> anyhow::Result<()> {
        let bus = bus::Bus::connect(&bus::Settings { url: self.nats.url(), ..bus::Settings::default() }).await?;
        eventually("all is quiet", async || {
            let behind = self.log.behind().await.map_err(|error| error.to_string())?;
            let mut waiting = 0;
            for stream in [bus::Stream::Hints, bus::Stream::Events, bus::Stream::Intents, bus::Stream::Replays] {
                waiting += bus.backlog(stream).await.map_err(|error| error.to_string())?;
            }
            if behind.is_empty() && waiting == 0 { Ok(()) } else { Err(format!("{} behind, {waiting} waiting", behind.len())) }
        })
        .await
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

fn tables(
    postgres: &Postgres,
    nats: &Nats,
    sandbox: &Sandbox,
    log_url: &str,
    kek: &str,
    mut more: BTreeMap<&'static str, Table>,
) -> anyhow::Result<BTreeMap<&'static str, Table>> {
    let mut tables = BTreeMap::new();
    for service in SERVICES {
        let (http, grpc) = (format!("127.0.0.1:{}", free_port()?), format!("127.0.0.1:{}", free_port()?));
        let mut table = toml! { server = { http = http, grpc = grpc, token = TOKEN } };
        if service == "bridge" {
            let url = postgres.url("bridge");
            merge(
                &mut table,
                toml! { database = { url = url }
                bootstrap_key = KEY },
            );
        } else {
            let nats_url = nats.url();
            merge(
                &mut table,
                toml! { log = { url = log_url, kek = kek }
                bus = { url = nats_url }
                health = { interval = "200ms" } },
            );
        }
        tables.insert(service, table);
    }
    let bridge = tables.get("bridge").and_then(|table| table.get("server")).and_then(|server| server.get("http")).and_then(Value::as_str);
    let bridge = format!("http://{}", bridge.context("the bridge's address")?);
    let (id, token, base_url) = (sandbox.location_id(), sandbox.token(), sandbox.base_url());
    let pem = sandbox.ed25519_public_pem()?;
    let poller = toml! {
        locations = [{ id = id, token = token }]
        ghl = { base_url = base_url, rate = { calls_per_second = 1000.0, window_calls_max = 100000, throttled_pause = "300ms" } }
        webhooks = { ed25519_pems = [pem] }
        hints = { debounce = "20ms" }
        watch = { interval = "500ms" }
        settled = { interval = "200ms" }
        retry = { first = "20ms", longest = "500ms", reconnect = "50ms" }
    };
    let writer = toml! { bridge = { url = bridge, key = KEY } };
    let mut admin = writer.clone();
    merge(&mut admin, toml! { erasure = { interval = "200ms" } });
    for (service, own) in [("poller", poller), ("writer", writer), ("admin", admin)] {
        if let Some(table) = tables.get_mut(service) {
            merge(table, own);
        }
    }
    for (service, table) in &mut tables {
        merge(table, more.remove(service).unwrap_or_default());
    }
    Ok(tables)
}

pub(crate) fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}
