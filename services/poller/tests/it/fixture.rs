//! Runs a poller with its own PostgreSQL, nats-server and fake GHL.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use chassis::Shutdown;
use domain::{Body, ContactId, LocationId, Stored};
use ed25519_dalek::pkcs8::EncodePublicKey;
use ed25519_dalek::{Signer, SigningKey};
use embedded::{Nats, NatsSettings, Postgres, PostgresSettings};
use eventlog::EventLog;
use poller::Config;
use proto::control::v1::StatusRequest;
use proto::control::v1::control_client::ControlClient;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::agency::{Agency, LOCATION};

/// Longer than `ack_wait`: messages in flight when a server died are redelivered after it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct PollerFixture {
    pub(crate) nats: Nats,
    pub(crate) nats_data: PathBuf,
    pub(crate) log: EventLog,
    pub(crate) http: String,
    pub(crate) grpc: String,
    location_id: LocationId,
    postgres: Option<Postgres>,
    config_file: PathBuf,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
}

/// A second poller.
pub(crate) struct Replica {
    http: String,
    pub(crate) grpc: String,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Replica {
    /// Sends a webhook to this replica.
    pub(crate) async fn send(&mut self, fixture: &PollerFixture, kind: &str, fields: Value) -> u16 {
        fixture.send_to(&self.http, kind, fields).await
    }

    /// The value of one of its metrics.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> Option<f64> {
        metric_of(&self.http, name, label).await
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// A GHL to poll.
pub(crate) struct Ghl {
    pub(crate) base_url: String,
    pub(crate) location_id: String,
    /// Empty: the location is not listed.
    pub(crate) token: String,
    /// The public key that its webhooks are signed with.
    pub(crate) pem: String,
}

/// The key that the agency's webhooks are signed with.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

pub(crate) fn here() -> LocationId {
    LocationId::new(LOCATION).unwrap()
}

pub(crate) fn who(id: &str) -> ContactId {
    ContactId::new(id).unwrap()
}

/// Polls until there is a result.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl PollerFixture {
    /// Starts a poller over what the agency holds. `more` is added to its settings.
    pub(crate) async fn start(name: &str, agency: Agency, more: &str) -> Self {
        let pem = key().verifying_key().to_public_key_pem(Default::default()).unwrap();
        let location_id = agency.world().place.id.to_owned();
        let (base_url, token) = (agency.start().await, "pit-test".to_owned());
        Self::start_over(name, Ghl { base_url, location_id, token, pem }, more).await
    }

    /// Starts a poller over any GHL.
    pub(crate) async fn start_over(name: &str, ghl: Ghl, more: &str) -> Self {
        // Only the first test of the process installs it; they all choose the same one.
        rustls::crypto::ring::default_provider().install_default().ok();
        let postgres = PostgresSettings { data: embedded::scratch(&format!("{name}-postgres")), ..PostgresSettings::default() };
        let postgres = Postgres::start(postgres).await.unwrap();
        postgres.create_database("log").await.unwrap();
        let nats_data = embedded::scratch(&format!("{name}-nats"));
        let nats = Nats::start(NatsSettings { data: nats_data.clone(), ..NatsSettings::default() }).await.unwrap();
        let settings = eventlog::Settings { url: postgres.url("log").into(), ..eventlog::Settings::default() };
        eventlog::migrate(&settings).await.unwrap();
        let log = EventLog::connect(&settings).await.unwrap();

        let Ghl { base_url, location_id, token, pem } = ghl;
        let http = format!("127.0.0.1:{}", embedded::free_port().unwrap());
        let grpc = format!("127.0.0.1:{}", embedded::free_port().unwrap());
        let mut config = String::new();
        let listed = if token.is_empty() { String::new() } else { format!("{{ id = \"{location_id}\", token = \"{token}\" }}") };
        writeln!(config, "locations = [{listed}]").unwrap();
        writeln!(config, "log.url = \"{}\"\nbus.url = \"{}\"", postgres.url("log"), nats.url()).unwrap();
        writeln!(config, "server.http = \"{http}\"\nserver.ops = \"{http}\"\nserver.grpc = \"{grpc}\"").unwrap();
        writeln!(config, "server.token = \"control\"\nghl.base_url = \"{base_url}\"").unwrap();
        writeln!(config, "ghl.rate.calls_per_second = 1000.0\nghl.rate.window_calls_max = 100000").unwrap();
        writeln!(config, "webhooks.ed25519_pems = [\"\"\"{pem}\"\"\"]\nhints.debounce = \"0s\"\nsettled.interval = \"100ms\"").unwrap();
        writeln!(config, "retry.first = \"20ms\"\nretry.longest = \"200ms\"\nretry.token_pause = \"300ms\"\nretry.reconnect = \"50ms\"\nhealth.interval = \"100ms\"")
            .unwrap();
        let is_given = |line: &str| more.lines().any(|given| given.split(" = ").next() == line.split(" = ").next());
        config = config.lines().filter(|line| !is_given(line)).fold(String::new(), |kept, line| kept + line + "\n");
        config.push_str(more);
        let config_file = embedded::scratch(&format!("{name}-config")).join("poller.toml");
        std::fs::write(&config_file, config).unwrap();

        let (shutdown, running) = run(&config_file);
        let (http, grpc) = (format!("http://{http}"), format!("http://{grpc}"));
        let location_id = LocationId::new(location_id).unwrap_or_else(|_| here());
        let fixture = Self { nats, nats_data, log, http, grpc, location_id, postgres: Some(postgres), config_file, shutdown, running };
        fixture.until_ready().await;
        fixture
    }

    /// A second poller beside this one, with addresses of its own.
    pub(crate) async fn another(&self) -> Replica {
        let (http, grpc) = (embedded::free_port().unwrap(), embedded::free_port().unwrap());
        let addressed = |line: &str| match line.split_once(" = ") {
            Some((key @ ("server.http" | "server.ops"), _)) => format!("{key} = \"127.0.0.1:{http}\""),
            Some(("server.grpc", _)) => format!("server.grpc = \"127.0.0.1:{grpc}\""),
            _ => line.to_owned(),
        };
        let config: Vec<String> = std::fs::read_to_string(&self.config_file).unwrap().lines().map(addressed).collect();
        let config_file = self.config_file.with_file_name(format!("another-{http}.toml"));
        std::fs::write(&config_file, config.join("\n")).unwrap();
        let (shutdown, running) = run(&config_file);
        let (http, grpc) = (format!("http://127.0.0.1:{http}"), format!("http://127.0.0.1:{grpc}"));
        eventually("another one", || async { reqwest::get(format!("{http}/readyz")).await.ok()?.status().is_success().then_some(()) })
            .await;
        Replica { http, grpc, shutdown, running }
    }

    pub(crate) fn location_id(&self) -> &LocationId {
        &self.location_id
    }

    pub(crate) fn log_settings(&self) -> eventlog::Settings {
        let url = self.postgres.as_ref().unwrap().url("log").into();
        eventlog::Settings { url, ..eventlog::Settings::default() }
    }

    /// Aborts the poller.
    pub(crate) fn kill(&self) {
        self.running.abort();
    }

    /// Stops the poller alone.
    pub(crate) async fn stop_poller(&mut self) {
        self.shutdown.cancel();
        (&mut self.running).await.unwrap().unwrap();
    }

    /// Stops the servers of a poller that has ended already.
    pub(crate) async fn close(self) {
        self.nats.stop().await.unwrap();
        if let Some(postgres) = self.postgres {
            postgres.stop().await.unwrap();
        }
    }

    /// Changes the settings that a poller is next started with.
    pub(crate) fn change_settings(&self, from: &str, to: &str) {
        let config = std::fs::read_to_string(&self.config_file).unwrap();
        std::fs::write(&self.config_file, config.replace(from, to)).unwrap();
    }

    /// Stops the poller and starts another one over the same data.
    pub(crate) async fn restart(&mut self) {
        self.shutdown.cancel();
        (&mut self.running).await.unwrap().unwrap();
        (self.shutdown, self.running) = run(&self.config_file);
        self.until_ready().await;
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
        self.nats.stop().await.unwrap();
        if let Some(postgres) = self.postgres {
            postgres.stop().await.unwrap();
        }
    }

    /// Kills PostgreSQL; returns the settings for `revive_postgres`.
    pub(crate) async fn kill_postgres(&mut self) -> PostgresSettings {
        let mut postgres = self.postgres.take().unwrap();
        postgres.kill().await;
        PostgresSettings { data: postgres.data().to_owned(), port: Some(postgres.port()), ..PostgresSettings::default() }
    }

    /// Starts PostgreSQL again on the same port, over the same data.
    pub(crate) async fn revive_postgres(&mut self, settings: PostgresSettings) {
        self.postgres = Some(Postgres::start(settings).await.unwrap());
    }

    /// Kills nats-server and starts another on the same port, with an empty store.
    pub(crate) async fn wipe_nats(&mut self) {
        let port = self.nats.port();
        self.nats.kill().await;
        embedded::wipe(&self.nats_data).unwrap();
        self.nats = Nats::start(NatsSettings { data: self.nats_data.clone(), port: Some(port), ..NatsSettings::default() }).await.unwrap();
    }

    pub(crate) async fn ready(&self) -> bool {
        let answer = reqwest::get(format!("{}/readyz", self.http)).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn until_ready(&self) {
        eventually("ready", || async { self.ready().await.then_some(()) }).await;
    }

    /// Sends a body with a valid signature; returns the status.
    pub(crate) async fn send_raw(&self, body: Vec<u8>) -> u16 {
        let signature = signature(&body);
        self.post(body, Some(("X-GHL-Signature", &signature))).await
    }

    pub(crate) fn signature_of(&self, body: &[u8]) -> String {
        signature(body)
    }

    pub(crate) async fn post(&self, body: Vec<u8>, header: Option<(&str, &str)>) -> u16 {
        post_to(&self.http, body, header).await
    }

    pub(crate) async fn send(&self, kind: &str, fields: Value) -> u16 {
        self.send_to(&self.http, kind, fields).await
    }

    async fn send_to(&self, http: &str, kind: &str, fields: Value) -> u16 {
        let mut body = json!({"type": kind, "locationId": self.location_id, "webhookId": uuid::Uuid::new_v4().to_string()});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let body = body.to_string().into_bytes();
        let signature = signature(&body);
        post_to(http, body, Some(("X-GHL-Signature", &signature))).await
    }

    /// The types of the events of a contact, sorted.
    pub(crate) async fn history(&self, contact: &str) -> Vec<String> {
        let mut history = self.try_history(contact).await.unwrap();
        history.sort_unstable();
        history
    }

    async fn try_history(&self, contact: &str) -> eventlog::Result<Vec<String>> {
        let events: Vec<Stored> =
            self.log.answers().history(&self.location_id, &who(contact), &eventlog::EventFilter::default(), None, 1_000).await?;
        Ok(events.into_iter().rev().map(|event| event.type_name).collect())
    }

    /// Waits until the contact has exactly these events, in any order.
    pub(crate) async fn until_history(&self, contact: &str, wanted: &[&str]) {
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            // The database may just be coming back.
            let mut history = self.try_history(contact).await.unwrap_or_default();
            history.sort_unstable();
            if history == wanted {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "not within {PATIENCE:?}: {contact} has {history:?}, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn until_backfilled(&self) {
        eventually("backfilled", || async { self.log.passes().progress(&self.location_id).await.unwrap().backfill.finished_at }).await;
    }

    /// What is known of a contact and its records, by their ids, with the fields of the log; nothing of what vanished.
    pub(crate) async fn records(&self, contact: &str) -> BTreeMap<String, Value> {
        let known = self
            .log
            .known()
            .of(&self.location_id, &[who(contact)], &domain::RecordKind::ALL)
            .await
            .unwrap()
            .remove(&who(contact))
            .unwrap_or_default();
        let present = known.records.into_iter().filter(|(_, record)| record.present);
        present.map(|((_, id), known)| (id.to_string(), serde_json::to_value(known.record).unwrap())).collect()
    }

    /// The figure `to_mend` of the status: what a person must do.
    pub(crate) async fn to_mend(&self) -> String {
        self.figure("to_mend").await
    }

    /// A figure of the status.
    pub(crate) async fn figure(&self, name: &str) -> String {
        let mut control = ControlClient::connect(self.grpc.clone()).await.unwrap();
        let mut request = tonic::Request::new(StatusRequest {});
        request.metadata_mut().insert("authorization", "Bearer control".parse().unwrap());
        let status = control.status(request).await.unwrap().into_inner();
        status.figures.get(name).cloned().unwrap_or_default()
    }

    /// What the events of a contact say, the oldest first.
    pub(crate) async fn facts(&self, contact: &str) -> Vec<Body> {
        let events: Vec<Stored> =
            self.log.answers().history(&self.location_id, &who(contact), &eventlog::EventFilter::default(), None, 1_000).await.unwrap();
        events.into_iter().rev().map(|event| event.read().unwrap()).collect()
    }

    /// The value of a metric that has no label but that of the service.
    pub(crate) async fn counter(&self, name: &str) -> f64 {
        let name = format!("mirror_poller_{name}{{service=\"poller\"}}");
        let text = reqwest::get(format!("{}/metrics", self.http)).await.unwrap().text().await.unwrap();
        text.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse().ok()).unwrap_or_default()
    }

    /// The value of one metric; `label` is the label after that of the service.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> Option<f64> {
        metric_of(&self.http, name, label).await
    }
}

async fn metric_of(http: &str, name: &str, label: &str) -> Option<f64> {
    let name = format!("mirror_poller_{name}{{service=\"poller\",{label}}}");
    let text = reqwest::get(format!("{http}/metrics")).await.unwrap().text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse().ok())
}

fn run(config_file: &std::path::Path) -> (Shutdown, JoinHandle<anyhow::Result<()>>) {
    let config: Config = chassis::load(Some(config_file)).unwrap();
    let shutdown = Shutdown::new();
    (shutdown.clone(), tokio::spawn(poller::run(config, shutdown)))
}

fn signature(body: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(key().sign(body).to_bytes())
}

async fn post_to(http: &str, body: Vec<u8>, header: Option<(&str, &str)>) -> u16 {
    let mut request = reqwest::Client::new().post(format!("{http}/webhooks/ghl")).body(body);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status().as_u16()
}
