//! Polls: takes GHL's webhooks as hints, looks at contacts, appends what changed to the event log and relays the log to the bus.
//!
//! Does not know what becomes of an event: no rules, no Pagico. Nothing a webhook says is believed; only what a look at GHL shows is.
//!
//! - `webhook`: a webhook becomes a hint on the bus
//! - `nets`: the reasons to look at a contact, hints among them
//! - `look`: from a reason to look at a contact to what was seen of it in the log
//! - `relay`: from the log to the bus
//! - `leases`: which locations this replica looks after
//! - `app`: which locations there are, and the marketplace app by which a location can be opened
//! - `survey`: what a location gives with its token, asked once before anything else runs
//! - `source`: what others may ask about GHL over gRPC
//! - `hint`, `parking`: what travels on the bus, and what waits for a person
//! - `context`, `config`, `metrics`, `health`, `tasks`: what all of them work with

mod app;
mod config;
mod context;
mod health;
mod hint;
mod leases;
mod look;
mod metrics;
mod nets;
mod parking;
mod relay;
mod source;
mod survey;
mod tasks;
mod webhook;

use std::sync::Arc;

use anyhow::Context as _;
use bus::Bus;
use chassis::tasks::{join_all, sleep};
use chassis::{Chassis, Shutdown};
use eventlog::EventLog;
use proto::source::v1::source_server::SourceServer;

pub use config::{
    AppendSettings, AppointmentSettings, BackfillSettings, Config, HealthSettings, HintSettings, IntervalSettings, LeaseSettings,
    LocationSettings, LookSettings, MirroredSettings, NameSettings, OAuthSettings, ParitySettings, RefutedSettings, RelaySettings,
    RetrySettings, SweepSettings, TaskSettings, VanishingSettings, VerifySettings, WatchSettings, WebhookSettings,
};

pub use survey::{FirstReading, Found, Survey, Surveyed, survey};
pub use webhook::WEBHOOK_MARK;

use crate::app::access::Access;
use crate::app::marketplace::App;
use crate::app::{installations, mirroring, oauth};
use crate::context::Context;
use crate::look::connection::Connections;
use crate::metrics::Metrics;
use crate::relay::{publish, settled};
use crate::source::Source;
use crate::tasks::{Tasks, outcome, spawn};
use crate::webhook::taken::{self, Taken};
use crate::webhook::workflow::{self, Secrets};

/// Runs the service until it is told to stop. An unreachable database or bus only delays it.
///
/// # Errors
/// Only what a person has to put right: an address that is taken, a token file that cannot be read, a bus or database of the wrong kind.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let (transport, context) = context(config).await?;
    let connections = Arc::new(Connections::default());
    let mut tasks = Tasks::new();
    serve(&mut tasks, &context, &connections, &transport, &stop)?;
    let connected = tokio::select! {
        connected = connect(&context, &connections, &stop) => connected,
        Some(ended) = tasks.join_next() => Err(outcome(ended).err().unwrap_or_else(|| anyhow::anyhow!("stopped"))),
    };
    let connected = match connected {
        Ok(true) => {
            start(&mut tasks, &context, &connections, transport, &stop);
            Ok(())
        }
        Ok(false) => Ok(()),
        Err(_) if stop.is_cancelled() => Ok(()),
        Err(error) => {
            stop.cancel();
            Err(error)
        }
    };
    connected.and(join_all(tasks, &stop).await)
}

async fn context(config: Config) -> anyhow::Result<(ghl::Transport, Arc<Context>)> {
    let chassis = Chassis::new("poller");
    let metrics = chassis.register(Metrics::new);
    let log = EventLog::connect(&config.log).await?;
    let bus = Bus::connect(&config.bus).await?;
    let access = Arc::new(Access::default());
    let (counted, noted) = (metrics.clone(), Arc::clone(&access));
    let on_call = move |call: &ghl::Call<'_>| {
        counted.call(call);
        noted.note(call);
    };
    let transport = ghl::Transport::new(config.ghl.clone(), Arc::new(on_call)).context("the HTTP client for GHL")?;
    let app = config.oauth.is_given().then(|| App::new(log.credentials().clone(), transport.clone(), config.oauth.clone()));
    Ok((transport, Arc::new(Context::new(config, log, bus, chassis, metrics, access, app))))
}

/// Starts what answers from the beginning, before the locations are connected.
fn serve(
    tasks: &mut Tasks,
    context: &Arc<Context>,
    connections: &Arc<Connections>,
    transport: &ghl::Transport,
    stop: &Shutdown,
) -> anyhow::Result<()> {
    let taken = Arc::new(Taken::new(context.config.webhooks.recent_max.get()));
    let secrets = Arc::new(Secrets::default());
    let webhooks = webhook::routes(Arc::clone(context), Arc::clone(&taken), Arc::clone(&secrets))?;
    let (public, ops) = (webhooks.merge(oauth::callback_page(Arc::clone(context))), oauth::start_page(Arc::clone(context)));
    let source = Source::new(Arc::clone(context), Arc::clone(connections), transport.clone());
    let grpc = tonic::service::Routes::new(SourceServer::new(source));
    let (chassis, server, serving) = (Arc::clone(&context.chassis), context.config.server.clone(), stop.clone());
    spawn(tasks, "server", async move { chassis.serve(&server, public, ops, Some(grpc), &[], serving).await });
    spawn(tasks, "webhooks taken", taken::run(Arc::clone(context), taken, stop.clone()));
    spawn(tasks, "workflow secrets", workflow::run(Arc::clone(context), secrets, stop.clone()));
    spawn(tasks, "health", health::run(Arc::clone(context), Arc::clone(connections), stop.clone()));
    Ok(())
}

/// Starts what works on connected locations.
fn start(tasks: &mut Tasks, context: &Arc<Context>, connections: &Arc<Connections>, transport: ghl::Transport, stop: &Shutdown) {
    spawn(tasks, "leases", leases::run(Arc::clone(context), Arc::clone(connections), transport, stop.clone()));
    spawn(tasks, "relay", publish::run(Arc::clone(context), stop.clone()));
    spawn(tasks, "settled", settled::run(Arc::clone(context), Arc::clone(connections), stop.clone()));
    spawn(tasks, "token files", mirroring::reread_tokens(Arc::clone(context), Arc::clone(connections), stop.clone()));
    spawn(tasks, "retired locations", mirroring::remove_hints(Arc::clone(context), stop.clone()));
    if let Some(app) = &context.app {
        let (context, connections, app) = (Arc::clone(context), Arc::clone(connections), Arc::clone(app));
        spawn(tasks, "installations", installations::run(context, connections, app, stop.clone()));
    }
}

/// Prepares the bus and begins the log of every location, however long that takes. False when it is time to stop first.
async fn connect(context: &Context, connections: &Connections, stop: &Shutdown) -> anyhow::Result<bool> {
    loop {
        let error = match try_connect(context, connections).await {
            Ok(()) => {
                context.chassis.ready("locations", Ok(()));
                return Ok(true);
            }
            Err(error) if is_transient(&error) => error,
            Err(error) => return Err(error),
        };
        context.chassis.ready("locations", Err("the locations are not connected yet".to_owned()));
        tracing::warn!(%error, "not connected yet");
        if !sleep(stop, *context.config.retry.reconnect).await {
            return Ok(false);
        }
    }
}

fn is_transient(error: &anyhow::Error) -> bool {
    error.downcast_ref::<eventlog::Error>().is_some_and(eventlog::Error::is_transient)
        || error.downcast_ref::<bus::Error>().is_some_and(bus::Error::is_transient)
}

async fn try_connect(context: &Context, connections: &Connections) -> anyhow::Result<()> {
    context.bus.ensure_streams().await?;
    mirroring::read(context, connections).await
}
