//! Polls: takes GHL's webhooks as hints, looks at contacts, writes what changed to the event log and relays the log to the bus.
//!
//! Does not know what becomes of an event: no rules, no Pagico. Nothing a webhook says is believed; only what a look at GHL shows is.

mod app;
mod config;
mod context;
mod health;
mod hint;
mod leases;
mod look;
mod metrics;
mod nets;
mod relay;
mod source;
mod webhook;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use bus::Bus;
use chassis::{Chassis, Shutdown};
use domain::LocationId;
use eventlog::EventLog;
use proto::source::v1::source_server::SourceServer;
use tokio::task::JoinSet;

pub use config::{
    AppendSettings, AppointmentSettings, BackfillSettings, Config, HintSettings, IntervalSettings, LeaseSettings, LocationSettings,
    NameSettings, OAuthSettings, RelaySettings, RetrySettings, SweepSettings, TaskSettings, VerifySettings, WatchSettings, WebhookSettings,
};

use crate::app::marketplace::App;
use crate::context::{Tools, rest};
use crate::look::connection::Connection;
use crate::metrics::Metrics;
use crate::source::Source;

/// Everything the tasks share once every location is connected.
struct Poller {
    tools: Arc<Tools>,
    transport: ghl::Transport,
    /// This replica, as the others see it.
    instance: String,
    /// The locations that this replica looks after now.
    held: RwLock<BTreeMap<LocationId, Arc<Connection>>>,
}

impl Poller {
    fn hold(&self, connection: Arc<Connection>) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).insert(connection.location_id.clone(), connection);
    }

    fn let_go(&self, location_id: &LocationId) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).remove(location_id);
    }

    fn connection(&self, location_id: &LocationId) -> Option<Arc<Connection>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).get(location_id).cloned()
    }

    /// The locations that this replica looks after now.
    fn held(&self) -> Vec<Arc<Connection>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

type Tasks = JoinSet<(&'static str, anyhow::Result<()>)>;

/// Runs the service until it is told to stop. A database or a bus that is away only delays it.
///
/// # Errors
/// Only what a person has to put right: an address that is taken, a token file that cannot be read, a bus or database of the wrong kind.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let (transport, tools) = tools(config).await?;
    let mut tasks = Tasks::new();
    let router = webhook::routes(Arc::clone(&tools))?.merge(app::oauth::routes(Arc::clone(&tools)));
    let (chassis, server) = (Arc::clone(&tools.chassis), tools.config.server.clone());
    let serving = stop.clone();
    let source = Source::default();
    let connected = Arc::clone(&source.poller);
    let grpc = tonic::service::Routes::new(SourceServer::new(source));
    spawn(&mut tasks, "server", async move { chassis.serve(&server, router, Some(grpc), &[], serving).await });
    spawn(&mut tasks, "health", health::run(Arc::clone(&tools), stop.clone()));

    let prepared = tokio::select! {
        prepared = connect(&tools, &transport, &stop) => prepared,
        Some(ended) = tasks.join_next() => Err(blame(ended).err().unwrap_or_else(|| anyhow::anyhow!("stopped"))),
    };
    let outcome = match prepared {
        Ok(Some(poller)) => {
            let poller = Arc::new(poller);
            start(&mut tasks, &poller, &stop);
            connected.get_or_init(|| poller);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(_) if stop.is_cancelled() => Ok(()),
        Err(error) => Err(error),
    };
    if outcome.is_err() {
        stop.cancel();
    }
    finish(tasks, &stop, outcome).await
}

async fn tools(config: Config) -> anyhow::Result<(ghl::Transport, Arc<Tools>)> {
    let chassis = Chassis::new("poller");
    let metrics = Metrics::new();
    chassis.register(|registry| metrics.register(registry));
    let log = EventLog::connect(&config.log).await?;
    let bus = Bus::connect(&config.bus).await?;
    let counted = metrics.clone();
    let transport = ghl::Transport::new(config.ghl.clone(), Arc::new(move |call| counted.call(call))).context("the HTTP client for GHL")?;
    let app = config.oauth.is_given().then(|| App::new(log.clone(), transport.clone(), config.oauth.clone()));
    Ok((transport, Arc::new(Tools::new(config, log, bus, chassis, metrics, app))))
}

fn start(tasks: &mut Tasks, poller: &Arc<Poller>, stop: &Shutdown) {
    let tools = &poller.tools;
    spawn(tasks, "leases", leases::run(Arc::clone(poller), stop.clone()));
    spawn(tasks, "relay", relay::publish::run(Arc::clone(tools), stop.clone()));
    spawn(tasks, "settled", relay::settled::run(Arc::clone(poller), stop.clone()));
    if let Some(app) = &tools.app {
        spawn(tasks, "installations", app::installations::run(Arc::clone(tools), Arc::clone(app), stop.clone()));
    }
}

fn spawn(tasks: &mut Tasks, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
    tasks.spawn(async move { (name, task.await) });
}

fn blame(ended: Result<(&'static str, anyhow::Result<()>), tokio::task::JoinError>) -> anyhow::Result<()> {
    let (name, outcome) = ended.context("a task ended unexpectedly")?;
    outcome.context(name)
}

/// Waits for all tasks; the first that fails stops the others.
async fn finish(mut tasks: Tasks, stop: &Shutdown, mut outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = blame(ended) {
            stop.cancel();
            if outcome.is_ok() {
                outcome = Err(error);
            }
        }
    }
    outcome
}

/// Prepares the bus and begins the log of every location, as long as it takes. Nothing when it is time to stop first.
async fn connect(tools: &Arc<Tools>, transport: &ghl::Transport, stop: &Shutdown) -> anyhow::Result<Option<Poller>> {
    loop {
        let error = match try_connect(tools, transport).await {
            Ok(poller) => {
                tools.chassis.ready("locations", Ok(()));
                return Ok(Some(poller));
            }
            Err(error) if is_transient(&error) => error,
            Err(error) => return Err(error),
        };
        tools.chassis.ready("locations", Err("the locations are not connected yet".to_owned()));
        tracing::warn!(%error, "not connected yet");
        if !rest(stop, tools.config.retry.reconnect).await {
            return Ok(None);
        }
    }
}

fn is_transient(error: &anyhow::Error) -> bool {
    error.downcast_ref::<eventlog::Error>().is_some_and(eventlog::Error::is_transient)
        || error.downcast_ref::<bus::Error>().is_some_and(bus::Error::is_transient)
}

async fn try_connect(tools: &Arc<Tools>, transport: &ghl::Transport) -> anyhow::Result<Poller> {
    tools.bus.ensure_streams().await?;
    tools.set_candidates(app::installations::candidates(tools).await?);
    let instance = format!("{:016x}", rand::random::<u64>());
    Ok(Poller { tools: Arc::clone(tools), transport: transport.clone(), instance, held: RwLock::default() })
}
