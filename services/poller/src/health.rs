//! Whether the service can work, and the figures that people see of it.

use std::sync::Arc;

use chassis::Shutdown;

use crate::context::{Tools, rest};

/// Tries the database and the bus from time to time. Either being away makes the service not ready; it stays alive and goes on when
/// both are back.
pub(crate) async fn run(tools: Arc<Tools>, shutdown: Shutdown) -> anyhow::Result<()> {
    loop {
        let log = tools.log.ping().await.map_err(|error| error.to_string());
        let reachable = log.is_ok();
        tools.chassis.ready("log", log);
        let bus = if tools.bus.connected() { Ok(()) } else { Err("the bus is not connected".to_owned()) };
        tools.chassis.ready("bus", bus);
        if reachable && let Err(error) = figures(&tools).await {
            tracing::debug!(%error, "no figures");
        }
        if !rest(&shutdown, tools.config.health.interval).await {
            return Ok(());
        }
    }
}

async fn figures(tools: &Tools) -> eventlog::Result<()> {
    let relayed = tools.log.relay_positions().await?;
    let mut lag_of_all = 0;
    for location in tools.log.locations().await? {
        let lag = location.head.saturating_sub(relayed.get(&location.location_id).copied().unwrap_or_default());
        tools.metrics.lag(&location.location_id, lag);
        lag_of_all += lag;
    }
    let control = tools.chassis.control();
    control.set_figure("lag_events", lag_of_all);
    control.set_figure("webhooks_accepted", tools.metrics.webhooks_accepted());
    control.set_figure("events_appended", tools.metrics.events_appended());
    control.set_figure("events_relayed", tools.metrics.events_relayed());
    control.set_figure("ghl_calls", tools.metrics.calls());
    let (seen, total) = tools.metrics.backfills(tools.candidates().keys());
    control.set_figure("backfill_seen", seen);
    control.set_figure("backfill_total", total);
    Ok(())
}
