//! Writes: takes intents from the bus, brings each object's newest to Pagico's bridge, and records in the event log what came of it.
//!
//! Does not know GHL or the rules. An intent says what an object should be; whether it may still be written, `domain::gate` says.

mod apply;
mod config;
mod fate;
mod health;
mod lane;
mod metrics;
mod plan;
mod tools;

use std::sync::Arc;

use anyhow::Context as _;
use bus::{Bus, Lane};
use chassis::{Chassis, Shutdown, tasks};
use eventlog::EventLog;
use pagico::Bridge;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use config::{BatchSettings, Config, IntervalSettings, ReplaySettings, RetrySettings};

use crate::metrics::Metrics;
use crate::tools::Tools;

/// Runs the service until it is told to stop. A database, bus or bridge that is away only delays it.
///
/// # Errors
/// Only what a person has to put right: an address that is taken, a key file that cannot be read, a bus of the wrong kind.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let tools = Arc::new(tools(config).await?);
    let mut tasks = JoinSet::new();
    let (chassis, server, serving) = (Arc::clone(&tools.chassis), tools.config.server.clone(), stop.clone());
    tasks.spawn(async move { chassis.serve(&server, Default::default(), None, &[], serving).await.context("server") });
    let (checked, checking) = (Arc::clone(&tools), stop.clone());
    tasks.spawn(async move { health::run(checked, checking).await.context("health") });
    for lane in [Lane::Live, Lane::Replay] {
        let (writing, writer) = (stop.clone(), Arc::clone(&tools));
        tasks.spawn(async move { lane::run(writer, lane, writing).await.context("intents") });
    }
    tasks::join_all(tasks, &stop).await
}

async fn tools(config: Config) -> anyhow::Result<Tools> {
    let chassis = Chassis::new("writer");
    let metrics = Metrics::new();
    chassis.register(|registry| metrics.register(registry));
    chassis.ready("bridge", Ok(()));
    let log = EventLog::connect(&config.log).await?;
    let bus = Bus::connect(&config.bus).await?;
    let bridge = Bridge::new(config.bridge.clone())?;
    Ok(Tools { config, log, bus, bridge, chassis, metrics, live_batches: watch::Sender::new(0) })
}
