//! Looking back at one contact, by how long its history is: what an auditor waits for, over gRPC, against a bare select of the same rows.

use std::time::Instant;

use anyhow::Context as _;
use chassis::Shutdown;
use domain::{
    Body, Cause, Change, ContactId, Delivery, DeliveryFact, DeliveryOutcome, FieldChange, LocationId, Names, Net, ObjectKey, ObjectKind,
    Record, RecordFact, RecordId, RecordKind, Recorded, Workspace,
};
use embedded::{Nats, NatsSettings, Postgres, PostgresSettings, free_port, scratch};
use eventlog::{Entry, EventLog};
use jiff::Timestamp;
use proto::admin::v1 as admin;
use proto::admin::v1::admin_client::AdminClient;
use proto::audit::v1 as audit;
use proto::audit::v1::audit_client::AuditClient;
use sqlx::Connection as _;
use tests::grpc::WithToken;
use tests::lives::person;
use tests::system::TOKEN;
use tests::wait::eventually;
use toml::toml;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::report::{Figure, Report, percentile};

type Client = InterceptedService<Channel, WithToken>;

/// How long the histories are, in events.
const LENGTHS: [usize; 3] = [10, 1_000, 10_000];
/// Events of other people in the same log.
const OTHERS: usize = 20_000;
const BATCH: usize = 500;
/// How often each question is asked; the median counts.
const TIMES: usize = 15;

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let postgres = Postgres::start(PostgresSettings { data: scratch("bench-audit-postgres"), ..PostgresSettings::default() }).await?;
    postgres.create_database("log").await?;
    let nats = Nats::start(NatsSettings { data: scratch("bench-audit-nats"), ..NatsSettings::default() }).await?;
    let settings = eventlog::Settings { url: postgres.url("log").into(), ..eventlog::Settings::default() };
    eventlog::migrate(&settings).await?;
    let log = EventLog::connect(&settings).await?;
    let location_id = LocationId::new("bench")?;
    log.locations().connect(&location_id, Timestamp::now()).await?;
    for number in 0..OTHERS / BATCH {
        live(&log, &location_id, &ContactId::new(format!("other-{number}"))?, BATCH).await?;
    }
    for length in LENGTHS {
        live(&log, &location_id, &contact(length)?, length).await?;
    }
    let (shutdown, channel, task) = serve(&postgres.url("log"), &nats.url()).await?;
    let auditor = Auditor {
        admin: AdminClient::with_interceptor(channel.clone(), WithToken::new(TOKEN)?),
        audit: AuditClient::with_interceptor(channel, WithToken::new(TOKEN)?),
    };
    for length in LENGTHS {
        auditor.ask(report, &postgres.url("log"), length).await?;
    }
    shutdown.cancel();
    task.await??;
    nats.stop().await?;
    postgres.stop().await?;
    Ok(())
}

fn contact(length: usize) -> anyhow::Result<ContactId> {
    Ok(ContactId::new(format!("contact-{length}"))?)
}

/// A life of `length` events: every other one a change of the city, and each change delivered.
async fn live(log: &EventLog, location_id: &LocationId, contact_id: &ContactId, length: usize) -> anyhow::Result<()> {
    for start in (0..length).step_by(BATCH) {
        let changes = (start..length.min(start + BATCH)).step_by(2).map(|number| change(contact_id, number));
        let changed = log.append(location_id, changes.collect()).await?;
        let deliveries = changed.iter().map(|changed| delivery(location_id, contact_id, changed)).collect::<anyhow::Result<Vec<_>>>()?;
        log.append(location_id, deliveries).await?;
    }
    Ok(())
}

fn change(contact_id: &ContactId, number: usize) -> Entry {
    let (before, after) = (format!("City{}", number / 2), format!("City{}", number / 2 + 1));
    let changes = vec![FieldChange { field: "city".to_owned(), before: before.into(), after: after.as_str().into() }];
    let record = Record::Contact(Box::new(person(number, &after)));
    let fact = RecordFact { change: Change::Changed, record, changes, names: Names::default(), new_in_ghl: false };
    entry(contact_id, Some((RecordKind::Contact, RecordId::from(contact_id))), Net::Poll, Body::Record(Box::new(fact)))
}

fn delivery(location_id: &LocationId, contact_id: &ContactId, changed: &Recorded) -> anyhow::Result<Entry> {
    let delivery = Delivery {
        workspace: Workspace::live_of(location_id),
        kind: ObjectKind::Contact,
        object: ObjectKey::of_contact(contact_id),
        revision: changed.revision(),
        answer: "updated".to_owned(),
    };
    let fact = DeliveryFact { outcome: DeliveryOutcome::Delivered, deliveries: vec![delivery] };
    Ok(entry(contact_id, None, Net::Writer, Body::Delivery(fact)))
}

fn entry(contact_id: &ContactId, record: Option<(RecordKind, RecordId)>, net: Net, body: Body) -> Entry {
    let (contact_id, occurred_at, cause) = (Some(contact_id.clone()), Timestamp::now(), Cause::from(net));
    Entry { contact_id, record, occurred_at, cause, traceparent: None, body }
}

type Serving = (Shutdown, Channel, tokio::task::JoinHandle<anyhow::Result<()>>);

async fn serve(log_url: &str, nats_url: &str) -> anyhow::Result<Serving> {
    let (http, grpc) = (format!("127.0.0.1:{}", free_port()?), format!("127.0.0.1:{}", free_port()?));
    let (address, ops) = (format!("http://{grpc}"), http.clone());
    let table = toml! {
        server = { http = http, ops = ops, grpc = grpc, token = TOKEN }
        log = { url = log_url }
        bus = { url = nats_url }
        bridge = { key = "a-key-that-nobody-asks-for" }
    };
    let directory = scratch("bench-audit");
    std::fs::create_dir_all(&directory)?;
    let file = directory.join("admin.toml");
    std::fs::write(&file, table.to_string())?;
    let shutdown = Shutdown::new();
    let task = tokio::spawn(::admin::run(chassis::load(Some(&file))?, shutdown.clone()));
    let endpoint = Channel::from_shared(address)?;
    let channel = eventually("a gRPC server", async || endpoint.connect().await.map_err(|error| error.to_string())).await?;
    Ok((shutdown, channel, task))
}

struct Auditor {
    admin: AdminClient<Client>,
    audit: AuditClient<Client>,
}

impl Auditor {
    async fn ask(&self, report: &mut Report, url: &str, length: usize) -> anyhow::Result<()> {
        let contact_id = contact(length)?.to_string();
        let conditions = format!("a contact of {length} events in a log of {OTHERS} more, median of {TIMES}");
        let mut connection = sqlx::PgConnection::connect(url).await?;
        let bare = median(async || select(&mut connection, &contact_id).await).await?;
        let mut add = |metric, took: f64| report.add(Figure::new("audit", metric, took, "ms", &conditions).against(bare));
        let newest = median(async || self.page(&contact_id, 50, String::new()).await.map(drop)).await?;
        add("history: newest page of 50", newest)?;
        let oldest = self.oldest(&contact_id).await?;
        add("history: oldest page of 50", median(async || self.page(&contact_id, 50, oldest.clone()).await.map(drop)).await?)?;
        add("history: whole, pages of 500", median(async || self.whole(&contact_id).await).await?)?;
        add("as of now", median(async || self.as_of(&contact_id, None).await).await?)?;
        let middle = Some(self.middle(&contact_id).await?);
        add("as of the middle", median(async || self.as_of(&contact_id, middle).await).await?)?;
        add("blame of a field, newest 50", median(async || self.blame(&contact_id).await).await?)
    }

    async fn page(&self, contact_id: &str, page_size: u32, page_token: String) -> anyhow::Result<admin::GetHistoryResponse> {
        let asked = admin::GetHistoryRequest { contact_id: contact_id.to_owned(), page_size, page_token, ..Default::default() };
        Ok(self.admin.clone().get_history(asked).await?.into_inner())
    }

    /// Where the page begins that ends with the first event.
    async fn oldest(&self, contact_id: &str) -> anyhow::Result<String> {
        let (mut token, mut last) = (String::new(), String::new());
        loop {
            let page = self.page(contact_id, 50, token.clone()).await?;
            if page.next_page_token.is_empty() {
                return Ok(last);
            }
            last.clone_from(&page.next_page_token);
            token = page.next_page_token;
        }
    }

    async fn whole(&self, contact_id: &str) -> anyhow::Result<()> {
        let mut token = String::new();
        loop {
            token = self.page(contact_id, 500, token).await?.next_page_token;
            if token.is_empty() {
                return Ok(());
            }
        }
    }

    async fn middle(&self, contact_id: &str) -> anyhow::Result<u64> {
        let mut newest = self.page(contact_id, 1, String::new()).await?.events;
        Ok(newest.pop().context("an event")?.seq / 2)
    }

    async fn as_of(&self, contact_id: &str, position: Option<u64>) -> anyhow::Result<()> {
        let at = position.map(|position| audit::Point { at: Some(audit::point::At::Position(position)) });
        let asked = audit::GetContactAsOfRequest { contact_id: contact_id.to_owned(), at, ..Default::default() };
        self.audit.clone().get_contact_as_of(asked).await?;
        Ok(())
    }

    async fn blame(&self, contact_id: &str) -> anyhow::Result<()> {
        let asked = audit::BlameRequest { contact_id: contact_id.to_owned(), field: "city".to_owned(), ..Default::default() };
        self.audit.clone().blame(asked).await?;
        Ok(())
    }
}

/// All rows of the contact, nothing decoded.
async fn select(connection: &mut sqlx::PgConnection, contact_id: &str) -> anyhow::Result<()> {
    let rows =
        sqlx::query("SELECT seq, type, cause::text, payload FROM events WHERE location_id = 'bench' AND contact_id = $1 ORDER BY seq")
            .bind(contact_id)
            .fetch_all(connection)
            .await?;
    anyhow::ensure!(!rows.is_empty(), "no rows");
    Ok(())
}

/// In milliseconds.
async fn median(mut ask: impl AsyncFnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut samples = Vec::new();
    for _ in 0..TIMES {
        let begin = Instant::now();
        ask().await?;
        samples.push(begin.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(percentile(&mut samples, 0.5))
}
