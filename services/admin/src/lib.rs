//! Answers: the gRPC admin API over the event log, and a summary over HTTP.
//!
//! Does not know GHL, and decides nothing about what is mirrored: it applies plans that a person approved, erases, and redrives.

mod alerts;
mod api;
mod config;
mod erasure;
mod health;
mod purge;
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
use proto::alerts::v1::alerts_server::AlertsServer;
use proto::audit::v1::audit_server::AuditServer;
use proto::erasure::v1::erasure_server::ErasureServer;
use proto::proof::v1::proof_server::ProofServer;
use proto::replay::v1::replay_server::ReplayServer;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tonic::service::Routes;

pub use config::{
    AccessSettings, AlertSettings, ConditionSettings, Config, ErasureSettings, IntervalSettings, Limits, ProofSettings, ReplaySettings,
    SealSettings, VerifySettings,
};
pub use replay::planning;

use crate::alerts::Watcher;
use crate::alerts::finding::Facts;
use crate::erasure::Eraser;
use crate::purge::Purger;
use crate::sealer::{Proofs, Seal};

/// Runs the service until it is told to stop. A database or bus that cannot be reached only makes it not ready.
///
/// # Errors
/// Only what a person has to correct: an address that is in use, a bus or database of the wrong kind.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let chassis = Chassis::new("admin");
    for part in ["log", "bus"] {
        chassis.ready(part, Err("not tried yet".to_owned()));
    }
    let log = EventLog::connect(&config.log).await?;
    let bus = Bus::connect(&config.bus).await?;
    let admin = api::admin::Service::new(log.clone(), bus.clone(), config.limits.clone(), stop.clone());
    let seal = Seal::from_settings(&config.seal)?;
    let (locations, chain, answers, keys) = (log.locations(), log.chain(), log.answers(), log.keys());
    let (settings, limits) = (config.proof.clone(), config.limits.clone());
    let proof = api::proof::Service::new(locations.clone(), chain.clone(), seal.clone(), settings, limits, stop.clone());
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
    let replay = api::replay::Service(Arc::clone(&replays));
    let audit = api::audit::Service::new(locations.clone(), answers.clone(), keys.clone(), config.limits.clone(), stop.clone());
    let purger = Purger { purges: log.purges().clone(), bus: bus.clone(), bridge: bridge.clone(), settings: config.erasure.clone() };
    let eraser = Eraser { erasures: log.erasures().clone(), bus: bus.clone(), bridge, settings: config.erasure.clone() };
    let erasure = api::erasure::Service {
        eraser: eraser.clone(),
        purger: purger.clone(),
        locations: locations.clone(),
        keys: keys.clone(),
        credentials: log.credentials().clone(),
        mirrored: log.mirrored().clone(),
        stop: stop.clone(),
    };
    let alerts = api::alerts::Service { log: log.clone(), limits: config.limits.clone(), silence_max: *config.alerts.silence_max };
    let http = health::summary(answers.clone());
    let mut tasks = JoinSet::new();
    let (serving, server) = (Arc::clone(&chassis), config.server.clone());
    let listening = stop.clone();
    tasks.spawn(async move {
        let routes = Routes::new(AdminServer::new(admin))
            .add_service(ProofServer::new(proof))
            .add_service(AuditServer::new(audit))
            .add_service(ErasureServer::new(erasure))
            .add_service(ReplayServer::new(replay))
            .add_service(AlertsServer::new(alerts));
        serving.serve(&server, http, axum::Router::new(), Some(routes), &[], listening).await.context("server")
    });
    let proofs = seal.is_some().then(Proofs::default);
    if let Some((seal, proofs)) = seal.zip(proofs.clone()) {
        let how = config.proof.verification();
        let sealing = sealer::run(locations.clone(), chain.clone(), seal, how, proofs, *config.seal.interval, stop.clone());
        tasks.spawn(async move { sealing.await.context("sealer") });
    }
    start_alerts(&mut tasks, &chassis, &log, proofs, &config, &stop)?;
    start_retention(&mut tasks, &log, &config, &stop);
    let stopping = stop.clone();
    tasks.spawn(async move { erasure::run(eraser, stopping).await.context("erasures") });
    let stopping = stop.clone();
    tasks.spawn(async move { purge::run(purger, stopping).await.context("purges") });
    let stopping = stop.clone();
    tasks.spawn(async move { replay::run(replays, stopping).await.context("replays") });
    let (interval, stopping) = (*config.health.interval, stop.clone());
    tasks.spawn(async move { health::run(chassis, log, bus, interval, stopping).await.context("health") });
    join_all(tasks, &stop).await
}

/// Starts telling people what they must know.
fn start_alerts(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    chassis: &Chassis,
    log: &EventLog,
    proofs: Option<Proofs>,
    config: &Config,
    stop: &Shutdown,
) -> anyhow::Result<()> {
    let (alerts, credentials, settings) = (log.alerts().clone(), log.credentials().clone(), config.alerts.when.clone());
    let watcher = Watcher::new(chassis, Facts { alerts, credentials, proofs, settings }, config.alerts.clone()).context("alerts")?;
    let (interval, stopping) = (*config.alerts.interval, stop.clone());
    tasks.spawn(async move { watcher.run(interval, stopping).await.context("alerts") });
    Ok(())
}

/// Starts deleting what is kept for a limited time only.
fn start_retention(tasks: &mut JoinSet<anyhow::Result<()>>, log: &EventLog, config: &Config, stop: &Shutdown) {
    let (answers, keep, every, stopping) = (log.answers().clone(), config.access.retention, *config.access.interval, stop.clone());
    let accesses = move || {
        let answers = answers.clone();
        async move { answers.forget_accesses(keep).await }
    };
    tasks.spawn(async move { retention::run("accesses", every, accesses, stopping).await.context("access log") });
    let (replays, keep, every, stopping) =
        (log.replays().clone(), config.replay.retention, *config.replay.retention_interval, stop.clone());
    let old_replays = move || {
        let replays = replays.clone();
        async move { replays.forget(keep).await }
    };
    tasks.spawn(async move { retention::run("replays", every, old_replays, stopping).await.context("old replays") });
    let (alerts, keep, every, stopping) = (log.alerts().clone(), config.alerts.retention, *config.alerts.retention_interval, stop.clone());
    let old_alerts = move || {
        let alerts = alerts.clone();
        async move { alerts.forget(keep).await }
    };
    tasks.spawn(async move { retention::run("alerts", every, old_alerts, stopping).await.context("old alerts") });
}
