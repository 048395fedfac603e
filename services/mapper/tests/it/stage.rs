//! Real servers, a connected location, and a mapper that can be stopped and started.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bus::{Bus, Outgoing, Stream, Subject};
use chassis::Shutdown;
use domain::{
    Cause, Contact, ContactId, Intent, Listing, LocationId, Names, Net, Observation, Record, RecordId, RecordKind, Sighting, Stored, Task,
};
use embedded::{Nats, NatsSettings, Postgres, PostgresSettings};
use eventlog::EventLog;
use jiff::Timestamp;
use tokio::task::JoinHandle;

/// How long anything may take on a busy machine.
/// Longer than `ack_wait`: what was on its way when a server died comes again after it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pub(crate) struct Stage {
    postgres: Postgres,
    nats: Nats,
    pub(crate) log: EventLog,
    pub(crate) bus: Bus,
    pub(crate) location_id: LocationId,
    pub(crate) data: PathBuf,
    pub(crate) config: mapper::Config,
}

/// A mapper that runs until it is stopped.
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
        let postgres = Postgres::start(PostgresSettings { data: data.join("postgres"), ..PostgresSettings::default() }).await.unwrap();
        postgres.create_database("log").await.unwrap();
        let nats = Nats::start(NatsSettings { data: data.join("nats"), ..NatsSettings::default() }).await.unwrap();
        let log_settings = eventlog::Settings { url: postgres.url("log").into(), ..eventlog::Settings::default() };
        eventlog::migrate(&log_settings).await.unwrap();
        let file = data.join("mapper.toml");
        let text = format!(
            "server.token = \"t\"\nlog.url = \"{}\"\nbus.url = \"{}\"\nbus.ack_wait = \"2s\"\nretry.first = \"10ms\"\n\
             retry.longest = \"200ms\"\nbatches.messages_max = 40\nbatches.intent_bytes_max = 20000\n",
            postgres.url("log"),
            nats.url(),
        );
        std::fs::write(&file, text).unwrap();
        let config: mapper::Config = chassis::load(Some(&file)).unwrap();
        let log = EventLog::connect(&log_settings).await.unwrap();
        let bus = Bus::connect(&config.bus).await.unwrap();
        let location_id = LocationId::new("loc.1/é *>").unwrap();
        log.locations().connect(&location_id, "2026-03-01T00:00:00Z".parse().unwrap()).await.unwrap();
        let stage = Self { postgres, nats, log, bus, location_id, data, config };
        stage.until("the bus takes streams", async || stage.bus.ensure_streams().await.is_ok()).await;
        stage
    }

    /// Starts a mapper, beside others if there are any.
    pub(crate) fn run(&self) -> Running {
        let mut config = self.config.clone();
        config.server.http.set_port(embedded::free_port().unwrap());
        config.server.grpc.set_port(embedded::free_port().unwrap());
        let stop = Shutdown::new();
        let ended = tokio::spawn(mapper::run(config, stop.clone()));
        Running { stop, ended }
    }

    /// A look at a contact with one task, as the poller appends it.
    pub(crate) async fn see(&self, contact: &str, title: &str, added_at: &str) -> Vec<Stored> {
        let task = Record::Task(Task { title: Some(title.to_owned()), ..Task::default() });
        let added_at = Some(added_at.to_owned().into());
        let person = Record::Contact(Box::new(Contact { name: Some(contact.to_owned()), added_at, ..Contact::default() }));
        let seen = Observation {
            location_id: self.location_id.clone(),
            contact_id: ContactId::new(contact).unwrap(),
            asked_at: Timestamp::now(),
            connected_at: "2026-03-01T00:00:00Z".parse().unwrap(),
            contact: Sighting::Present { shown: Box::new(person.into()), by_id: true },
            listings: [(RecordKind::Task, Listing::Complete(vec![(RecordId::new(format!("t-{contact}")).unwrap(), task.into())]))].into(),
            names: Names::default(),
            cause: Cause::from(Net::Poll),
            traceparent: Some(TRACE.to_owned()),
        };
        let head = self.log.read(&self.location_id, 0, 10_000).await.unwrap().len() as u64;
        let replica = eventlog::Replica { instance: "tests".to_owned(), address: String::new(), ttl: Duration::from_secs(600) };
        let turn = self.log.leases().join(&replica, std::slice::from_ref(&self.location_id)).await.unwrap();
        self.log.observe(&turn.held[0], &[seen]).await.unwrap();
        self.log.read(&self.location_id, head, 10_000).await.unwrap()
    }

    /// Puts events on the bus, as the relay does.
    pub(crate) async fn relay(&self, events: &[Stored]) {
        for stored in events {
            self.send(stored.contact_id.as_ref(), stored.carry().unwrap()).await;
        }
    }

    pub(crate) async fn send(&self, contact_id: Option<&ContactId>, body: Vec<u8>) {
        let subject = Subject::events(&self.location_id, contact_id);
        self.bus.publish(Outgoing { subject, id: None, traceparent: Some(TRACE.to_owned()), body }).await.unwrap();
    }

    /// Waits until so many intents are on the bus: the server may count what was just published a moment later.
    pub(crate) async fn until_intents(&self, number: u64) {
        self.until("the intents are there", async || self.bus.backlog(Stream::Intents).await.is_ok_and(|left| left >= number)).await;
    }

    /// Waits until every event is settled.
    pub(crate) async fn until_settled(&self) {
        self.until("everything is settled", async || self.bus.backlog(Stream::Events).await.is_ok_and(|left| left == 0)).await;
    }

    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !holds().await {
            assert!(begun.elapsed() < PATIENCE, "waited too long until {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Every intent on the bus, with the trace it travels in.
    pub(crate) async fn intents(&self) -> Vec<(Intent, Option<String>)> {
        let left = usize::try_from(self.bus.backlog(Stream::Intents).await.unwrap()).unwrap();
        let mut inbox = self.bus.consume(Stream::Intents).await.unwrap();
        let mut intents = Vec::new();
        while intents.len() < left {
            for message in inbox.batch(left).await.unwrap() {
                intents.push((Intent::decode(message.body()).unwrap(), message.traceparent().map(str::to_owned)));
                message.ack().await.unwrap();
            }
        }
        intents
    }

    pub(crate) async fn close(self) {
        self.nats.stop().await.unwrap();
        self.postgres.stop().await.unwrap();
    }
}
