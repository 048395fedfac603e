//! What a replay costs: appending what it will read, planning, proving, applying, and what all of that costs whoever waits for a change.

mod applying;
mod memory;
mod planning;

use std::time::{Duration, Instant};

use domain::LocationId;
use embedded::{Postgres, PostgresSettings, scratch};
use eventlog::EventLog;
use jiff::Timestamp;
use sqlx::Connection as _;
use tests::lives;

use self::planning::{CONNECTIONS, plan};
use crate::log::{self, BATCH, rate};
use crate::report::{Figure, Report};

const KEK: &str = "bench:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// Applying more than this takes long and says nothing new.
const APPLIED_MAX: usize = 200_000;

pub(crate) async fn measure(report: &mut Report, size: usize, seconds: u64) -> anyhow::Result<()> {
    let size = size.next_multiple_of(lives::EVENTS);
    let postgres = Postgres::start(PostgresSettings { data: scratch("bench-replay-postgres"), ..PostgresSettings::default() }).await?;
    of_log(report, &postgres, "sealed", KEK, size).await?;
    of_log(report, &postgres, "plain", "", size).await?;
    memory::measure(report, &postgres.url("plain"), size).await?;
    postgres.stop().await?;
    applying::measure(report, size.min(APPLIED_MAX), seconds).await
}

/// Appends, verifies and plans a log of its own.
async fn of_log(report: &mut Report, postgres: &Postgres, how: &'static str, kek: &str, size: usize) -> anyhow::Result<()> {
    postgres.create_database(how).await?;
    let url = postgres.url(how);
    let settings = eventlog::Settings { url: url.clone().into(), kek: kek.into(), ..eventlog::Settings::default() };
    eventlog::migrate(&settings).await?;
    let log = EventLog::connect(&settings).await?;
    let location_id = LocationId::new("bench")?;
    log.locations().connect(&location_id, Timestamp::now()).await?;

    let contacts = size / lives::EVENTS;
    let appended = append(&log, &location_id, size).await?;
    let plain = log::plain_insert(&url, size).await?;
    let conditions = format!(
        "{size} events of {contacts} contacts in batches of {BATCH}, one connection, fsync on, {how}; reference: UNNEST insert of the same bytes into a bare table of the same columns and key"
    );
    report.add(
        Figure::new("replay", label(how, "appended, hashed, sealed", "appended, hashed, plain"), appended, "events/s", conditions)
            .against(plain),
    )?;

    // What a server that has stood for a while has done by itself.
    let mut connection = sqlx::PgConnection::connect(&url).await?;
    sqlx::raw_sql("VACUUM (ANALYZE) events").execute(&mut connection).await?;
    connection.close().await?;
    let bare = log::select(&url, size).await?;
    let verified = log::verify(&log, &location_id, size).await?;
    let conditions =
        format!("{size} events, {how}; reference: bare streamed select of the same rows in the order of the log, one connection");
    report.add(
        Figure::new("replay", label(how, "log verified, sealed", "log verified, plain"), verified, "events/s", &conditions).against(bare),
    )?;
    let planned = plan(&log, &location_id, size).await?;
    let conditions = format!("{conditions}; {contacts} contacts, every object missing, {CONNECTIONS} connections");
    report.add(Figure::new("replay", label(how, "planned, sealed", "planned, plain"), planned, "events/s", conditions).against(bare))
}

fn label(how: &str, sealed: &'static str, plain: &'static str) -> &'static str {
    if how == "sealed" { sealed } else { plain }
}

async fn append(log: &EventLog, location_id: &LocationId, size: usize) -> anyhow::Result<f64> {
    let mut took = Duration::ZERO;
    for start in (0..size).step_by(BATCH) {
        let end = size.min(start + BATCH);
        let batch = (start..end).map(|index| lives::entry(index, size / lives::EVENTS)).collect::<anyhow::Result<Vec<_>>>()?;
        let begin = Instant::now();
        log.append(location_id, batch).await?;
        took += begin.elapsed();
    }
    Ok(rate(size, took))
}
