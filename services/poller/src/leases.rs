//! Which locations this replica looks after: it leases its share of them, works on those it holds, and gives back what exceeds its share.
//!
//! Only the holder of a location's lease spends its call budget and appends its observations. The holder alone takes its hints from the
//! bus, too; while nobody holds it, they wait there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::LocationId;
use eventlog::Lease;
use futures::future::join_all;
use jiff::Timestamp;

use crate::app::candidate::Candidate;
use crate::context::Context;
use crate::look::append::Appender;
use crate::look::connection::{Connection, Connections};
use crate::look::names::NameCache;
use crate::nets::{self, backfill};
use crate::tasks::{Tasks, outcome};

/// A location while its lease is held, and the tasks that work on it.
struct HeldLocation {
    connection: Arc<Connection>,
    tasks: Tasks,
}

struct Replica {
    context: Arc<Context>,
    transport: ghl::Transport,
    /// How the other replicas know this one.
    instance: String,
    connections: Arc<Connections>,
}

/// Takes and renews leases until it is time to stop, then gives all of them back.
pub(crate) async fn run(
    context: Arc<Context>,
    connections: Arc<Connections>,
    transport: ghl::Transport,
    stop: Shutdown,
) -> anyhow::Result<()> {
    let replica = Replica { context, transport, instance: format!("{:016x}", rand::random::<u64>()), connections };
    let settings = &replica.context.config.lease;
    let mut held = BTreeMap::new();
    let mut renewed_at = Instant::now();
    let mut ended = Ok(());
    while !stop.is_cancelled() {
        let asked_at = Instant::now();
        match replica.renew_and_share(&mut held, &stop).await {
            Ok(()) => renewed_at = asked_at,
            Err(error) => tracing::warn!(%error, "leases could not be renewed"),
        }
        // After the lease's end another replica may take the location: all work on it must be over by then.
        if renewed_at.elapsed() + *settings.renew_interval >= settings.ttl {
            join_all(std::mem::take(&mut held).into_values().map(|location| replica.abandon(location))).await;
        }
        ended = held.values_mut().try_for_each(|location| location.tasks.try_join_next().map_or(Ok(()), outcome));
        if ended.is_err() || !sleep(&stop, *settings.renew_interval).await {
            break;
        }
    }
    join_all(held.into_values().map(|location| replica.release(location))).await;
    if let Err(error) = replica.context.log.leases().leave(&replica.instance).await {
        tracing::debug!(%error, "this replica could not be signed off; the others take over once its leases have expired");
    }
    ended
}

impl Replica {
    async fn renew_and_share(&self, held: &mut BTreeMap<LocationId, HeldLocation>, stop: &Shutdown) -> eventlog::Result<()> {
        let (leases, ttl) = (self.context.log.leases(), self.context.config.lease.ttl);
        let replicas = leases.heartbeat(&self.instance, &self.context.config.address(), ttl).await?;
        let ours: Vec<Lease> = held.values().map(|location| location.connection.lease.clone()).collect();
        let renewed = leases.renew(&ours, ttl).await?;
        for (_, lost) in held.extract_if(.., |location_id, _| !renewed.contains(location_id)).collect::<Vec<_>>() {
            self.abandon(lost).await;
        }
        let candidates = self.context.candidates.all();
        let share = share_of(candidates.len(), replicas);
        let mut surplus: Vec<HeldLocation> =
            held.extract_if(.., |location_id, _| !candidates.contains_key(location_id)).map(|(_, gone)| gone).collect();
        surplus.extend(std::iter::from_fn(|| if held.len() > share { held.pop_last() } else { None }).map(|(_, more)| more));
        join_all(surplus.into_iter().map(|location| self.release(location))).await;
        for (location_id, candidate) in &candidates {
            if held.len() >= share || stop.is_cancelled() {
                break;
            }
            if held.contains_key(location_id) {
                continue;
            }
            if let Some(lease) = leases.acquire(location_id, &self.instance, ttl).await? {
                tracing::info!(location.id = %location_id, lease.token = lease.token, "lease acquired");
                held.insert(location_id.clone(), self.start(candidate, lease, stop));
            }
        }
        self.show(held).await
    }

    /// Shows how many locations are held, how their calls are spent and when backfills will be done.
    async fn show(&self, held: &BTreeMap<LocationId, HeldLocation>) -> eventlog::Result<()> {
        let (context, now) = (&self.context, Timestamp::now());
        let mut done = None;
        for (location_id, location) in held {
            context.metrics.budget(location_id, &location.connection.client.spending());
            done = done.max(backfill::done_at(&context.log.passes().progress(location_id).await?.backfill, now));
        }
        let control = context.chassis.control();
        control.set_figure("locations_held", held.len());
        control.set_figure("backfills_done_at", done.map_or_else(String::new, |done| format!("{done:.0}")));
        Ok(())
    }

    fn start(&self, candidate: &Candidate, lease: Lease, stop: &Shutdown) -> HeldLocation {
        let context = &self.context;
        let stop = stop.child_token();
        // A new client for each lease: its budget begins empty, whatever the holder before has spent.
        let client = candidate.client(&self.transport);
        let appender = Appender::start(context, lease.clone());
        let names = NameCache::new(context.config.names.clone());
        let connection = Arc::new(Connection::new(&candidate.location, client, names, appender, lease, stop));
        let mut tasks = Tasks::new();
        nets::start(&mut tasks, context, &connection);
        self.connections.insert(Arc::clone(&connection));
        HeldLocation { connection, tasks }
    }

    /// Finishes what is in hand, then gives the lease back.
    async fn release(&self, mut location: HeldLocation) {
        let location_id = &location.connection.location_id;
        self.connections.remove(location_id);
        self.context.problems.token_accepted(location_id);
        location.connection.stop.cancel();
        let finished = async { while location.tasks.join_next().await.is_some() {} };
        // The lease is not renewed meanwhile: what does not finish within its time is aborted.
        let in_time = tokio::time::timeout(*self.context.config.lease.renew_interval, finished).await;
        if in_time.is_err() {
            location.tasks.shutdown().await;
        }
        if let Err(error) = self.context.log.leases().release(&location.connection.lease).await.context("releasing a lease") {
            tracing::debug!(location.id = %location_id, %error, "lease could not be released; another replica takes over once it has expired");
        }
    }

    /// Aborts what is in hand: another replica may already be working on the location.
    async fn abandon(&self, mut location: HeldLocation) {
        let location_id = &location.connection.location_id;
        tracing::warn!(location.id = %location_id, "lease lost, work on the location is aborted");
        self.connections.remove(location_id);
        self.context.problems.token_accepted(location_id);
        location.connection.stop.cancel();
        location.tasks.shutdown().await;
    }
}

/// How many locations a replica takes, so that together the replicas take all.
fn share_of(locations: usize, replicas: u64) -> usize {
    locations.div_ceil(usize::try_from(replicas).unwrap_or(usize::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_the_replicas_take_all_locations() {
        for (locations, replicas, share) in [(0, 3, 0), (1, 3, 1), (7, 3, 3), (9, 3, 3), (5, 0, 5)] {
            assert_eq!(share_of(locations, replicas), share);
        }
    }
}
