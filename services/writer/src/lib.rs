//! Writes: takes intents from the bus, brings each object's newest to Pagico's bridge, and records in the event log what came of it.
//!
//! Does not know GHL or the rules. An intent says what an object should be; whether it may still be written, `domain::gate` says.

mod apply;
mod config;
mod context;
mod fate;
mod metrics;
mod plan;

use std::sync::Arc;

use anyhow::Context as _;
use bus::{Bus, Stream};
use chassis::{Chassis, Shutdown, tasks};
use eventlog::EventLog;
use pagico::Bridge;
use stage::{Links, Priority};
use tokio::sync::watch;

pub use config::{BatchSettings, Config, ReplaySettings};

use crate::apply::Writing;
use crate::context::Context;
use crate::metrics::Metrics;

/// Runs the service until it is told to stop. A database, bus or bridge that is away only delays it.
///
/// # Errors
/// Only what a person has to put right: an address that is taken, a key file that cannot be read, a bus of the wrong kind.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let context = Arc::new(context(config).await?);
    let Config { server, health, batches, replays, bus, .. } = context.config.clone();
    let metrics = context.metrics.clone();
    let lag = (Stream::Intents, "lag_intents");
    // Whether the bridge can be used shows when it is used.
    let mut tasks = context.links.serve(server, health.interval, lag, move || metrics.figures(), &stop);
    let live = watch::Sender::new(0);
    let lanes = [
        (Stream::Intents, (batches.messages_max, batches.in_flight_max), Priority::First(live.clone())),
        (Stream::Replays, (replays.messages_max, replays.in_flight_max), Priority::GivesWayTo(live, replays.give_way_max)),
    ];
    for (stream, limits, priority) in lanes {
        let (work, stop) = (Writing(Arc::clone(&context)), stop.clone());
        let links = Arc::clone(&context.links);
        tasks.spawn(async move { links.run(stream, limits, bus.ack_wait, Some(priority), work, stop).await.context("intents") });
    }
    tasks::join_all(tasks, &stop).await
}

async fn context(config: Config) -> anyhow::Result<Context> {
    let chassis = Chassis::new("writer");
    let (metrics, common) = (Metrics::new(), stage::Metrics::default());
    chassis.register(|registry| {
        let registry = registry.sub_registry_with_prefix("writer");
        metrics.register(registry);
        common.register(registry, ("lag_intents", "Intents on the bus that are not settled"));
    });
    chassis.ready("bridge", Ok(()));
    let log = EventLog::connect(&config.log).await?;
    let bus = Bus::connect(&config.bus).await?;
    let bridge = Bridge::new(config.bridge.clone())?;
    let links = Links { stage: eventlog::Stage::Writer, chassis, log, bus, retry: config.retry.clone(), metrics: common };
    Ok(Context { config, links: Arc::new(links), bridge, metrics })
}
