//! What a location of many contacts takes of the poller's memory: at the first look, to which everything is new, and at a sweep, which
//! finds next to nothing new and concludes what is gone. The poller is a process of its own, so that the figures are its alone.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use domain::{LocationId, RecordKind};
use jiff::Timestamp;
use sandbox::{Limits, Load, Settings, Webhook};
use tests::apart;
use tests::pollers::Pollers;
use tokio::process::Child;
use toml::{Table, toml};

use crate::log::rate;
use crate::path::{memory, peak_memory};
use crate::report::{Figure, Report};

/// What a poller is to stay under, in MiB, however many contacts a location has.
const MEMORY_MAX: f64 = 256.0;
/// Of so many contacts one is gone before the sweep, and no webhook says so.
const ONE_GONE_OF: usize = 100;
/// How often the memory is noted on the way.
const NOTES: u64 = 10;
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(120);
/// Room on the bus: this much, and this much for each event.
const BUS_BYTES_MIN: usize = 64 << 20;
const EVENT_BYTES: usize = 4_000;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Contacts alone, and contacts in the middle of their life.
const BARE: Load = Load::Each { tasks: 0, notes: 0, appointments: 0 };
const BUSY: Load = Load::Each { tasks: 2, notes: 3, appointments: 1 };

/// Memory is measured and not what GHL allows: nobody waits for a clock, nor for room on the bus, from which nobody takes so many events.
fn limits_raised(events: usize) -> anyhow::Result<Table> {
    let events_bytes_max = i64::try_from(BUS_BYTES_MIN + events * EVENT_BYTES)?;
    Ok(toml! {
        log = { kek = "bench:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" }
        bus = { events = { bytes_max = events_bytes_max } }
        ghl = { rate = { calls_per_second = 80000.0, window_calls_max = 100000, window = "1s", day_calls_max = 1000000000 } }
        backfill = { contacts_in_flight_max = 32, check_interval = "100ms" }
        sweep = { contacts_in_flight_max = 32, interval = "30s", check_interval = "100ms" }
    })
}

/// One time through the whole location.
struct Round {
    /// The most memory that the poller held meanwhile, in MiB.
    peak: f64,
    /// What it held on the way.
    course: Vec<f64>,
    took: Duration,
    calls: u64,
}

impl Round {
    fn course(&self) -> String {
        self.course.iter().map(|held| format!("{held:.0}")).collect::<Vec<_>>().join(" ")
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
pub(crate) async fn measure(report: &mut Report, size: usize) -> anyhow::Result<()> {
    let few = size.div_ceil(10);
    let [first_of_few, sweep_of_few] = location(few, BARE).await?;
    memory_of(report, "memory of the first look, a tenth", &first_of_few, few)?;
    memory_of(report, "memory of a sweep, a tenth", &sweep_of_few, few)?;
    let [first, sweep] = location(size, BARE).await?;
    memory_of(report, "memory of the first look", &first, size)?;
    memory_of(report, "memory of a sweep", &sweep, size)?;
    let more = first.peak.max(sweep.peak) - first_of_few.peak.max(sweep_of_few.peak);
    let each = more * 1_024.0 * 1_024.0 / (size - few).max(1) as f64;
    let conditions = format!("the higher peak of {size} contacts against that of {few}");
    report.add(Figure::new("sweep", "memory of each contact more", each, "bytes", conditions))?;
    for (pace, cost, round, what) in [
        ("contacts looked at first", "calls per contact, first look", &first, "each appears in the log, and its notes are asked for"),
        ("contacts swept", "calls per contact, sweep", &sweep, "one of a hundred is gone, which GHL is asked about"),
    ] {
        let conditions = format!("{size} contacts in {:.0?}, sandbox, Postgres and NATS on the same machine; {what}", round.took);
        report.add(Figure::new("sweep", pace, rate(size, round.took), "contacts/s", &conditions))?;
        report.add(Figure::new("sweep", cost, round.calls as f64 / size as f64, "calls", conditions))?;
    }
    let [first, sweep] = location(few, BUSY).await?;
    memory_of(report, "memory of the first look, busy tenth", &first, few)?;
    memory_of(report, "memory of a sweep, busy tenth", &sweep, few)
}

fn memory_of(report: &mut Report, metric: &'static str, round: &Round, contacts: usize) -> anyhow::Result<()> {
    let conditions = format!(
        "{contacts} contacts, sealed; the poller's process alone, the kernel's peak; on the way {} MiB; GHL's limits raised, 32 contacts in \
         flight, pages of 100; notes rotation and watch as by default; reference: what it is to stay under",
        round.course()
    );
    report.add(Figure::new("sweep", metric, round.peak, "MiB", conditions).against(MEMORY_MAX))
}

/// The first look at a location of so many contacts, and a sweep after it.
async fn location(contacts: usize, load: Load) -> anyhow::Result<[Round; 2]> {
    let settings = Settings { limits: Limits::none(), ..Settings::default() };
    let pollers = Pollers::start_with("bench-sweep", settings, contacts, load, 0, &Table::new()).await?;
    let records = match load {
        Load::Varied => anyhow::bail!("nobody knows how many records there are"),
        Load::Each { tasks, notes, appointments } => 1 + tasks + notes + appointments,
    };
    let events = (contacts + contacts.div_ceil(ONE_GONE_OF)) * records;
    let file = pollers.settings_file("bench-sweep-poller", &limits_raised(events)?)?;
    let mut poller = start(&file)?;
    let process = poller.id().context("the poller has ended")?.to_string();
    let first = first_look(&pollers, &process, contacts, records).await?;
    let sweep = sweep(&pollers, &process, contacts, records).await?;
    anyhow::ensure!(pollers.world().limits_violated().is_empty(), "the limits were passed");
    poller.kill().await?;
    pollers.stop().await?;
    Ok([first, sweep])
}

fn start(settings: &Path) -> anyhow::Result<Child> {
    apart::start(&std::env::current_exe()?, "poller", settings)
}

async fn first_look(pollers: &Pollers, process: &str, contacts: usize, records: usize) -> anyhow::Result<Round> {
    let (location_id, begin) = (pollers.location()?, Instant::now());
    let mut way = Way::new(contacts);
    loop {
        let backfill = pollers.log.passes().progress(&location_id).await?.backfill;
        way.came_to(backfill.seen, process)?;
        way.goes_on(work(pollers, &location_id, "backfill").await?)?;
        if backfill.finished_at.is_some() {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let took = begin.elapsed();
    let head = head(pollers, &location_id).await?;
    let told = u64::try_from(contacts * records)?;
    anyhow::ensure!(head == told, "{head} events where {told} should be");
    Ok(Round { peak: peak_memory(process)?, course: way.held, took, calls: pollers.world().stats().calls_total })
}

/// Waits for a sweep that began after somebody was gone, and until all that there is to tell is published.
async fn sweep(pollers: &Pollers, process: &str, contacts: usize, records: usize) -> anyhow::Result<Round> {
    let (world, location_id) = (pollers.world(), pollers.location()?);
    let gone: Vec<String> = world.contact_ids().into_iter().step_by(ONE_GONE_OF).collect();
    for id in &gone {
        world.delete_contact(id, Webhook::Lost)?;
    }
    let (gone_at, calls) = (Timestamp::now(), world.stats().calls_total);
    // From here on the kernel counts the peak anew.
    std::fs::write(format!("/proc/{process}/clear_refs"), "5")?;
    let mut way = Way::new(contacts - gone.len());
    let took = loop {
        let pass = pollers.log.passes().get(&location_id, "sweep", RecordKind::Contact).await?;
        // Appointments are gone through last.
        let last = pollers.log.passes().get(&location_id, "sweep", RecordKind::Appointment).await?;
        if let (Some(since), Some(at)) = (pass.complete_since, last.complete_at)
            && since >= gone_at
            && last.complete_since >= pass.complete_since
        {
            break Duration::try_from(at.duration_since(since))?;
        }
        way.came_to(if pass.started_at.is_some() { pass.seen } else { 0 }, process)?;
        way.goes_on(work(pollers, &location_id, "sweep").await?)?;
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let calls = world.stats().calls_total - calls;
    let head = head(pollers, &location_id).await?;
    let told = u64::try_from((contacts + gone.len()) * records)?;
    anyhow::ensure!(head == told, "{head} events where {told} should be");
    loop {
        let relayed = pollers.log.relay().positions().await?.get(&location_id).copied().unwrap_or_default();
        if relayed == told {
            break;
        }
        way.goes_on(relayed)?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(Round { peak: peak_memory(process)?, course: way.held, took, calls })
}

/// How far a round is, and what the process held there.
struct Way {
    contacts: u64,
    /// Anything that changes while there is work.
    work: u64,
    moved_at: Instant,
    held: Vec<f64>,
}

impl Way {
    fn new(contacts: usize) -> Self {
        Self { contacts: contacts as u64, work: 0, moved_at: Instant::now(), held: Vec::new() }
    }

    fn came_to(&mut self, seen: u64, process: &str) -> anyhow::Result<()> {
        if self.held.len() as u64 * self.contacts < seen * NOTES {
            self.held.push(memory(process, "VmRSS:")?);
        }
        Ok(())
    }

    fn goes_on(&mut self, work: u64) -> anyhow::Result<()> {
        if work != self.work {
            (self.work, self.moved_at) = (work, Instant::now());
        }
        anyhow::ensure!(self.moved_at.elapsed() < PATIENCE, "nothing has moved for {PATIENCE:?}");
        Ok(())
    }
}

/// Rows that a net has gone through and events that came of them.
async fn work(pollers: &Pollers, location_id: &LocationId, net: &str) -> anyhow::Result<u64> {
    let mut work = head(pollers, location_id).await?;
    for kind in RecordKind::ALL {
        work += pollers.log.passes().get(location_id, net, kind).await?.seen;
    }
    Ok(work)
}

async fn head(pollers: &Pollers, location_id: &LocationId) -> anyhow::Result<u64> {
    let locations = pollers.log.locations().list().await?;
    Ok(locations.iter().find(|known| known.location_id == *location_id).map_or(0, |known| known.head))
}
