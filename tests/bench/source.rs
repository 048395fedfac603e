//! What it costs to see everything in GHL, against a simulated one without latency.

mod bulk;
mod silent;
mod webhooks;

use std::time::{Duration, Instant};

use domain::LocationId;
use embedded::{Postgres, PostgresSettings, scratch};
use eventlog::EventLog;
use jiff::Timestamp;
use sandbox::{Limits, Load, Settings};
use tests::pollers::Pollers;
use toml::{Table, toml};

use crate::log::observe_all;
use crate::report::{Figure, Report};

pub(crate) use bulk::bulk;
pub(crate) use silent::silent;
pub(crate) use webhooks::{flood, webhooks};

/// GHL allows 100 calls in 10 s; a hundred times that is allowed here, so that nobody waits for a clock. Calls are counted, not timed.
pub(crate) fn limits() -> Limits {
    Limits { burst: 1_000, interval: Duration::from_secs(1), day: 10_000_000, ..Limits::default() }
}

/// The same for the poller, with what two clocks may differ by kept back.
pub(super) fn within_limits() -> Table {
    toml! { ghl = { rate = { calls_per_second = 900.0, window_calls_max = 900, window = "1s", day_calls_max = 10000000 } } }
}

/// Looks at contacts that are as they are known.
pub(crate) async fn unchanged(report: &mut Report, size: usize) -> anyhow::Result<()> {
    let postgres = Postgres::start(PostgresSettings { data: scratch("bench-unchanged-postgres"), ..PostgresSettings::default() }).await?;
    postgres.create_database("log").await?;
    let settings = eventlog::Settings { url: postgres.url("log").into(), ..eventlog::Settings::default() };
    eventlog::migrate(&settings).await?;
    let log = EventLog::connect(&settings).await?;
    let location_id = LocationId::new("bench")?;
    log.locations().connect(&location_id, Timestamp::now()).await?;
    let appeared = observe_all(&log, &location_id, size, "Oslo").await?;
    let before = log.locations().list().await?;
    let unchanged = observe_all(&log, &location_id, size, "Oslo").await?;
    anyhow::ensure!(log.locations().list().await? == before, "events were appended");
    let conditions = format!("{size} contacts, one connection, no event appended; reference: the same contacts when they appeared");
    report.add(Figure::new("source", "unchanged contacts compared", unchanged, "records/s", conditions).against(appeared))?;
    postgres.stop().await?;
    Ok(())
}

const LOAD: Load = Load::Each { tasks: 2, notes: 3, appointments: 1 };

/// Calls that the first complete look takes, for each contact.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
pub(crate) async fn backfill(report: &mut Report, contacts: usize) -> anyhow::Result<()> {
    let settings = Settings { limits: limits(), ..Settings::default() };
    let pollers = Pollers::start_with("bench-backfill", settings, contacts, LOAD, 1, &within_limits()).await?;
    let begin = Instant::now();
    let location_id = pollers.location()?;
    let wanted = u64::try_from(contacts * 7)?;
    loop {
        let progress = pollers.log.passes().progress(&location_id).await?;
        let head = pollers.log.locations().list().await?.iter().find(|known| known.location_id == location_id).map(|known| known.head);
        if progress.backfill.finished_at.is_some() && head.is_some_and(|head| head >= wanted) {
            break;
        }
        anyhow::ensure!(begin.elapsed() < Duration::from_secs(1_800), "the backfill does not end, {head:?} events");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begin.elapsed();
    let stats = pollers.world().stats();
    anyhow::ensure!(pollers.world().limits_violated().is_empty(), "the limits were passed");
    let conditions = format!(
        "backfill of {contacts} contacts with two tasks, three notes and one appointment each; the naive flow needs 4, notes alone need 1; {:?}",
        stats.calls
    );
    let per_contact = stats.calls_total as f64 / contacts as f64;
    report.add(Figure::new("source", "calls per contact", per_contact, "calls", &conditions).against(1.0))?;
    let conditions = "limited to 900 calls/s, as a hundred times GHL's limit allows";
    report.add(Figure::new("source", "records backfilled", wanted as f64 / took.as_secs_f64(), "records/s", conditions))?;
    pollers.stop().await
}
