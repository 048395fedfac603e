//! What the whole system is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use embedded::{Nats, Postgres, free_port};
use sandbox::{Load, Sandbox};
use toml::{Table, Value, toml};

pub const TOKEN: &str = "the-control-token";
pub const KEY: &str = "the-bridge-key-0123456789abcdef0123456789";

pub const SERVICES: [&str; 5] = ["bridge", "writer", "mapper", "poller", "admin"];

/// What a story wants different.
pub struct SystemSettings {
    pub(super) name: String,
    pub contacts: usize,
    pub(super) load: Load,
    pub sandbox: sandbox::Settings,
    pub(super) kek: &'static str,
    pub(super) more: BTreeMap<&'static str, Table>,
    pub(super) apart: Option<PathBuf>,
}

impl SystemSettings {
    pub fn new(name: &str) -> Self {
        let sandbox = sandbox::Settings { limits: sandbox::Limits::none(), ..sandbox::Settings::default() };
        Self { name: name.to_owned(), contacts: 12, load: Load::Varied, sandbox, kek: "", more: BTreeMap::new(), apart: None }
    }

    #[must_use]
    pub fn contacts(mut self, contacts: usize) -> Self {
        self.contacts = contacts;
        self
    }

    /// So much on each contact.
    #[must_use]
    pub fn load(mut self, load: Load) -> Self {
        self.load = load;
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

pub(super) fn tables(
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
        let ops = http.clone();
        let mut table = toml! { server = { http = http, ops = ops, grpc = grpc, token = TOKEN } };
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
    // The stories lose webhooks, that something was deleted among them: what was made and is gone is not waited for as long as usual.
    let poller = toml! {
        locations = [{ id = id, token = token }]
        ghl = { base_url = base_url, rate = { calls_per_second = 1000.0, window_calls_max = 100000, throttled_pause = "300ms" } }
        webhooks = { ed25519_pems = [pem] }
        hints = { debounce = "20ms", again_within = "20s" }
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
