//! A server for all tests, a database and an admin service for each.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use chassis::Shutdown;
use domain::{Body, Cause, Contact, ContactId, LocationId, Names, Net, Observation, OperatorFact, Record, Sighting};
use embedded::{Nats, NatsSettings, Postgres, PostgresSettings, free_port, scratch};
use eventlog::{Entry, EventLog};
use jiff::Timestamp;
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

static SERVERS: OnceCell<(Postgres, Nats)> = OnceCell::const_new();
const TOKEN: &str = "the-control-token";
const PATIENCE: Duration = Duration::from_secs(60);

/// What outlives a service.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) log: EventLog,
    pub(crate) location: LocationId,
    /// Where it keeps checkpoints, and where tests put files.
    pub(crate) directory: PathBuf,
    owner_url: String,
    /// As the service reaches the log and the bus.
    url: String,
    bus: String,
}

/// An admin service over a log of its own.
pub(crate) struct AdminFixture {
    stored: Stored,
    endpoint: String,
    /// Where its metrics are.
    page: String,
    stop: Shutdown,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Deref for AdminFixture {
    type Target = Stored;

    fn deref(&self) -> &Stored {
        &self.stored
    }
}

impl AdminFixture {
    /// With one connected location, or with none. `settings` are added to the service's own.
    pub(crate) async fn start(name: &str, location: Option<&str>, settings: &str) -> Self {
        let (postgres, nats) = SERVERS
            .get_or_init(|| async {
                let postgres = PostgresSettings { data: scratch("admin-postgres"), ..PostgresSettings::default() };
                let nats = NatsSettings { data: scratch("admin-nats"), ..NatsSettings::default() };
                (Postgres::start(postgres).await.expect("PostgreSQL"), Nats::start(nats).await.expect("NATS"))
            })
            .await;
        postgres.create_database(name).await.expect("database");
        let owner_url = postgres.url(name);
        let owner = eventlog::Settings { url: owner_url.clone().into(), ..eventlog::Settings::default() };
        eventlog::migrate(&owner).await.expect("migrations");
        let user = format!("app_{name}");
        eventlog::ensure_service_role(&owner, &user, &SecretString::from("app")).await.expect("role");
        let mut url = url::Url::parse(&owner_url).expect("url");
        url.set_username(&user).expect("user");
        url.set_password(Some("app")).expect("password");
        let service = eventlog::Settings { url: url.to_string().into(), ..eventlog::Settings::default() };
        let log = EventLog::connect(&service).await.expect("log");
        let connected = LocationId::new(location.unwrap_or("loc")).expect("id");
        if location.is_some() {
            log.locations().connect(&connected, Timestamp::from_second(1_780_000_000).expect("time")).await.expect("location");
        }
        let directory = scratch(&format!("admin-{name}"));
        let stored = Stored { log, location: connected, directory, owner_url, url: url.to_string(), bus: nats.url() };
        Self::launch(stored, settings)
    }

    /// Another life over the same log, by other settings.
    pub(crate) async fn restarted(self, settings: &str) -> Self {
        let stored = self.stored.clone();
        self.stop().await;
        Self::launch(stored, settings)
    }

    /// A second replica over the same log.
    pub(crate) fn another(&self, settings: &str) -> Self {
        Self::launch(self.stored.clone(), settings)
    }

    fn launch(stored: Stored, settings: &str) -> Self {
        let (http, grpc) = (free_port().expect("port"), free_port().expect("port"));
        let table = format!(
            "{settings}\n[server]\nhttp = \"127.0.0.1:{http}\"\nops = \"127.0.0.1:{http}\"\ngrpc = \"127.0.0.1:{grpc}\"\ntoken = \"{TOKEN}\"\n\
             [log]\nurl = \"{}\"\n[bus]\nurl = \"{}\"\n[bridge]\nkey = \"a-key-that-nobody-asks-for\"\n",
            stored.url, stored.bus
        );
        let file = stored.directory.join(format!("admin-{grpc}.toml"));
        std::fs::write(&file, table.replace("DIRECTORY", &stored.directory.display().to_string())).expect("config");
        let stop = Shutdown::new();
        let task = tokio::spawn(admin::run(chassis::load(Some(&file)).expect("config"), stop.clone()));
        let (endpoint, page) = (format!("http://127.0.0.1:{grpc}"), format!("127.0.0.1:{http}"));
        Self { stored, endpoint, page, stop, task }
    }

    /// What `/metrics` shows; nothing while the service is not up.
    pub(crate) async fn metrics(&self) -> Option<String> {
        let mut stream = TcpStream::connect(&self.page).await.ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).await.ok()?;
        Some(page)
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("no mistake");
    }

    /// What the command line answers: exit code, output and complaints. Tries again while the service is not up.
    pub(crate) async fn mirrorctl(&self, arguments: &[&str]) -> (u8, String, String) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut all = vec!["mirrorctl", "--endpoint", &self.endpoint, "--token", TOKEN];
            all.extend(arguments);
            let (mut out, mut complaints) = (Vec::new(), Vec::new());
            let code = mirrorctl::run_into(all.into_iter().map(Into::into), &mut out, &mut complaints).await;
            let text = |bytes| String::from_utf8(bytes).expect("text");
            if code != 6 || tokio::time::Instant::now() > deadline {
                return (code, text(out), text(complaints));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// As a superuser to whom triggers do not apply.
    pub(crate) async fn tamper(&self, statements: &str) {
        let mut owner = PgConnection::connect(&self.owner_url).await.expect("owner");
        let statements = format!("SET session_replication_role = replica; {statements}");
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut owner).await.expect("tampering");
    }

    /// Every row of a table, as text, in order.
    pub(crate) async fn rows(&self, table: &str) -> Vec<String> {
        let mut owner = PgConnection::connect(&self.owner_url).await.expect("owner");
        let rows = AssertSqlSafe(format!("SELECT t::text FROM {table} t ORDER BY 1"));
        sqlx::query_scalar(rows).fetch_all(&mut owner).await.expect("rows")
    }

    pub(crate) async fn observe(&self, contact: &str, name: &str, second: i64) {
        let observation = seen(&self.location, contact, name, second);
        let replica = eventlog::Replica { instance: "tests".to_owned(), address: String::new(), ttl: Duration::from_secs(600) };
        let turn = self.log.leases().join(&replica, std::slice::from_ref(&self.location)).await.expect("a turn");
        let lease = turn.held.first().expect("nobody else holds it");
        self.log.observe(lease, &[observation]).await.expect("observe");
    }

    pub(crate) async fn act(&self, verb: &str) {
        let entry = Entry {
            contact_id: None,
            record: None,
            occurred_at: Timestamp::UNIX_EPOCH,
            cause: Cause::from(Net::Operator { who: "ann".to_owned() }),
            traceparent: None,
            body: Body::Operator(OperatorFact { verb: verb.to_owned(), detail: serde_json::Value::Null }),
        };
        self.log.append(&self.location, vec![entry]).await.expect("append");
    }

    pub(crate) async fn eventually<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What the command line answers where no service is.
pub(crate) async fn offline_mirrorctl(arguments: &[&str]) -> (u8, String, String) {
    let all = std::iter::once(&"mirrorctl").chain(arguments).map(Into::into);
    let (mut out, mut complaints) = (Vec::new(), Vec::new());
    let code = mirrorctl::run_into(all, &mut out, &mut complaints).await;
    (code, String::from_utf8(out).expect("text"), String::from_utf8(complaints).expect("text"))
}

/// A look at a contact alone.
pub(crate) fn seen(location: &LocationId, contact: &str, name: &str, second: i64) -> Observation {
    let asked_at = Timestamp::from_second(1_780_000_000 + second).expect("time");
    let person = Contact { name: Some(name.to_owned()), ..Contact::default() };
    Observation {
        location_id: location.clone(),
        contact_id: ContactId::new(contact).expect("id"),
        asked_at,
        connected_at: asked_at,
        contact: Sighting::Present { shown: Box::new(Record::Contact(Box::new(person)).into()), by_id: true },
        listings: BTreeMap::new(),
        names: Names::default(),
        cause: Cause { net: Net::Poll, asked_at: Some(asked_at), ghl_trace_id: None },
        traceparent: None,
    }
}
