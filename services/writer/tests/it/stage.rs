//! Real servers, a connected location, and a writer that can be stopped and started.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bus::{Bus, Lane, Outgoing, Subject};
use chassis::Shutdown;
use domain::{
    Action, Body, ContactContent, ContactId, Content, DeliveryOutcome, Intent, LocationId, ObjectKey, ObjectKind, Policy, Revision, Rules,
    TaskContent, Workspace, event_id,
};
use embedded::{Nats, NatsSettings, Postgres, PostgresSettings};
use eventlog::EventLog;
use jiff::Timestamp;
use tokio::task::JoinHandle;

use crate::bridge::Bridge;

/// How long anything may take on a busy machine.
/// Longer than `ack_wait`: what was on its way when a server died comes again after it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pub(crate) struct Stage {
    postgres: Option<Postgres>,
    nats: Option<Nats>,
    postgres_settings: PostgresSettings,
    nats_settings: NatsSettings,
    pub(crate) log: EventLog,
    pub(crate) bus: Bus,
    pub(crate) bridge: Bridge,
    pub(crate) location_id: LocationId,
    config: writer::Config,
}

/// A writer that runs until it is stopped.
pub(crate) struct Running {
    stop: Shutdown,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }

    /// As a crash does: nothing is settled any more.
    pub(crate) fn crash(self) {
        self.ended.abort();
    }
}

impl Stage {
    pub(crate) async fn set(name: &str) -> Self {
        let data = embedded::scratch(name);
        let mut postgres_settings = PostgresSettings { data: data.join("postgres"), ..PostgresSettings::default() };
        let postgres = Postgres::start(postgres_settings.clone()).await.unwrap();
        postgres_settings.port = Some(postgres.port());
        postgres.create_database("log").await.unwrap();
        let mut nats_settings = NatsSettings { data: data.join("nats"), ..NatsSettings::default() };
        let nats = Nats::start(nats_settings.clone()).await.unwrap();
        nats_settings.port = Some(nats.port());
        let log_settings = eventlog::Settings { url: postgres.url("log").into(), ..eventlog::Settings::default() };
        eventlog::migrate(&log_settings).await.unwrap();
        let bridge = Bridge::default();
        let bridge_url = bridge.serve().await;
        let file = data.join("writer.toml");
        let text = format!(
            "server.token = \"t\"\n\
             log.url = \"{}\"\nbus.url = \"{}\"\nbridge.url = \"{bridge_url}\"\nbridge.key = \"key of the writer\"\n\
             retry.first = \"10ms\"\nretry.longest = \"200ms\"\nbatches.messages_max = 40\nbus.ack_wait = \"2s\"\n",
            postgres.url("log"),
            nats.url(),
        );
        std::fs::write(&file, text).unwrap();
        let config: writer::Config = chassis::load(Some(&file)).unwrap();
        let log = EventLog::connect(&log_settings).await.unwrap();
        let bus = Bus::connect(&config.bus).await.unwrap();
        let location_id = LocationId::new("loc.1/é *>").unwrap();
        log.locations().connect(&location_id, Timestamp::now()).await.unwrap();
        let (postgres, nats) = (Some(postgres), Some(nats));
        let stage = Self { postgres, nats, postgres_settings, nats_settings, log, bus, bridge, location_id, config };
        stage.until("the bus takes streams", async || stage.bus.ensure_streams().await.is_ok()).await;
        stage
    }

    /// Starts a writer, beside others if there are any.
    pub(crate) fn run(&self) -> Running {
        let mut config = self.config.clone();
        config.server.http.set_port(embedded::free_port().unwrap());
        config.server.grpc.set_port(embedded::free_port().unwrap());
        let stop = Shutdown::new();
        let ended = tokio::spawn(writer::run(config, stop.clone()));
        Running { stop, ended }
    }

    /// Kills the database, does something while it is away, and starts it again.
    pub(crate) async fn restart_postgres(&mut self, meanwhile: impl AsyncFnOnce(&Self)) {
        let mut postgres = self.postgres.take().unwrap();
        postgres.kill().await;
        drop(postgres);
        meanwhile(self).await;
        self.postgres = Some(Postgres::start(self.postgres_settings.clone()).await.unwrap());
        self.until("the log answers", async || self.log.ping().await.is_ok()).await;
    }

    pub(crate) async fn restart_nats(&mut self) {
        let mut nats = self.nats.take().unwrap();
        nats.kill().await;
        drop(nats);
        self.nats = Some(Nats::start(self.nats_settings.clone()).await.unwrap());
        self.until("the bus is back", async || self.bus.ensure_streams().await.is_ok()).await;
    }

    pub(crate) async fn publish(&self, intents: &[Intent]) {
        for intent in intents {
            let outgoing = Outgoing {
                subject: Subject::intents(Lane::Live, &intent.location_id, &intent.contact_id),
                id: None,
                traceparent: Some(TRACE.to_owned()),
                body: intent.encode().unwrap(),
            };
            self.bus.publish(outgoing).await.unwrap();
        }
    }

    pub(crate) async fn publish_bytes(&self, body: &[u8]) {
        let contact_id = ContactId::new("ann").unwrap();
        let subject = Subject::intents(Lane::Live, &self.location_id, &contact_id);
        self.bus.publish(Outgoing { subject, id: None, traceparent: None, body: body.to_vec() }).await.unwrap();
    }

    /// Waits until every message is settled.
    pub(crate) async fn until_settled(&self) {
        self.until("everything is settled", async || self.bus.backlog(bus::Stream::Intents).await.is_ok_and(|left| left == 0)).await;
    }

    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !holds().await {
            assert!(begun.elapsed() < PATIENCE, "waited too long until {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn task(&self, id: &str, seq: u64) -> Intent {
        let content = Content::Task(TaskContent { title: format!("{id} as of {seq}"), ..TaskContent::default() });
        self.intent(ObjectKind::Task, &format!("ghl:task/{id}"), seq, Policy::Mirror, Action::Put(Box::new(content)))
    }

    pub(crate) fn contact(&self, seq: u64) -> Intent {
        let content = Content::Contact(ContactContent { name: format!("Ann as of {seq}"), ..ContactContent::default() });
        self.intent(ObjectKind::Contact, "ghl:contact/ann", seq, Policy::Mirror, Action::Put(Box::new(content)))
    }

    pub(crate) fn removal(&self, id: &str, seq: u64) -> Intent {
        self.intent(ObjectKind::Task, &format!("ghl:task/{id}"), seq, Policy::Mirror, Action::Remove)
    }

    pub(crate) fn intent(&self, kind: ObjectKind, object: &str, seq: u64, policy: Policy, action: Action) -> Intent {
        Intent {
            event_id: event_id(&self.location_id, 1, seq),
            workspace: Workspace::live_of(&self.location_id),
            edition: 0,
            location_id: self.location_id.clone(),
            contact_id: ContactId::new("ann").unwrap(),
            kind,
            object: ObjectKey::from(object.to_owned()),
            revision: Revision { epoch: 1, seq },
            policy,
            rules: Rules::builtin().unwrap().revision().clone(),
            action,
        }
    }

    /// What the log says of deliveries: how often each outcome happened to each object.
    pub(crate) async fn deliveries(&self) -> BTreeMap<(String, &'static str), usize> {
        let mut counted = BTreeMap::new();
        for stored in self.log.read(&self.location_id, 0, 10_000).await.unwrap() {
            if let Body::Delivery(fact) = stored.read().unwrap() {
                for delivery in fact.deliveries {
                    *counted.entry((delivery.object.to_string(), fact.outcome.as_str())).or_default() += 1;
                }
            }
        }
        counted
    }

    pub(crate) async fn happened(&self, object: &str, outcome: DeliveryOutcome) -> usize {
        self.deliveries().await.get(&(object.to_owned(), outcome.as_str())).copied().unwrap_or_default()
    }

    pub(crate) fn holds(&self) -> BTreeMap<String, String> {
        self.bridge.holds(self.location_id.as_str())
    }

    pub(crate) async fn close(self) {
        self.nats.unwrap().stop().await.unwrap();
        self.postgres.unwrap().stop().await.unwrap();
    }
}
