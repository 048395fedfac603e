//! Answers: the gRPC admin API over the event log, and a summary over HTTP.
//!
//! Does not know GHL or Pagico, and decides nothing; redriving is all it ever sends on its way.

mod api;
mod config;
mod erasure;
mod health;
mod replay;
mod retention;
mod sealer;
mod status;
mod verify;

use std::sync::Arc;

use anyhow::Context as _;
use bus::Bus;
use chassis::tasks::join_all;
use chassis::{Chassis, Shutdown};
use eventlog::EventLog;
use pagico::Bridge;
use proto::admin::v1::admin_server::AdminServer;
use proto::audit::v1::audit_server::AuditServer;
use proto::erasure::v1::erasure_server::ErasureServer;
use proto::proof::v1::proof_server::ProofServer;
use proto::replay::v1::replay_server::ReplayServer;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tonic::service::Routes;

pub use config::{
    AccessSettings, Config, ErasureSettings, IntervalSettings, Limits, ProofSettings, ReplaySettings, SealSettings, VerifySettings,
};
pub use replay::planning;

use crate::api::admin::Service;
use crate::api::audit::Audit;
use crate::api::proof::Proving;
use crate::erasure::Eraser;
use crate::sealer::Seal;

/// Runs the service until it is told to stop. A database or bus that is away only makes it not ready.
///
/// # Errors
/// Only what a person has to put right: an address that is taken, a bus or database of the wrong kind.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let chassis = Chassis::new("admin");
    for part in ["log", "bus"] {
        chassis.ready(part, Err("not tried yet".to_owned()));
    }
    let log = EventLog::connect(&config.log).await?;
    let bus = Bus::connect(&config.bus).await?;
    let service = Service::new(log.clone(), bus.clone(), config.limits.clone(), stop.clone());
    let seal = Seal::from_settings(&config.seal)?;
    let proving = Proving::new(log.clone(), seal.clone(), config.proof.clone(), config.limits.clone(), stop.clone());
    let bridge = Bridge::new(config.bridge.clone())?;
    let replays = Arc::new(replay::Context {
        log: log.clone(),
        bus: bus.clone(),
        bridge: bridge.clone(),
        settings: config.replay.clone(),
        verify: config.verify.clone(),
        started: Notify::new(),
        plan_permits: Arc::new(Semaphore::new(config.replay.plans_max.get())),
        comparison_permits: Arc::new(Semaphore::new(config.verify.in_flight_max.get())),
        stop: stop.clone(),
    });
    let replaying = api::replay::Service(Arc::clone(&replays));
    let audit = Audit::new(log.clone(), config.limits.clone(), stop.clone());
    let eraser = Eraser { log: log.clone(), bus: bus.clone(), bridge, settings: config.erasure.clone() };
    let erasing = api::erasure::Service { eraser: eraser.clone(), stop: stop.clone() };
    let http = health::summary(log.clone());
    let mut tasks = JoinSet::new();
    let (serving, server) = (Arc::clone(&chassis), config.server.clone());
    let listening = stop.clone();
    tasks.spawn(async move {
        let routes = Routes::new(AdminServer::new(service))
            .add_service(ProofServer::new(proving))
            .add_service(AuditServer::new(audit))
            .add_service(ErasureServer::new(erasing))
            .add_service(ReplayServer::new(replaying));
        serving.serve(&server, http, Some(routes), &[], listening).await.context("server")
    });
    if let Some(seal) = seal {
        let (sealing, how, stopping) = (log.clone(), config.proof.verification(), stop.clone());
        tasks.spawn(async move { sealer::run(sealing, seal, how, *config.seal.interval, stopping).await.context("sealer") });
    }
    forget_in_time(&mut tasks, &log, &config, &stop);
    let going_on = stop.clone();
    tasks.spawn(async move { erasure::run(eraser, going_on).await.context("erasures") });
    let executing = stop.clone();
    tasks.spawn(async move { replay::run(replays, executing).await.context("replays") });
    let interval = *config.health.interval;
    let watching = stop.clone();
    tasks.spawn(async move { health::run(chassis, log, bus, interval, watching).await.context("health") });
    join_all(tasks, &stop).await
}

/// What is kept for a time only.
fn forget_in_time(tasks: &mut JoinSet<anyhow::Result<()>>, log: &EventLog, config: &Config, stop: &Shutdown) {
    let (trimmed, keep, every, stopping) = (log.clone(), config.access.retention, *config.access.interval, stop.clone());
    let accesses = move || {
        let log = trimmed.clone();
        async move { log.answers().forget_accesses(keep).await }
    };
    tasks.spawn(async move { retention::run("accesses", every, accesses, stopping).await.context("access log") });
    let (trimmed, keep, every, stopping) = (log.clone(), config.replay.retention, *config.replay.retention_interval, stop.clone());
    let replays = move || {
        let log = trimmed.clone();
        async move { log.replays().forget(keep).await }
    };
    tasks.spawn(async move { retention::run("replays", every, replays, stopping).await.context("old replays") });
}
