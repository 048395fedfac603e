//! Maps: takes events from the bus and publishes what Pagico should hold because of them.
//!
//! Does not know GHL, the bridge or what was delivered. What an event asks for, `domain::map` and the rules say.

mod batch;
mod config;
mod context;
mod destinations;
mod mapping;
mod metrics;

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use bus::{Bus, Stream};
use chassis::{Chassis, Shutdown, tasks};
use eventlog::EventLog;
use stage::Links;

pub use config::{BatchSettings, Config};

use crate::batch::Mapping;
use crate::context::Context;
use crate::metrics::Metrics;

/// Runs the service until it is told to stop. A database or bus that is away only delays it.
///
/// # Errors
/// Only what a person has to put right: an address that is taken, rules that cannot be read, a bus of the wrong kind.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let context = Arc::new(context(config).await?);
    let Config { server, health, .. } = context.config.clone();
    let metrics = context.metrics.clone();
    let lag = (Stream::Events, "lag_events");
    let mut tasks = context.links.serve(server, health.interval, lag, move || metrics.figures(), &stop);
    let mapping = stop.clone();
    tasks.spawn(async move { map(context, mapping).await.context("events") });
    tasks::join_all(tasks, &stop).await
}

async fn context(config: Config) -> anyhow::Result<Context> {
    let chassis = Chassis::new("mapper");
    let (metrics, common) = (Metrics::new(), stage::Metrics::default());
    chassis.register(|registry| {
        let registry = registry.sub_registry_with_prefix("mapper");
        metrics.register(registry);
        common.register(registry, ("lag_events", "Events on the bus that are not settled"));
    });
    let (rules, rules_text) = config.rules()?;
    tracing::info!(rules = %rules.revision(), "mapping by these rules");
    chassis.control().set_figure("rules", rules.revision());
    let log = EventLog::connect(&config.log).await?;
    let bus = Bus::connect(&config.bus).await?;
    let links = Links { stage: eventlog::Stage::Mapper, chassis, log, bus, retry: config.retry.clone(), metrics: common };
    let (rules, links) = (Arc::new(rules), Arc::new(links));
    Ok(Context { config, rules, rules_text, known_rules: Mutex::default(), links, metrics })
}

/// Maps events, once the log knows the rules that the mapper was started with.
async fn map(context: Arc<Context>, stop: Shutdown) -> anyhow::Result<()> {
    let Context { config, rules, rules_text, links, .. } = &*context;
    let announced =
        context.ask("making the rules known", &stop, || links.log.workspaces().configure_rules(rules.revision(), rules_text)).await;
    if announced.is_none() {
        return Ok(());
    }
    let limits = (config.batches.messages_max, config.batches.in_flight_max);
    let work = Mapping(Arc::clone(&context));
    links.run(Stream::Events, limits, config.bus.ack_wait, None, work, stop).await
}
