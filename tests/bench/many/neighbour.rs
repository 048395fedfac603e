//! What a location whose token is dead costs the one beside it, when hundreds of thousands of webhooks wait for the dead one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use domain::{LocationId, RecordKind};
use sandbox::{Settings, Webhook};
use serde_json::json;
use tests::pollers::Pollers;
use toml::{Table, Value, toml};

use crate::path::PATIENCE;
use crate::report::{Figure, Report, percentile};
use crate::source::flood;

const CONTACTS: usize = 300;
/// Changes a second in the location in use.
const PACE: u64 = 25;
/// How many webhooks come for the dead one.
const WEBHOOKS: usize = 200_000;
/// How much longer a change may take beside it.
const LONGER: f64 = 1.2;

pub(crate) async fn measure(report: &mut Report, seconds: u64) -> anyhow::Result<()> {
    let mut more = toml! {
        ghl = { rate = { calls_per_second = 900.0, window_calls_max = 900, window = "1s", day_calls_max = 10000000 } }
        hints = { debounce = "0s" }
        webhooks = { location_per_second = 1000000, location_burst = 1000000 }
    };
    let settings = Settings { limits: crate::source::limits(), locations: 2, ..Settings::default() };
    let mut pollers = Pollers::start("bench-neighbour", settings, CONTACTS, 0, &Table::new()).await?;
    let worlds = pollers.sandbox.agency().worlds();
    let [_, dead] = worlds.as_slice() else { anyhow::bail!("two locations") };
    let listed = worlds.iter().map(|world| {
        let location = [("id", world.location_id()), ("token", world.token())];
        Value::Table(location.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect())
    });
    more.insert("locations".to_owned(), Value::Array(listed.collect()));
    pollers.add("bench-neighbour-poller", &more)?;
    pollers.backfilled().await?;

    let mut alone = waits(&pollers, seconds).await?;
    let alone = percentile(&mut alone, 0.99);
    pollers.sandbox.agency().set_private_token(dead.location_id(), None);
    let sent = flood(&pollers, dead.location_id(), WEBHOOKS).await?;
    let mut beside = waits(&pollers, seconds).await?;
    let conditions = format!(
        "{PACE} changes/s of {CONTACTS} contacts for {seconds} s, from the webhook to the event, debounce 0; beside it a location whose token is \
         refused and for which {WEBHOOKS} webhooks came, of which {sent} were taken and the others asked to come again; reference: the same \
         without them, times {LONGER}"
    );
    report
        .add(Figure::new("many", "p99 beside a dead location", percentile(&mut beside, 0.99), "ms", conditions).against(alone * LONGER))?;
    pollers.stop().await
}

/// How long each change takes from its webhook to its event, in milliseconds.
async fn waits(pollers: &Pollers, seconds: u64) -> anyhow::Result<Vec<f64>> {
    let (world, location_id) = (pollers.world(), pollers.location()?);
    let contacts = world.contact_ids();
    let (mut after, mut number, total) = (head(pollers, &location_id).await?, 0, PACE * seconds);
    let mut sent: BTreeMap<String, Instant> = BTreeMap::new();
    let mut samples = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / PACE));
    while number < total || !sent.is_empty() {
        let longest = sent.values().map(Instant::elapsed).max().unwrap_or_default();
        anyhow::ensure!(longest < PATIENCE, "{} of {number} arrived", samples.len());
        tokio::select! {
            _ = ticks.tick(), if number < total => {
                let id = contacts.get(usize::try_from(number)? % contacts.len()).context("a contact")?;
                sent.entry(id.clone()).or_insert_with(Instant::now);
                world.update_contact(id, &json!({"city": format!("City {after} {number}")}), Webhook::Sent)?;
                number += 1;
            }
            () = tokio::time::sleep(Duration::from_millis(2)) => {
                for event in pollers.log.read(&location_id, after, 1_000).await? {
                    after = event.seq;
                    if let Some((RecordKind::Contact, id)) = &event.record
                        && let Some(at) = sent.remove(id.as_str())
                    {
                        samples.push(at.elapsed().as_secs_f64() * 1_000.0);
                    }
                }
            }
        }
    }
    Ok(samples)
}

async fn head(pollers: &Pollers, location_id: &LocationId) -> anyhow::Result<u64> {
    let locations = pollers.log.locations().list().await?;
    Ok(locations.iter().find(|known| known.location_id == *location_id).map_or(0, |known| known.head))
}
