//! Whether the service can work, and the figures that people see of it.

use std::sync::Arc;

use bus::Stream;
use chassis::Shutdown;
use chassis::tasks::sleep;

use crate::tools::Tools;

/// Tries the database and the bus from time to time. Either being away makes the service not ready; it stays alive and goes on when
/// both are back. Whether the bridge can be used shows when it is used.
pub(crate) async fn run(tools: Arc<Tools>, stop: Shutdown) -> anyhow::Result<()> {
    loop {
        tools.chassis.ready("log", tools.log.ping().await.map_err(|error| error.to_string()));
        let connected = tools.bus.connected();
        tools.chassis.ready("bus", if connected { Ok(()) } else { Err("the bus is not connected".to_owned()) });
        figures(&tools, connected).await;
        if !sleep(&stop, tools.config.health.interval).await {
            return Ok(());
        }
    }
}

async fn figures(tools: &Tools, connected: bool) {
    let control = tools.chassis.control();
    control.set_figure("messages", tools.metrics.messages_received());
    control.set_figure("delivered", tools.metrics.intents_delivered());
    control.set_figure("parked", tools.metrics.intents_parked());
    if !connected {
        return;
    }
    match tools.bus.backlog(Stream::Intents).await {
        Ok(backlog) => {
            tools.metrics.backlog(backlog);
            control.set_figure("lag_intents", backlog);
        }
        Err(error) => tracing::debug!(%error, "no figures"),
    }
}
