//! Every contact of a location changed at once, as with a bulk action or an import, at the limits that GHL publishes.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use sandbox::{Limits, Load, Webhook};
use serde_json::json;
use tests::system::{System, SystemSettings};
use toml::toml;

use super::{limits, within_limits};
use crate::report::{Figure, Report};

/// What all of it is to stay under, whatever the number of contacts: of 50,000.
const CALLS_MAX: f64 = 1_000.0;
const MINUTES_MAX: f64 = 10.0;
const PATIENCE: Duration = Duration::from_secs(1_800);
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
pub(crate) async fn bulk(report: &mut Report, contacts: usize) -> anyhow::Result<()> {
    let settings = SystemSettings::new("bench-bulk").contacts(contacts).load(Load::Each { tasks: 0, notes: 0, appointments: 0 });
    let mut system = System::start(settings.sandbox(|sandbox| sandbox.limits = limits()).with("poller", within_limits())).await?;
    system.backfilled().await?;
    until_fed(&system, u64::try_from(contacts)?).await?;
    system.quiet().await?;

    // From here on as GHL allows it and as the poller asks by default.
    system.stop_service("poller").await?;
    system.world().set_limits(Limits::default());
    let published = toml! { ghl = { rate = { calls_per_second = 8.0, window_calls_max = 100, window = "10s", day_calls_max = 200000 } } };
    system.change_settings("poller", published);
    system.start_service("poller")?;
    let (fed, calls) = (system.feed_position().await?, system.world().stats().calls_total);
    let begin = Instant::now();
    for id in system.world().contact_ids() {
        system.world().update_contact(&id, &json!({"city": "Lyon", "tags": ["moved"]}), Webhook::Sent)?;
    }
    until_fed(&system, fed + u64::try_from(contacts)?).await?;
    let took = begin.elapsed();
    let stats = system.world().stats();
    let taken = stats.calls_total - calls;
    system.in_sync().await?;
    let of_all = contacts as f64 / 50_000.0;
    let conditions = format!(
        "{contacts} contacts changed at once, a webhook for each; 8 calls/s, GHL's published limits; until all are in the workspace; reference: \
         {CALLS_MAX} for 50,000; {:?}",
        stats.calls
    );
    report.add(Figure::new("source", "calls of a bulk edit", taken as f64, "calls", &conditions).against(CALLS_MAX * of_all))?;
    let conditions = format!("the same; reference: {MINUTES_MAX} min for 50,000");
    let minutes = took.as_secs_f64() / 60.0;
    report.add(Figure::new("source", "bulk edit in the workspace", minutes, "min", conditions).against(MINUTES_MAX * of_all))?;
    anyhow::ensure!(system.world().limits_violated().is_empty(), "the limits were passed");
    system.stop().await
}

/// Waits until the workspace has taken so many changes.
async fn until_fed(system: &System, wanted: u64) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        let fed = system.feed_position().await.context("the feed")?;
        if fed >= wanted {
            return Ok(());
        }
        anyhow::ensure!(begin.elapsed() < PATIENCE, "{fed} of {wanted} changes are in the workspace");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
