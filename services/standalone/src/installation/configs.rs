//! The settings of each service: its defaults, then what it must know of the others here, then what a person has set.

use std::num::NonZeroU16;

use secrecy::ExposeSecret;
use toml::{Table, Value};

use super::databases::Databases;
use super::secrets::Secrets;
use crate::failure::Failure;
use crate::ports::Ports;
use crate::settings::Settings;

/// Where the admin service keeps its signed checkpoints.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// Finds every mistake that can be found without connecting to anything.
pub(crate) fn check(settings: &Settings, secrets: &Secrets) -> Result<(), Failure> {
    let databases = Databases { log: "postgres://127.0.0.1/log".into(), bridge: "postgres://127.0.0.1/bridge".into() };
    let bus = bus::Settings::default();
    Wiring { settings, secrets, databases: &databases, bus: &bus }.configs().map(drop)
}

/// The poller's settings, for calls to GHL without the other services: nothing in them connects to a server of this machine.
pub(crate) fn poller(settings: &Settings) -> Result<poller::Config, Failure> {
    let databases = Databases { log: "postgres://127.0.0.1/log".into(), bridge: "postgres://127.0.0.1/bridge".into() };
    let (secrets, bus) = (Secrets::default(), bus::Settings::default());
    let mut own = Wiring { settings, secrets: &secrets, databases: &databases, bus: &bus }.poller(&settings.ports);
    // The key that seals what is kept is not needed, and may not be there yet.
    if let Some(Value::Table(log)) = own.get_mut("log") {
        log.remove("kek_file");
        log.insert("kek".to_owned(), format!("none:{:064x}", 0).into());
    }
    config(own, &settings.services.poller).map_err(|problems| Failure::bad_config(&problems))
}

/// What the services need to know of each other and of the servers.
pub(crate) struct Wiring<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) secrets: &'a Secrets,
    pub(crate) databases: &'a Databases,
    pub(crate) bus: &'a bus::Settings,
}

pub(crate) struct Configs {
    pub(super) poller: poller::Config,
    pub(super) mapper: mapper::Config,
    pub(super) writer: writer::Config,
    pub(super) bridge: bridge::Config,
    pub(super) admin: admin::Config,
}

impl Wiring<'_> {
    /// Every mistake of every service at once.
    pub(crate) fn configs(&self) -> Result<Configs, Failure> {
        let (ports, wanted) = (&self.settings.ports, &self.settings.services);
        let poller = config::<poller::Config>(self.poller(ports), &wanted.poller);
        let mapper = config::<mapper::Config>(self.on_the_bus(ports.mapper_http, None, ports.mapper_grpc), &wanted.mapper);
        let writer = config::<writer::Config>(self.writer(ports), &wanted.writer);
        let bridge = config::<bridge::Config>(self.bridge(ports), &wanted.bridge);
        let admin = config::<admin::Config>(self.admin(ports), &wanted.admin);
        match (poller, mapper, writer, bridge, admin) {
            (Ok(poller), Ok(mapper), Ok(writer), Ok(bridge), Ok(admin)) => Ok(Configs { poller, mapper, writer, bridge, admin }),
            (poller, mapper, writer, bridge, admin) => {
                let problems = [poller.err(), mapper.err(), writer.err(), bridge.err(), admin.err()];
                Err(Failure::bad_config(&problems.into_iter().flatten().flatten().collect::<Vec<_>>()))
            }
        }
    }

    fn server(&self, http: NonZeroU16, ops: Option<NonZeroU16>, grpc: NonZeroU16) -> Table {
        let address = |port| Value::from(self.settings.address(port).to_string());
        let ops = ops.map(|ops| ("ops", address(ops)));
        let token = self.secrets.control_token.clone();
        let server = [("http", address(http)), ("grpc", address(grpc)), ("token", token.into())].into_iter().chain(ops);
        table([("server", Value::Table(table(server)))])
    }

    fn on_the_bus(&self, http: NonZeroU16, ops: Option<NonZeroU16>, grpc: NonZeroU16) -> Table {
        let token = self.bus.token.as_ref().map(|token| ("token", Value::from(token.expose_secret())));
        let bus = table([("url", self.bus.url.clone().into())].into_iter().chain(token));
        let kek = self.secrets.kek_file.display().to_string();
        let log = table([("url", self.databases.log.expose_secret().into()), ("kek_file", kek.into())]);
        merged(self.server(http, ops, grpc), &table([("bus", Value::Table(bus)), ("log", Value::Table(log))]))
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
        merged(self.on_the_bus(ports.poller_http, Some(ports.poller_ops), ports.poller_grpc), &own)
    }

    fn writer(&self, ports: &Ports) -> Table {
        let url = format!("http://{}", self.settings.address(ports.bridge_http));
        let bridge = table([("url", url.into()), ("key", self.secrets.bridge_write_key.clone().into())]);
        merged(self.on_the_bus(ports.writer_http, None, ports.writer_grpc), &table([("bridge", Value::Table(bridge))]))
    }

    fn admin(&self, ports: &Ports) -> Table {
        let directory = self.settings.data.join(CHECKPOINTS).display().to_string();
        let url = format!("http://{}", self.settings.address(ports.bridge_http));
        let bridge = table([("url", url.into()), ("key", self.secrets.bridge_write_key.clone().into())]);
        let disks = Value::Array(vec![self.settings.data.display().to_string().into()]);
        let alerts = table([("when", Value::Table(table([("disks", disks)])))]);
        let seal = table([("directory", directory.into()), ("key", self.secrets.seal_key.clone().into())]);
        merged(
            self.on_the_bus(ports.admin_http, Some(ports.admin_ops), ports.admin_grpc),
            &table([("seal", Value::Table(seal)), ("bridge", Value::Table(bridge)), ("alerts", Value::Table(alerts))]),
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
        merged(self.server(ports.bridge_http, Some(ports.bridge_ops), ports.bridge_grpc), &own)
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
