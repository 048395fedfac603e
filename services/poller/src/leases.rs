//! Which locations this replica looks after: it leases its share of them, works on those it holds, and gives back what exceeds its share.
//!
//! Only the holder of a location's lease spends its call budget and appends its observations. The holder alone takes its hints from the
//! bus, too; while nobody holds it, they wait there.
//!
//! - `work`: the work on a location while its lease is held

mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::LocationId;
use eventlog::{Lease, Turn};
use futures::future::join_all;

use self::work::Work;
use crate::app::candidate::Candidate;
use crate::app::mirroring;
use crate::context::Context;
use crate::look::connection::Connections;

struct Replica {
    context: Arc<Context>,
    transport: ghl::Transport,
    connections: Arc<Connections>,
    /// How the other replicas know this one.
    name: eventlog::Replica,
    is_known: bool,
    held: BTreeMap<LocationId, Work>,
    /// When the last turn that succeeded was asked for: the leases hold for `lease.ttl` from then.
    renewed_at: Instant,
    stop: Shutdown,
}

/// Takes turn after turn until it is time to stop, then gives all leases back.
pub(crate) async fn run(
    context: Arc<Context>,
    connections: Arc<Connections>,
    transport: ghl::Transport,
    stop: Shutdown,
) -> anyhow::Result<()> {
    let name = name(&context);
    let (is_known, held, renewed_at) = (false, BTreeMap::new(), Instant::now());
    let mut replica = Replica { context, transport, connections, name, is_known, held, renewed_at, stop };
    while !replica.stop.is_cancelled() {
        let asked_at = Instant::now();
        if let Err(error) = replica.turn(asked_at).await {
            tracing::warn!(%error, "leases could not be renewed");
        }
        let wait = replica.abort_or_wait(asked_at).await;
        sleep(&replica.stop, wait).await;
    }
    replica.leave().await;
    Ok(())
}

fn name(context: &Context) -> eventlog::Replica {
    let instance = format!("{:016x}", rand::random::<u64>());
    eventlog::Replica { instance, address: context.config.address(), ttl: context.config.lease.ttl }
}

impl Replica {
    /// Renews the leases, takes more or gives some back, and works on those that are held.
    async fn turn(&mut self, asked_at: Instant) -> anyhow::Result<()> {
        self.follow().await;
        let candidates = self.context.candidates.all();
        let ids: Vec<LocationId> =
            candidates.iter().filter(|(_, candidate)| !candidate.is_paused).map(|(location_id, _)| location_id.clone()).collect();
        let Some(Turn { held, share }) = self.ask(&ids).await? else {
            tracing::warn!("the other replicas have taken over from this one, which was away for too long");
            self.abort(|_| true).await;
            (self.name, self.is_known) = (name(&self.context), false);
            return Ok(());
        };
        (self.is_known, self.renewed_at) = (true, asked_at);
        let mut leases: BTreeMap<LocationId, Lease> = held.into_iter().map(|lease| (lease.location_id.clone(), lease)).collect();
        self.abort(|lease| leases.get(&lease.location_id) != Some(lease)).await;
        let mut surplus: Vec<Lease> = leases.extract_if(.., |id, _| !self.is_wanted(candidates.get(id))).map(|(_, lease)| lease).collect();
        surplus.extend(std::iter::from_fn(|| if leases.len() > share { leases.pop_last() } else { None }).map(|(_, lease)| lease));
        self.release(surplus).await;
        if self.until_expiry().is_zero() {
            return Ok(());
        }
        for (location_id, lease) in leases {
            if let Some(candidate) = candidates.get(&location_id).filter(|_| !self.held.contains_key(&location_id)) {
                tracing::info!(location.id = %location_id, lease.token = lease.token, "lease acquired");
                // A new client for each lease: its budget begins empty, whatever the holder before has spent.
                let client = candidate.access.client(&self.transport, &location_id);
                let work = Work::start(&self.context, &self.connections, candidate, client, lease, &self.stop);
                self.held.insert(location_id, work);
            }
        }
        Ok(())
    }

    /// Takes over what was decided about locations since the turn before. Where that cannot be known now, the turn goes on with what is known.
    async fn follow(&self) {
        let within = *self.context.config.lease.renew_interval;
        let followed = tokio::time::timeout(within, mirroring::follow(&self.context, &self.connections)).await;
        if let Err(error) = followed.unwrap_or_else(|_| Err(anyhow::anyhow!("the database has not answered in time"))) {
            tracing::warn!(%error, "what was decided about locations cannot be read, trying again with the next turn");
        }
    }

    /// Whether a location is worked on, and by the access that is to be used now.
    fn is_wanted(&self, candidate: Option<&Arc<Candidate>>) -> bool {
        let Some(candidate) = candidate.filter(|candidate| !candidate.is_paused) else { return false };
        self.held.get(&candidate.location.location_id).is_none_or(|work| work.access.is(&candidate.access))
    }

    /// Asks the database, for no longer than what is held is held.
    async fn ask(&self, candidates: &[LocationId]) -> anyhow::Result<Option<Turn>> {
        let leases = self.context.log.leases();
        let asking = async {
            if self.is_known { leases.turn(&self.name, candidates).await } else { leases.join(&self.name, candidates).await.map(Some) }
        };
        let patience = if self.held.is_empty() { self.name.ttl } else { self.until_expiry() };
        let answer = tokio::time::timeout(patience, asking).await;
        Ok(answer.map_err(|_| anyhow::anyhow!("the database has not answered in time"))??)
    }

    /// How long the work may still go on: by the lease's end, when another replica may take the location, all of it must be over.
    fn until_expiry(&self) -> Duration {
        let lease = &self.context.config.lease;
        lease.ttl.saturating_sub(*lease.renew_interval).saturating_sub(self.renewed_at.elapsed())
    }

    /// Aborts all work when its time is over, and says when the next turn is due. The leases stay this replica's in the database until
    /// another takes them: once the database answers again, the work goes on.
    async fn abort_or_wait(&mut self, asked_at: Instant) -> Duration {
        let next = self.context.config.lease.renew_interval.saturating_sub(asked_at.elapsed());
        let left = self.until_expiry();
        if left.is_zero() {
            self.abort(|_| true).await;
        }
        if self.held.is_empty() { next } else { next.min(left) }
    }

    /// Aborts the work on what is not held any more.
    async fn abort(&mut self, is_lost: impl Fn(&Lease) -> bool) {
        let mut lost: Vec<Work> = self.held.extract_if(.., |_, work| is_lost(&work.lease)).map(|(_, work)| work).collect();
        for work in &lost {
            tracing::warn!(location.id = %work.lease.location_id, "lease lost, work on the location is aborted");
        }
        join_all(lost.iter_mut().map(Work::abort)).await;
    }

    /// Finishes what is in hand at these locations, then gives their leases back.
    async fn release(&mut self, leases: Vec<Lease>) {
        if leases.is_empty() {
            return;
        }
        let within = *self.context.config.lease.renew_interval;
        let work: Vec<Work> = leases.iter().filter_map(|lease| self.held.remove(&lease.location_id)).collect();
        join_all(work.into_iter().map(|work| work.finish(within))).await;
        if let Err(error) = self.context.log.leases().release(&leases).await {
            tracing::debug!(%error, "leases could not be released; they are given back in the next turn, or once they have expired");
        }
    }

    async fn leave(mut self) {
        self.release(self.held.values().map(|work| work.lease.clone()).collect()).await;
        if let Err(error) = self.context.log.leases().leave(&self.name).await {
            tracing::debug!(%error, "this replica could not be signed off; the others take over once its leases have expired");
        }
    }
}
