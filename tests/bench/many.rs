//! What many locations cost while nothing happens in them, and how soon others take over when a replica dies. Three pollers, each a process
//! of its own, so that the figures are theirs alone.

mod neighbour;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sandbox::{Load, Settings};
use sqlx::{Connection as _, PgConnection};
use tests::apart;
use tests::pollers::Pollers;
use tokio::process::Child;
use toml::{Table, Value, toml};

use crate::path::{memory, peak_memory};
use crate::report::{Figure, Report};

const REPLICAS: usize = 3;
const CONTACTS: usize = 200;
const LOAD: Load = Load::Each { tasks: 2, notes: 3, appointments: 1 };
/// What a poller is to stay under: of a core, in per cent, and in MiB.
const CORE_MAX: f64 = 5.0;
const MEMORY_MAX: f64 = 350.0;
/// As by default, `lease.ttl`; and how much later all locations of a dead replica are to be held by others.
const LEASE: Duration = Duration::from_secs(15);
const TAKEOVER: Duration = Duration::from_secs(5);
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between the end of the first looks and what is measured: longer than the watch's overlap is looked back to would be too long to wait.
const CALM: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Room on the bus for what nobody takes from it here.
const EVENT_BYTES: usize = 4_000;

/// A poller and how the others know it.
struct Process {
    child: Child,
    id: String,
    address: String,
}

pub(crate) async fn measure(report: &mut Report, locations: usize, seconds: u64) -> anyhow::Result<()> {
    let settings = Settings { locations, ..Settings::default() };
    let pollers = Pollers::start_with("bench-many", settings, CONTACTS, LOAD, 0, &Table::new()).await?;
    for (number, world) in pollers.sandbox.agency().worlds().iter().enumerate().skip(1) {
        world.populate_with(number as u64, CONTACTS, LOAD);
        world.settle_search();
    }
    let mut postgres = PgConnection::connect(&pollers.log_url()).await?;
    let (begin, mut processes) = (Instant::now(), start(&pollers, locations)?);
    let taken = until_held(&mut postgres, &processes, locations, begin).await?;
    let filled = until_filled(&mut postgres, locations, begin).await?;
    let conditions = format!("{locations} locations of {CONTACTS} contacts, three pollers that start at once");
    report.add(Figure::new("many", "all locations taken", taken.as_secs_f64(), "s", &conditions))?;
    let conditions = format!("{conditions}; sandbox, Postgres and NATS on the same machine, GHL's published limits for each location");
    report.add(Figure::new("many", "all locations read", filled.as_secs_f64(), "s", &conditions))?;
    idle(report, &mut postgres, &processes, locations, Duration::from_secs(seconds.max(60))).await?;

    let mut dead = processes.pop().context("a poller")?;
    dead.child.kill().await?;
    let killed_at = Instant::now();
    let takeover = until_held(&mut postgres, &processes, locations, killed_at).await?;
    let conditions = format!("one of three pollers is killed; reference: lease.ttl and {} s", TAKEOVER.as_secs());
    let reference = (LEASE + TAKEOVER).as_secs_f64();
    report.add(Figure::new("many", "takeover of all its locations", takeover.as_secs_f64(), "s", conditions).against(reference))?;
    anyhow::ensure!(pollers.sandbox.agency().limits_violated().is_empty(), "the limits were passed");
    for mut process in processes {
        process.child.kill().await?;
    }
    postgres.close().await?;
    pollers.stop().await?;
    neighbour::measure(report, seconds).await
}

fn start(pollers: &Pollers, locations: usize) -> anyhow::Result<Vec<Process>> {
    let listed = pollers.sandbox.agency().worlds().into_iter().map(|world| {
        let location = [("id", world.location_id()), ("token", world.token())];
        Value::Table(location.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect())
    });
    let records = match LOAD {
        Load::Varied => anyhow::bail!("nobody knows how many records there are"),
        Load::Each { tasks, notes, appointments } => 1 + tasks + notes + appointments,
    };
    let events_bytes_max = i64::try_from((64 << 20) + locations * CONTACTS * records * EVENT_BYTES)?;
    let mut more = toml! {
        bus = { events = { bytes_max = events_bytes_max } }
        health = { interval = "2s" }
        retry = { first = "500ms", longest = "2m", reconnect = "1s" }
    };
    more.insert("locations".to_owned(), Value::Array(listed.collect()));
    let program = std::env::current_exe()?;
    (0..REPLICAS)
        .map(|number| {
            let file = pollers.settings_file(&format!("bench-many-poller-{number}"), &more)?;
            let address = std::fs::read_to_string(&file)?.parse::<Table>()?;
            let grpc = address.get("server").and_then(|server| server.get("grpc")?.as_str()).context("server.grpc")?;
            let child = apart::start(&program, "poller", &file)?;
            let id = child.id().context("the poller has ended")?.to_string();
            Ok(Process { child, id, address: format!("http://{grpc}") })
        })
        .collect()
}

/// Waits until these processes hold all locations.
async fn until_held(postgres: &mut PgConnection, processes: &[Process], locations: usize, since: Instant) -> anyhow::Result<Duration> {
    let addresses: Vec<&str> = processes.iter().map(|process| process.address.as_str()).collect();
    loop {
        let held: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM location_leases JOIN pollers ON instance = holder \
             WHERE expires_at >= now() AND alive_until >= now() AND address = ANY($1)",
        )
        .bind(&addresses)
        .fetch_one(&mut *postgres)
        .await?;
        if usize::try_from(held)? == locations {
            return Ok(since.elapsed());
        }
        anyhow::ensure!(since.elapsed() < PATIENCE, "{held} of {locations} locations are held");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn until_filled(postgres: &mut PgConnection, locations: usize, since: Instant) -> anyhow::Result<Duration> {
    let (mut moved, mut moved_at) = (0, Instant::now());
    loop {
        let (filled, seen): (i64, i64) =
            sqlx::query_as("SELECT count(finished_at), coalesce(sum(seen), 0)::bigint FROM progress").fetch_one(&mut *postgres).await?;
        if usize::try_from(filled)? == locations {
            return Ok(since.elapsed());
        }
        if seen + filled != moved {
            (moved, moved_at) = (seen + filled, Instant::now());
        }
        anyhow::ensure!(moved_at.elapsed() < PATIENCE, "nothing has moved: {filled} of {locations} locations are read, {seen} contacts");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What was spent so far.
struct Spent {
    at: Instant,
    /// Seconds of a core, by process.
    core: BTreeMap<String, f64>,
    transactions: i64,
    wal_bytes: i64,
}

async fn spent(postgres: &mut PgConnection, processes: &[Process]) -> anyhow::Result<Spent> {
    let core = processes.iter().map(|process| Ok((process.id.clone(), core_seconds(&process.id)?))).collect::<anyhow::Result<_>>()?;
    let (transactions, wal_bytes) = sqlx::query_as(
        "SELECT xact_commit + xact_rollback, (pg_current_wal_lsn() - '0/0')::bigint FROM pg_stat_database WHERE datname = current_database()",
    )
    .fetch_one(postgres)
    .await?;
    Ok(Spent { at: Instant::now(), core, transactions, wal_bytes })
}

/// What the kernel counts of a process's time, in seconds: a tick is a hundredth.
fn core_seconds(process: &str) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit_once(')').context("the end of the name")?.1;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
async fn idle(
    report: &mut Report,
    postgres: &mut PgConnection,
    processes: &[Process],
    locations: usize,
    span: Duration,
) -> anyhow::Result<()> {
    tokio::time::sleep(CALM).await;
    let before = spent(postgres, processes).await?;
    tokio::time::sleep(span).await;
    let after = spent(postgres, processes).await?;
    let took = (after.at - before.at).as_secs_f64();
    let busiest = after.core.iter().map(|(id, spent)| spent - before.core.get(id).unwrap_or(spent)).fold(0.0, f64::max);
    let conditions = format!(
        "{locations} locations of {CONTACTS} contacts on three pollers, nothing happens for {took:.0} s; watch and sweep as by default, \
         searches included; the busiest of the three; reference: what it is to stay under"
    );
    report.add(Figure::new("many", "idle time of a core", busiest * 100.0 / took, "%", &conditions).against(CORE_MAX))?;
    let mut most = [0.0_f64; 2];
    for process in processes {
        most = [most[0].max(memory(&process.id, "VmRSS:")?), most[1].max(peak_memory(&process.id)?)];
    }
    report.add(Figure::new("many", "memory", most[0], "MiB", &conditions).against(MEMORY_MAX))?;
    report.add(Figure::new("many", "memory at its peak", most[1], "MiB", "the same; while the locations were read").against(MEMORY_MAX))?;
    let of_each = |count: i64| count as f64 * 60.0 / took / locations as f64;
    let conditions =
        format!("{locations} locations, nothing happens for {took:.0} s; the whole database, nearly all of one statement each");
    let transactions = of_each(after.transactions - before.transactions);
    report.add(Figure::new("many", "transactions", transactions, "/min/loc", conditions))?;
    let conditions = format!("{locations} locations, nothing happens for {took:.0} s; the whole server, checkpoints included");
    report.add(Figure::new("many", "WAL", of_each(after.wal_bytes - before.wal_bytes), "B/min/loc", conditions))
}
