//! A server for all tests, a database for each.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{
    Cause, Contact, ContactId, DeliveryOutcome, Listing, LocationId, Moment, Names, Net, Note, ObjectKey, ObjectKind, Observation, Policy,
    Record, RecordId, RecordKind, Recorded, Revision, Rules, Sighting, Stored, Workspace,
};
use embedded::{Postgres, PostgresSettings, scratch};
use eventlog::{Error, EventLog, Lease, ParkedMessage, Replica, Result, Settings, Settlement, Verification, Verified};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use settings::Period;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex, OnceCell};

static SERVER: OnceCell<Postgres> = OnceCell::const_new();
/// Databases are made one at a time: each is a copy of the same template.
static MAKING: Mutex<()> = Mutex::const_new(());

pub(crate) struct TestDatabase {
    /// As the service sees it.
    pub(crate) log: EventLog,
    pub(crate) owner: Settings,
    pub(crate) service: Settings,
    pub(crate) location: LocationId,
}

pub(crate) async fn empty_database(name: &str) -> Settings {
    let server = SERVER
        .get_or_init(|| async {
            let settings = PostgresSettings { data: scratch("eventlog"), ..PostgresSettings::default() };
            Postgres::start(settings).await.expect("PostgreSQL")
        })
        .await;
    let _one = MAKING.lock().await;
    server.create_database(name).await.expect("database");
    settings(server.url(name))
}

/// A migrated database with one connected location, seen through the role of a service.
pub(crate) async fn database(name: &str) -> TestDatabase {
    let owner = empty_database(name).await;
    eventlog::migrate(&owner).await.expect("migrations");
    let (user, password) = (format!("service_{name}"), "p'w \"x\"");
    eventlog::ensure_service_role(&owner, &user, &SecretString::from(password)).await.expect("role");
    let mut url = url::Url::parse(owner.url.expose_secret()).expect("url");
    url.set_username(&user).expect("user");
    url.set_password(Some(password)).expect("password");
    let service = settings(url.to_string());
    let log = EventLog::connect(&service).await.expect("connect");
    let location = LocationId::new("loc").expect("id");
    log.locations().connect(&location, at(0)).await.expect("location");
    TestDatabase { log, owner, service, location }
}

fn settings(url: String) -> Settings {
    Settings { url: SecretString::from(url), acquire_timeout: Period::from_secs(20), ..Settings::default() }
}

impl TestDatabase {
    pub(crate) async fn as_owner(&self) -> PgConnection {
        PgConnection::connect(self.owner.url.expose_secret()).await.expect("owner")
    }

    pub(crate) async fn as_service(&self) -> PgConnection {
        PgConnection::connect(self.service.url.expose_secret()).await.expect("service")
    }

    /// What nobody can do by accident: as the owner, with the guards off.
    pub(crate) async fn tamper(&self, statement: &'static str) -> u64 {
        let mut owner = self.as_owner().await;
        sqlx::raw_sql("ALTER TABLE events DISABLE TRIGGER USER").execute(&mut owner).await.expect("guards off");
        let done = sqlx::query(statement).execute(&mut owner).await.expect("tampering");
        sqlx::raw_sql("ALTER TABLE events ENABLE TRIGGER USER").execute(&mut owner).await.expect("guards on");
        done.rows_affected()
    }

    pub(crate) async fn observe(&self, observation: Observation) -> Vec<Recorded> {
        observe(&self.log, &self.location, &[observation]).await.expect("observe")
    }

    pub(crate) async fn head(&self) -> u64 {
        self.log.locations().list().await.expect("locations").first().expect("location").head
    }
}

/// A replica of this name.
pub(crate) fn replica(instance: &str, ttl: Duration) -> Replica {
    Replica { instance: instance.to_owned(), address: format!("http://{instance}:1"), ttl }
}

/// The lease of a location for a replica that joins, if nobody holds it.
pub(crate) async fn lease(log: &EventLog, location_id: &LocationId, instance: &str, ttl: Duration) -> Option<Lease> {
    let turn = log.leases().join(&replica(instance, ttl), std::slice::from_ref(location_id)).await.expect("a turn");
    turn.held.into_iter().next()
}

/// Observes under the location's lease, whoever holds it.
pub(crate) async fn observe(log: &EventLog, location_id: &LocationId, observations: &[Observation]) -> Result<Vec<Recorded>> {
    let mut lease =
        lease(log, location_id, "tests", Duration::ZERO).await.unwrap_or_else(|| Lease { location_id: location_id.clone(), token: 1 });
    loop {
        match log.observe(&lease, observations).await {
            Err(Error::Superseded { .. }) => lease.token += 1,
            other => return other,
        }
    }
}

/// Walks the whole chain of a location.
pub(crate) async fn verify(log: &EventLog, location_id: &LocationId) -> Result<Verified> {
    log.chain().verify(location_id, &Verification::default(), |_, _| ()).await
}

/// A day in the life of the tests.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).expect("time")
}

pub(crate) fn contact_id(id: &str) -> ContactId {
    ContactId::new(id).expect("id")
}

/// A look at a contact alone.
pub(crate) fn seen(id: &str, name: &str, asked: i64) -> Observation {
    let contact = Contact { name: Some(name.to_owned()), updated_at: Some(Moment::At(at(asked))), ..Contact::default() };
    Observation {
        location_id: LocationId::new("loc").expect("id"),
        contact_id: contact_id(id),
        asked_at: at(asked),
        connected_at: at(0),
        contact: Sighting::Present { shown: Box::new(Record::Contact(Box::new(contact)).into()), by_id: true },
        listings: BTreeMap::new(),
        names: Names::default(),
        cause: Cause { net: Net::Poll, asked_at: Some(at(asked)), ghl_trace_id: Some("trace \u{0} \"quoted\" é".to_owned()) },
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    }
}

/// A look at a contact and all its notes.
pub(crate) fn seen_with_notes(id: &str, name: &str, asked: i64, notes: &[(&str, &str)]) -> Observation {
    let note = |(id, body): &(&str, &str)| {
        (RecordId::new(*id).expect("id"), Record::Note(Note { body: Some((*body).to_owned()), ..Note::default() }).into())
    };
    let notes = Listing::Complete(notes.iter().map(note).collect());
    Observation { listings: [(RecordKind::Note, notes)].into(), ..seen(id, name, asked) }
}

pub(crate) fn settlement(contact: &str, object: ObjectKey, seq: u64, outcome: DeliveryOutcome) -> Settlement {
    Settlement {
        contact_id: contact_id(contact),
        kind: ObjectKind::Contact,
        object,
        workspace: Workspace::new("loc").expect("id"),
        revision: Revision { epoch: 1, seq },
        edition: 0,
        policy: Policy::Mirror,
        rules: Rules::builtin().expect("rules").revision().clone(),
        removed: false,
        outcome,
        answer: "updated".to_owned(),
        traceparent: None,
        parked: None,
    }
}

pub(crate) fn delivered(contact: &str, seq: u64) -> Settlement {
    settlement(contact, ObjectKey::of_contact(&contact_id(contact)), seq, DeliveryOutcome::Delivered)
}

pub(crate) fn parked(contact: &str, seq: u64) -> Settlement {
    let message =
        ParkedMessage { subject: "intents.v1.live.loc.c".to_owned(), message: b"intent".to_vec(), status: Some(422), attempts: 3 };
    Settlement {
        answer: "invalid_content".to_owned(),
        parked: Some(message),
        ..settlement(contact, ObjectKey::of_contact(&contact_id(contact)), seq, DeliveryOutcome::Parked)
    }
}

pub(crate) fn note_key(id: &str) -> ObjectKey {
    ObjectKey::of_record(RecordKind::Note, &RecordId::new(id).expect("id"))
}

/// An event that was never sealed.
pub(crate) fn readable(event: Stored) -> Recorded {
    let body = event.read().expect("readable");
    event.with(body)
}

pub(crate) fn types(recorded: &[Recorded]) -> Vec<String> {
    recorded.iter().map(|recorded| recorded.type_name.clone()).collect()
}
