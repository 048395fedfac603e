//! The whole path, every part real and in this process: throughput and latency.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use eventlog::Lease;
use sandbox::Webhook::Sent;
use serde_json::{Value, json};
use tests::system::{System, SystemSettings};
use toml::toml;

use crate::log::seen;
use crate::report::{Figure, Report, percentile};

/// How many changes come in at once.
const BATCH: usize = 500;
/// How long a bench may take at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn get(system: &System, url: &str) -> anyhow::Result<Value> {
    let answer = system.http.get(url).bearer_auth(tests::system::KEY).send().await?.error_for_status()?;
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
pub(crate) async fn changes(report: &mut Report, size: usize) -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("bench-changes").contacts(1)).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let (location_id, before) = (system.location()?, system.feed_position().await?);
    let mut batches = Vec::new();
    for start in (0..size).step_by(BATCH) {
        batches
            .push((start..size.min(start + BATCH)).map(|number| seen(&location_id, number, "Oslo")).collect::<anyhow::Result<Vec<_>>>()?);
    }
    // The poller's own: it is the first to hold the location.
    let lease = Lease { location_id: location_id.clone(), token: 1 };
    let begin = Instant::now();
    for batch in batches {
        system.log.observe(&lease, &batch).await?;
    }
    let appended = begin.elapsed();
    let wanted = before + u64::try_from(size)?;
    while system.feed_position().await? < wanted {
        anyhow::ensure!(begin.elapsed() < PATIENCE, "not all changes arrived");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begin.elapsed();
    system.quiet().await?;
    let settled = begin.elapsed();
    let conditions = format!(
        "{size} new contacts, each observed, logged, relayed, mapped, written and delivered; appended in {appended:.1?}; all services in one process"
    );
    report.add(Figure::new("changes", "seen in the bridge", size as f64 / took.as_secs_f64(), "changes/s", &conditions))?;
    report.add(Figure::new("changes", "settled in the log", size as f64 / settled.as_secs_f64(), "changes/s", &conditions))?;
    report.add(Figure::new("changes", "peak memory of the process", peak_memory("self")?, "MiB", "bench, sandbox and five services"))?;
    system.stop().await
}

/// Changes a second that people make while the latency is measured.
pub(crate) const PACE: u64 = 50;

pub(crate) async fn latency(report: &mut Report, seconds: u64) -> anyhow::Result<()> {
    let at_once = toml! { hints = { debounce = "0s" } };
    let system = System::start(SystemSettings::new("bench-latency").contacts(300).with("poller", at_once)).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let total = PACE * seconds;
    let mut samples = waits(&system, "City", |number| number < total).await?;
    let conditions =
        format!("{PACE} changes/s for {seconds} s, 300 contacts, debounce 0, four calls to GHL for each, seen by a poll every 2 ms");
    report.add(Figure::new("latency", "webhook sent to object, p50", percentile(&mut samples, 0.5), "ms", &conditions))?;
    report.add(Figure::new("latency", "webhook sent to object, p99", percentile(&mut samples, 0.99), "ms", &conditions))?;
    system.stop().await
}

/// How long each change takes from its webhook to its object, in milliseconds, while people go on making changes. What arrives with a
/// position that the log had before is nothing that somebody waits for.
pub(crate) async fn waits(system: &System, city: &str, go_on: impl Fn(u64) -> bool) -> anyhow::Result<Vec<f64>> {
    let contacts = system.world().contact_ids();
    let feed = format!("{}/v1/workspaces/{}/changes", system.address("bridge", "http")?, system.sandbox.location_id());
    let before = system.log.locations().list().await?.iter().map(|location| location.head).max().unwrap_or_default();
    let mut after = system.feed_position().await?;
    let mut sent: BTreeMap<String, Instant> = BTreeMap::new();
    let mut samples: Vec<f64> = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / PACE));
    let mut number = 0;
    while go_on(number) || !sent.is_empty() {
        let longest = sent.values().map(Instant::elapsed).max().unwrap_or_default();
        anyhow::ensure!(longest < PATIENCE, "{} of {number} arrived", samples.len());
        tokio::select! {
            _ = ticks.tick(), if go_on(number) => {
                let id = contacts.get(usize::try_from(number)? % contacts.len()).context("a contact")?;
                // Where the last change of the contact is still awaited, its wait goes on.
                sent.entry(format!("ghl:contact/{id}")).or_insert_with(Instant::now);
                system.world().update_contact(id, &json!({"city": format!("{city} {number}")}), Sent)?;
                number += 1;
            }
            () = tokio::time::sleep(Duration::from_millis(2)) => {
                let page = get(system, &format!("{feed}?after={after}&limit=500")).await?;
                for change in page.get("items").and_then(Value::as_array).context("changes")? {
                    after = change.get("position").and_then(Value::as_u64).context("a position")?;
                    let key = change.get("key").and_then(Value::as_str).unwrap_or_default();
                    if change.pointer("/revision/seq").and_then(Value::as_u64).is_some_and(|seq| seq > before)
                        && let Some(at) = sent.remove(key)
                    {
                        samples.push(at.elapsed().as_secs_f64() * 1_000.0);
                    }
                }
            }
        }
    }
    Ok(samples)
}

/// The most memory a process ever held, by the kernel's count, in MiB.
pub(crate) fn peak_memory(process: &str) -> anyhow::Result<f64> {
    memory(process, "VmHWM:")
}

/// What the kernel counts of a process's memory under a name, in MiB.
pub(crate) fn memory(process: &str, name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name)).context("a figure of the process's memory")?;
    let kib: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
    Ok(kib / 1_024.0)
}
