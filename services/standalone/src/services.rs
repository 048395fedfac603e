//! The services' own settings, made from their defaults, what they must know of each other here, and what a person wants different;
//! and the services running.

use std::future::Future;
use std::time::Duration;

use chassis::Shutdown;
use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use toml::{Table, Value};

use crate::databases::Databases;
use crate::settings::Settings;
use crate::{Ports, Secrets};

/// Where the admin service keeps what it has signed.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// Mistakes in the settings of services: exit 64.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BadConfig(pub Vec<String>);

/// Every mistake that can be seen before there is anything to connect to.
pub(crate) fn check(settings: &Settings, secrets: &Secrets) -> Result<(), BadConfig> {
    let databases = Databases { log: "postgres://127.0.0.1/log".into(), bridge: "postgres://127.0.0.1/bridge".into() };
    let bus = bus::Settings::default();
    Surroundings { settings, secrets, databases: &databases, bus: &bus }.configs().map(drop)
}

/// Everything that every service needs to know of the others.
pub(crate) struct Surroundings<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) secrets: &'a Secrets,
    pub(crate) databases: &'a Databases,
    pub(crate) bus: &'a bus::Settings,
}

pub(crate) struct Configs {
    poller: poller::Config,
    mapper: mapper::Config,
    writer: writer::Config,
    bridge: bridge::Config,
    admin: admin::Config,
}

impl Surroundings<'_> {
    /// Every mistake of every service at once.
    pub(crate) fn configs(&self) -> Result<Configs, BadConfig> {
        let (ports, wanted) = (&self.settings.ports, &self.settings.services);
        let poller = config::<poller::Config>(self.poller(ports), &wanted.poller);
        let mapper = config::<mapper::Config>(self.on_the_bus(ports.mapper_http, ports.mapper_grpc), &wanted.mapper);
        let writer = config::<writer::Config>(self.writer(ports), &wanted.writer);
        let bridge = config::<bridge::Config>(self.bridge(ports), &wanted.bridge);
        let admin = config::<admin::Config>(self.admin(ports), &wanted.admin);
        match (poller, mapper, writer, bridge, admin) {
            (Ok(poller), Ok(mapper), Ok(writer), Ok(bridge), Ok(admin)) => Ok(Configs { poller, mapper, writer, bridge, admin }),
            (poller, mapper, writer, bridge, admin) => {
                let problems = [poller.err(), mapper.err(), writer.err(), bridge.err(), admin.err()];
                Err(BadConfig(problems.into_iter().flatten().flatten().collect()))
            }
        }
    }

    fn server(&self, http: u16, grpc: u16) -> Table {
        let (http, grpc) = (self.settings.address(http).to_string(), self.settings.address(grpc).to_string());
        let token = self.secrets.control_token.clone();
        table([("server", Value::Table(table([("http", http.into()), ("grpc", grpc.into()), ("token", token.into())])))])
    }

    fn on_the_bus(&self, http: u16, grpc: u16) -> Table {
        let token = self.bus.token.as_ref().map(|token| ("token", Value::from(token.expose_secret())));
        let bus = table([("url", self.bus.url.clone().into())].into_iter().chain(token));
        let kek = self.secrets.kek_file.display().to_string();
        let log = table([("url", self.databases.log.expose_secret().into()), ("kek_file", kek.into())]);
        merged(self.server(http, grpc), &table([("bus", Value::Table(bus)), ("log", Value::Table(log))]))
    }

    fn poller(&self, ports: &Ports) -> Table {
        let locations = self.settings.locations.iter().map(|location| {
            let token = location.token.as_ref().map(|token| ("token", Value::from(token.expose_secret())));
            let file = location.token_file.as_ref().map(|file| ("token_file", Value::from(file.display().to_string())));
            Value::Table(table([("id", location.id.as_str().into())].into_iter().chain(token).chain(file)))
        });
        let ghl = table([("base_url", self.settings.ghl.base_url.as_str().into())]);
        let app = &self.settings.oauth;
        let app = table([
            ("client_id", app.client_id.clone().into()),
            ("client_secret", app.client_secret.expose_secret().into()),
            ("app_id", app.app_id.clone().into()),
            ("redirect_uri", app.redirect_uri.clone().into()),
        ]);
        let oauth = table([("app", Value::Table(app))]);
        let own = table([("locations", Value::Array(locations.collect())), ("ghl", Value::Table(ghl)), ("oauth", Value::Table(oauth))]);
        merged(self.on_the_bus(ports.poller_http, ports.poller_grpc), &own)
    }

    fn writer(&self, ports: &Ports) -> Table {
        let url = format!("http://{}", self.settings.address(ports.bridge_http));
        let bridge = table([("url", url.into()), ("key", self.secrets.bridge_write_key.clone().into())]);
        merged(self.on_the_bus(ports.writer_http, ports.writer_grpc), &table([("bridge", Value::Table(bridge))]))
    }

    fn admin(&self, ports: &Ports) -> Table {
        let directory = self.settings.data.join(CHECKPOINTS).display().to_string();
        let url = format!("http://{}", self.settings.address(ports.bridge_http));
        let bridge = table([("url", url.into()), ("key", self.secrets.bridge_write_key.clone().into())]);
        let seal = table([("directory", directory.into()), ("key", self.secrets.seal_key.clone().into())]);
        merged(
            self.on_the_bus(ports.admin_http, ports.admin_grpc),
            &table([("seal", Value::Table(seal)), ("bridge", Value::Table(bridge))]),
        )
    }

    fn bridge(&self, ports: &Ports) -> Table {
        let database = table([("url", self.databases.bridge.expose_secret().into())]);
        let readers = table([("person", self.secrets.bridge_read_key.clone().into())]);
        let own = table([
            ("database", Value::Table(database)),
            ("bootstrap_key", self.secrets.bridge_write_key.clone().into()),
            ("reader_keys", Value::Table(readers)),
        ]);
        merged(self.server(ports.bridge_http, ports.bridge_grpc), &own)
    }
}

/// Services that run in this process.
pub(crate) struct Fleet {
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
    stop: Shutdown,
}

/// How long the others wait for the bridge. They would manage without, but not without complaining.
const BRIDGE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Configs {
    pub(crate) async fn start(self) -> Fleet {
        let mut fleet = Fleet { running: JoinSet::new(), stop: Shutdown::new() };
        let Self { poller, mapper, writer, bridge, admin } = self;
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

fn table(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Tables are merged, everything else is replaced.
pub(crate) fn merged(mut base: Table, over: &Table) -> Table {
    for (key, value) in over {
        let value = match (base.remove(key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => Value::Table(merged(base, over)),
            (_, value) => value.clone(),
        };
        base.insert(key.clone(), value);
    }
    base
}

fn config<C: chassis::Settings>(generated: Table, wanted: &Table) -> Result<C, Vec<String>> {
    let named = |problem: String| format!("services.{}: {problem}", C::SERVICE);
    let config = chassis::load_table(wanted, |defaults| merged(defaults, &generated));
    config.map_err(|problems| problems.into_iter().map(named).collect())
}
