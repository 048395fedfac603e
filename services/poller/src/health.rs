//! Whether the service is ready, and the figures of its status.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::LocationId;
use ghl::Spending;
use jiff::Timestamp;

use crate::app::states;
use crate::context::Context;
use crate::look::connection::Connections;
use crate::nets::backfill::done_at;

/// Checks the database and the bus from time to time. While either is unreachable the service is not ready; it stays alive and goes on
/// when both are back.
pub(crate) async fn run(context: Arc<Context>, connections: Arc<Connections>, stop: Shutdown) -> anyhow::Result<()> {
    let (mut shown, mut calls, mut troubles) = (Shown::default(), BTreeMap::new(), states::Noted::new());
    loop {
        let log = context.log.ping().await.map_err(|error| error.to_string());
        let reachable = log.is_ok();
        context.chassis.ready("log", log);
        let bus = if context.bus.connected() { Ok(()) } else { Err("the bus is not connected".to_owned()) };
        context.chassis.ready("bus", bus);
        if reachable && let Err(error) = show(&context, &connections, &mut shown).await {
            tracing::debug!(%error, "the status figures could not be updated");
        }
        if reachable && let Err(error) = note_calls(&context, &connections, &mut calls).await {
            tracing::debug!(%error, "whether the day's calls are nearly spent could not be noted");
        }
        if reachable && let Err(error) = states::show(&context, &connections, &mut troubles).await {
            tracing::debug!(%error, "what GHL refuses could not be noted");
        }
        if !sleep(&stop, *context.config.health.interval).await {
            return Ok(());
        }
    }
}

/// The locations of which something was shown: what is not so any more is taken back.
#[derive(Default)]
struct Shown {
    behind: BTreeSet<LocationId>,
    held: BTreeSet<LocationId>,
}

/// Figures of all locations come from few statements: how many there are must not matter.
async fn show(context: &Context, connections: &Connections, shown: &mut Shown) -> eventlog::Result<()> {
    let lags = context.log.relay().lags().await?;
    for location_id in shown.behind.iter().filter(|location_id| !lags.contains_key(location_id)) {
        context.metrics.no_lag(location_id, context.candidates.all().contains_key(location_id));
    }
    for (location_id, lag) in &lags {
        context.metrics.lag(location_id, *lag);
    }
    let held = connections.all();
    let now_held: BTreeSet<LocationId> = held.iter().map(|connection| connection.location_id.clone()).collect();
    shown.held.difference(&now_held).for_each(|location_id| context.metrics.forget(location_id));
    for connection in &held {
        context.metrics.budget(&connection.location_id, &connection.client.spending());
    }
    let (unfinished, now) = (context.log.passes().unfinished_backfills().await?, Timestamp::now());
    let ours = held.iter().filter_map(|connection| unfinished.get(&connection.location_id));
    let done = ours.filter_map(|backfill| done_at(backfill, now)).max();
    let control = context.chassis.control();
    control.set_figure("locations_held", held.len());
    control.set_figure("backfills_done_at", done.map_or_else(String::new, |done| format!("{done:.0}")));
    control.set_figure("lag_events", lags.values().sum::<u64>());
    control.set_figure("webhooks_accepted", context.metrics.webhooks_accepted());
    control.set_figure("events_appended", context.metrics.events_appended());
    control.set_figure("events_relayed", context.metrics.events_relayed());
    control.set_figure("ghl_calls", context.metrics.calls());
    let read_again = context.metrics.read_again();
    control.set_figure("parity_compared", read_again.compared);
    control.set_figure("parity_differed", read_again.differed);
    let (seen, total) = context.metrics.backfills(context.candidates.all().keys());
    control.set_figure("backfill_seen", seen);
    control.set_figure("backfill_total", total);
    *shown = Shown { behind: lags.into_keys().collect(), held: now_held };
    Ok(())
}

/// Notes at which locations the day's calls are nearly spent, so that a person is told. Only what has changed since `noted` is written.
async fn note_calls(context: &Context, connections: &Connections, noted: &mut BTreeMap<LocationId, bool>) -> eventlog::Result<()> {
    let below = context.config.health.calls_nearly_spent_below;
    let (mut now, mut changed) = (BTreeMap::new(), Vec::new());
    for connection in connections.all() {
        let Spending { left_today, day_calls_max, .. } = connection.client.spending();
        let is_spent = (left_today as f64) < day_calls_max as f64 * below;
        if noted.get(&connection.location_id) != Some(&is_spent) {
            changed.push((connection.location_id.clone(), is_spent.then_some((left_today, day_calls_max))));
        }
        now.insert(connection.location_id.clone(), is_spent);
    }
    if !changed.is_empty() {
        context.log.alerts().note_calls(&changed).await?;
    }
    *noted = now;
    Ok(())
}
