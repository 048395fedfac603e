//! Maps: takes events from the bus and publishes what Pagico should hold because of them.
//!
//! Does not know GHL, the bridge or what was delivered. What an event asks for, `domain::map` and the rules say.

mod batch;
mod config;
mod destinations;
mod health;
mod lane;
mod mapping;
mod metrics;
mod tools;

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use bus::Bus;
use chassis::{Chassis, Shutdown, tasks};
use eventlog::EventLog;
use tokio::task::JoinSet;

pub use config::{BatchSettings, Config, IntervalSettings, RetrySettings};

use crate::metrics::Metrics;
use crate::tools::Tools;

/// Runs the service until it is told to stop. A database or bus that is away only delays it.
///
/// # Errors
/// Only what a person has to put right: an address that is taken, rules that cannot be read, a bus of the wrong kind.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let tools = Arc::new(tools(config).await?);
    let mut tasks = JoinSet::new();
    let (chassis, server, serving) = (Arc::clone(&tools.chassis), tools.config.server.clone(), stop.clone());
    tasks.spawn(async move { chassis.serve(&server, Default::default(), None, &[], serving).await.context("server") });
    let (checked, checking) = (Arc::clone(&tools), stop.clone());
    tasks.spawn(async move { health::run(checked, checking).await.context("health") });
    let (mapper, mapping) = (Arc::clone(&tools), stop.clone());
    tasks.spawn(async move { lane::run(mapper, mapping).await.context("events") });
    tasks::join_all(tasks, &stop).await
}

async fn tools(config: Config) -> anyhow::Result<Tools> {
    let chassis = Chassis::new("mapper");
    let metrics = Metrics::new();
    chassis.register(|registry| metrics.register(registry));
    let (rules, rules_text) = config.rules()?;
    tracing::info!(rules = %rules.revision(), "mapping by these rules");
    chassis.control().set_figure("rules", rules.revision());
    let log = EventLog::connect(&config.log).await?;
    let bus = Bus::connect(&config.bus).await?;
    let rules = Arc::new(rules);
    Ok(Tools { config, rules, rules_text, known_rules: Mutex::default(), log, bus, chassis, metrics })
}
