//! Whether the service is ready, and the figures of its status.

use std::sync::Arc;

use chassis::Shutdown;
use chassis::tasks::sleep;

use crate::context::Context;

/// Checks the database and the bus from time to time. While either is unreachable the service is not ready; it stays alive and goes on
/// when both are back.
pub(crate) async fn run(context: Arc<Context>, stop: Shutdown) -> anyhow::Result<()> {
    loop {
        let log = context.log.ping().await.map_err(|error| error.to_string());
        let reachable = log.is_ok();
        context.chassis.ready("log", log);
        let bus = if context.bus.connected() { Ok(()) } else { Err("the bus is not connected".to_owned()) };
        context.chassis.ready("bus", bus);
        if reachable && let Err(error) = show(&context).await {
            tracing::debug!(%error, "the status figures could not be updated");
        }
        if !sleep(&stop, *context.config.health.interval).await {
            return Ok(());
        }
    }
}

async fn show(context: &Context) -> eventlog::Result<()> {
    let relayed = context.log.relay().positions().await?;
    let mut lag_of_all = 0;
    for location in context.log.locations().list().await? {
        let lag = location.head.saturating_sub(relayed.get(&location.location_id).copied().unwrap_or_default());
        context.metrics.lag(&location.location_id, lag);
        lag_of_all += lag;
    }
    let control = context.chassis.control();
    control.set_figure("lag_events", lag_of_all);
    control.set_figure("webhooks_accepted", context.metrics.webhooks_accepted());
    control.set_figure("events_appended", context.metrics.events_appended());
    control.set_figure("events_relayed", context.metrics.events_relayed());
    control.set_figure("ghl_calls", context.metrics.calls());
    let (seen, total) = context.metrics.backfills(context.candidates.all().keys());
    control.set_figure("backfill_seen", seen);
    control.set_figure("backfill_total", total);
    Ok(())
}
