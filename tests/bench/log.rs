//! The event log against a bare table of the same rows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bus::{Bus, Outgoing, Stream, Subject};
use domain::{
    Body, Cause, Change, ContactId, FieldChange, KnownContact, LocationId, Names, Net, Observation, Record, RecordFact, RecordId,
    RecordKind, Rules, Sighting, Stored, map, observe,
};
use embedded::{Nats, NatsSettings, Postgres, PostgresSettings, scratch};
use eventlog::{Entry, EventLog, RelayTurn, Replica, Verification};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::Connection as _;
use tests::lives::person;

use crate::report::{Figure, Report};

pub(crate) const BATCH: usize = 1_000;

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

pub(crate) fn seen(location_id: &LocationId, number: usize, city: &str) -> anyhow::Result<Observation> {
    let asked_at = Timestamp::now();
    Ok(Observation {
        location_id: location_id.clone(),
        contact_id: ContactId::new(format!("contact-{number}"))?,
        asked_at,
        connected_at: asked_at,
        contact: Sighting::Present { shown: Box::new(Record::Contact(Box::new(person(number, city))).into()), by_id: true },
        listings: BTreeMap::new(),
        names: Names::default(),
        cause: Cause::from(Net::Poll),
        traceparent: None,
    })
}

fn entry(number: usize) -> anyhow::Result<Entry> {
    let changes = vec![FieldChange { field: "city".to_owned(), before: "Oslo".into(), after: "Bergen".into() }];
    let record = Record::Contact(Box::new(person(number, "Bergen")));
    let fact = RecordFact { change: Change::Changed, record, changes, names: Names::default(), new_in_ghl: false };
    let contact_id = ContactId::new(format!("contact-{number}"))?;
    Ok(Entry {
        record: Some((RecordKind::Contact, RecordId::from(&contact_id))),
        contact_id: Some(contact_id),
        occurred_at: Timestamp::now(),
        cause: Cause::from(Net::Poll),
        traceparent: None,
        body: Body::Record(Box::new(fact)),
    })
}

pub(crate) async fn measure(report: &mut Report, size: usize) -> anyhow::Result<()> {
    let postgres = Postgres::start(PostgresSettings { data: scratch("bench-log-postgres"), ..PostgresSettings::default() }).await?;
    postgres.create_database("log").await?;
    let nats = Nats::start(NatsSettings { data: scratch("bench-log-nats"), ..NatsSettings::default() }).await?;
    let settings = eventlog::Settings { url: postgres.url("log").into(), ..eventlog::Settings::default() };
    eventlog::migrate(&settings).await?;
    let log = EventLog::connect(&settings).await?;
    let location_id = LocationId::new("bench")?;
    log.locations().connect(&location_id, Timestamp::now()).await?;
    let conditions = format!("{size} contact changes in batches of {BATCH}, one connection, fsync on");

    let appended = append(&log, &location_id, size).await?;
    let plain = plain_insert(&postgres.url("log"), size).await?;
    report.add(Figure::new("append", "events appended", appended, "events/s", &conditions).against(plain))?;

    let bare = select(&postgres.url("log"), size).await?;
    let verified = verify(&log, &location_id, size).await?;
    let how = format!("{size} events against a bare streamed select of the same rows, two ranges at once");
    report.add(Figure::new("verify", "verified, hash by hash", verified, "events/s", how).against(bare))?;
    let exported = export(&log, &location_id, size).await?;
    report.add(Figure::new("verify", "exported and packed", exported, "events/s", format!("{size} events, zstd")).against(bare))?;

    let observing = LocationId::new("bench-observe")?;
    log.locations().connect(&observing, Timestamp::now()).await?;
    let appeared = observe_all(&log, &observing, size, "Oslo").await?;
    report.add(Figure::new("append", "observed, compared and appended", appeared, "events/s", &conditions).against(plain))?;
    let unchanged = observe_all(&log, &observing, size, "Oslo").await?;
    report.add(Figure::new("append", "observed unchanged", unchanged, "records/s", &conditions))?;

    let relayed = relay(&log, &nats, &location_id, size).await?;
    report.add(Figure::new("relay", "from the log to JetStream", relayed, "events/s", format!("{size} events, file storage")))?;
    let read = read(&log, &location_id, size).await?;
    report.add(Figure::new("read", "read and decoded", read, "events/s", format!("{size} events in pages of {BATCH}")))?;
    let mapped = map_all(&log, &location_id, size).await?;
    report.add(Figure::new("map", "received, opened, mapped, encoded", mapped, "events/s", format!("{size} events, one core")))?;
    nats.stop().await?;
    postgres.stop().await?;
    Ok(())
}

async fn append(log: &EventLog, location_id: &LocationId, size: usize) -> anyhow::Result<f64> {
    let mut batches = Vec::new();
    for start in (0..size).step_by(BATCH) {
        batches.push((start..size.min(start + BATCH)).map(entry).collect::<anyhow::Result<Vec<_>>>()?);
    }
    let begin = Instant::now();
    for batch in batches {
        log.append(location_id, batch).await?;
    }
    Ok(rate(size, begin.elapsed()))
}

/// The same bytes into a table of the same columns and indexes, in the same batches, without chain, head, triggers or checks.
/// Instants are stored as the eight bytes that they are.
pub(crate) async fn plain_insert(url: &str, size: usize) -> anyhow::Result<f64> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    sqlx::raw_sql(
        "CREATE TABLE plain (location_id text, seq bigint, epoch integer, event_id uuid, contact_id text, record_kind text, record_id text, \
         type text, occurred_at bigint, recorded_at bigint, cause json, traceparent text, key_id text, payload bytea, hash bytea, \
         PRIMARY KEY (location_id, seq)); CREATE INDEX ON plain (location_id, contact_id, seq); \
         CREATE INDEX ON plain (location_id, contact_id COLLATE \"C\", seq)",
    )
    .execute(&mut connection)
    .await?;
    let mut took = Duration::ZERO;
    for start in (0..size).step_by(BATCH) {
        let (after, until) = (i64::try_from(start)?, i64::try_from(start + BATCH)?);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, event_id, contact_id, record_kind, record_id, type, (extract(epoch FROM occurred_at) * 1000000)::bigint, cause::text, \
             payload, hash, key_id FROM events WHERE location_id = 'bench' AND seq > $1 AND seq <= $2 ORDER BY seq",
        )
        .bind(after)
        .bind(until)
        .fetch_all(&mut connection)
        .await?;
        let begin = Instant::now();
        sqlx::query(
            "INSERT INTO plain SELECT 'bench', u.seq, 1, u.event_id, u.contact_id, u.kind, u.id, u.type, u.at, u.at, u.cause::json, NULL, \
             u.key, u.payload, u.hash FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], \
             $9::bytea[], $10::bytea[], $11::text[]) AS u (seq, event_id, contact_id, kind, id, type, at, cause, payload, hash, key)",
        )
        .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.3.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.4.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.5.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.6).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.7.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.8.as_slice()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.9.as_slice()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.10.as_deref()).collect::<Vec<_>>())
        .execute(&mut connection)
        .await?;
        took += begin.elapsed();
    }
    sqlx::raw_sql("DROP TABLE plain").execute(&mut connection).await?;
    connection.close().await?;
    Ok(rate(size, took))
}

/// What reading alone takes: every column of every event in order, over one connection, looked at by nobody.
pub(crate) async fn select(url: &str, size: usize) -> anyhow::Result<f64> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    let begin = Instant::now();
    let mut rows = sqlx::query(
        "SELECT location_id, seq, epoch, event_id, contact_id, record_kind, record_id, type, occurred_at, recorded_at, cause::text, \
         traceparent, key_id, payload, hash FROM events WHERE location_id = 'bench' ORDER BY seq",
    )
    .fetch(&mut connection);
    let mut count = 0;
    while rows.try_next().await?.is_some() {
        count += 1;
    }
    anyhow::ensure!(count == size, "not all rows were read");
    Ok(rate(size, begin.elapsed()))
}

pub(crate) async fn verify(log: &EventLog, location_id: &LocationId, size: usize) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let verified = log.chain().verify(location_id, &Verification::default(), |_, _| ()).await?;
    anyhow::ensure!(verified.head == u64::try_from(size)?, "not all events were verified");
    Ok(rate(size, begin.elapsed()))
}

async fn export(log: &EventLog, location_id: &LocationId, size: usize) -> anyhow::Result<f64> {
    let header = log.chain().header(location_id).await?;
    let begin = Instant::now();
    let mut writer = proof::Writer::begin(std::io::sink(), &header)?;
    log.chain().export(location_id, (0, header.head), |link, hash| writer.event(link, hash).map_err(anyhow::Error::from)).await?;
    writer.finish()?;
    Ok(rate(size, begin.elapsed()))
}

/// Position, event id, contact, record kind and id, type, time, cause, payload, hash, key.
type Row = (i64, uuid::Uuid, String, String, String, String, i64, String, Vec<u8>, Vec<u8>, Option<String>);

pub(crate) async fn observe_all(log: &EventLog, location_id: &LocationId, size: usize, city: &str) -> anyhow::Result<f64> {
    let mut batches = Vec::new();
    for start in (0..size).step_by(BATCH) {
        batches.push((start..size.min(start + BATCH)).map(|number| seen(location_id, number, city)).collect::<anyhow::Result<Vec<_>>>()?);
    }
    let replica = Replica { instance: "bench".to_owned(), address: String::new(), ttl: Duration::from_secs(3_600) };
    let turn = log.leases().join(&replica, std::slice::from_ref(location_id)).await?;
    let lease = turn.held.first().context("somebody else holds the lease")?;
    let begin = Instant::now();
    for batch in batches {
        log.observe(lease, &batch).await?;
    }
    Ok(rate(size, begin.elapsed()))
}

async fn relay(log: &EventLog, nats: &Nats, location_id: &LocationId, size: usize) -> anyhow::Result<f64> {
    let bus = Bus::connect(&bus::Settings { url: nats.url(), ..bus::Settings::default() }).await?;
    bus.ensure_streams().await?;
    let begin = Instant::now();
    let mut relayed = 0;
    while relayed < size {
        let RelayTurn::Batch(batch) = log.relay().next(location_id, 500).await? else { continue };
        let outgoing = batch.events.iter().map(|event| {
            let subject = Subject::events(location_id, event.contact_id.as_ref());
            let id = Some(format!("{}:{}.{}", event.location_id, event.epoch, event.seq));
            Ok(Outgoing { subject, id, traceparent: None, body: event.carry()? })
        });
        let outgoing = outgoing.collect::<anyhow::Result<Vec<_>>>()?;
        relayed += outgoing.len();
        bus.publish_all(outgoing).await?;
        batch.done().await?;
    }
    let took = begin.elapsed();
    anyhow::ensure!(bus.backlog(Stream::Events).await? >= u64::try_from(size)?, "events are missing on the bus");
    Ok(rate(size, took))
}

async fn read(log: &EventLog, location_id: &LocationId, size: usize) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let mut after = 0;
    let mut count = 0;
    while count < size {
        let events = log.read(location_id, after, u32::try_from(BATCH)?).await?;
        for event in events {
            after = event.seq;
            event.read()?;
            count += 1;
        }
    }
    Ok(rate(count, begin.elapsed()))
}

async fn map_all(log: &EventLog, location_id: &LocationId, size: usize) -> anyhow::Result<f64> {
    let rules = Rules::builtin()?;
    let mut carried = Vec::with_capacity(size);
    let mut after = 0;
    while carried.len() < size {
        for event in log.read(location_id, after, u32::try_from(BATCH)?).await? {
            after = event.seq;
            carried.push(event.carry()?);
        }
    }
    let begin = Instant::now();
    let mut intents = 0;
    for bytes in &carried {
        let stored = Stored::received(bytes)?;
        let body = stored.read()?;
        for intent in map(&stored.with(body), &rules) {
            intent.encode()?;
            intents += 1;
        }
    }
    anyhow::ensure!(intents == size, "every event is one intent");
    // The pure decisions alone would be faster still; what travels is what counts.
    let known = KnownContact::default();
    anyhow::ensure!(!observe(&known, &seen(location_id, 0, "Oslo")?).drafts.is_empty(), "what is new is a change");
    Ok(rate(size, begin.elapsed()))
}
