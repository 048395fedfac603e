//! Which locations this replica looks after: it takes its part of their leases, works on those it holds, and gives back what is more.
//!
//! A location's calls are spent, and its observations appended, by the holder of its lease alone. Hints of a location are taken from the
//! bus by its holder too; while nobody holds it they wait there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use chassis::Shutdown;
use domain::LocationId;
use eventlog::Lease;
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::app::candidate::Candidate;
use crate::context::rest;
use crate::look::append::Appender;
use crate::look::connection::Connection;
use crate::look::names::NameBook;
use crate::nets::compare::Bulk;
use crate::nets::{backfill, hints, sweep, watch};
use crate::source::answers;
use crate::{Poller, blame, spawn};

/// One location while it is held, and the tasks that work on it.
struct Tenure {
    connection: Arc<Connection>,
    tasks: JoinSet<(&'static str, anyhow::Result<()>)>,
}

/// Takes and renews leases until it is time to stop, then gives all of them back.
pub(crate) async fn run(poller: Arc<Poller>, shutdown: Shutdown) -> anyhow::Result<()> {
    let settings = &poller.tools.config.lease;
    let mut tenures = BTreeMap::new();
    let mut renewed_at = Instant::now();
    let mut outcome = Ok(());
    while !shutdown.is_cancelled() {
        let asked_at = Instant::now();
        match turn(&poller, &mut tenures, &shutdown).await {
            Ok(()) => renewed_at = asked_at,
            Err(error) => tracing::warn!(%error, "leases are not renewed"),
        }
        // Another replica may take them from then on; what is being asked must be over by that time.
        if renewed_at.elapsed() + settings.renew_interval >= settings.ttl {
            let all = std::mem::take(&mut tenures).into_values();
            futures::future::join_all(all.map(|tenure| abandon(&poller, tenure))).await;
        }
        outcome = tenures.values_mut().try_for_each(|tenure| tenure.tasks.try_join_next().map_or(Ok(()), blame));
        if outcome.is_err() || !rest(&shutdown, settings.renew_interval).await {
            break;
        }
    }
    futures::future::join_all(tenures.into_values().map(|tenure| end(&poller, tenure))).await;
    if let Err(error) = poller.tools.log.leave(&poller.instance).await {
        tracing::debug!(%error, "the other replicas notice later that this one is gone");
    }
    outcome
}

async fn turn(poller: &Arc<Poller>, tenures: &mut BTreeMap<LocationId, Tenure>, shutdown: &Shutdown) -> eventlog::Result<()> {
    let (log, settings) = (&poller.tools.log, &poller.tools.config.lease);
    let replicas = log.attend(&poller.instance, &poller.tools.config.address(), settings.ttl).await?;
    let leases: Vec<Lease> = tenures.values().map(|tenure| tenure.connection.lease.clone()).collect();
    let held = log.renew(&leases, settings.ttl).await?;
    for (location_id, tenure) in std::mem::take(tenures) {
        if held.contains(&location_id) {
            tenures.insert(location_id, tenure);
        } else {
            abandon(poller, tenure).await;
        }
    }
    let candidates = poller.tools.candidates();
    let part = part_of(candidates.len(), replicas);
    let mut surplus: Vec<Tenure> =
        tenures.extract_if(.., |location_id, _| !candidates.contains_key(location_id)).map(|(_, gone)| gone).collect();
    surplus.extend(std::iter::from_fn(|| if tenures.len() > part { tenures.pop_last() } else { None }).map(|(_, more)| more));
    futures::future::join_all(surplus.into_iter().map(|tenure| end(poller, tenure))).await;
    for (location_id, location) in &candidates {
        if tenures.len() >= part || shutdown.is_cancelled() {
            break;
        }
        if tenures.contains_key(location_id) {
            continue;
        }
        if let Some(lease) = log.lease(location_id, &poller.instance, settings.ttl).await? {
            tracing::info!(location.id = %location_id, lease.token = lease.token, "location is looked after here");
            tenures.insert(location_id.clone(), begin(poller, location, lease, shutdown));
        }
    }
    show(poller, tenures).await
}

/// Lets people see what is held, how its calls are spent and when backfills will be done.
async fn show(poller: &Poller, tenures: &BTreeMap<LocationId, Tenure>) -> eventlog::Result<()> {
    let (tools, now) = (&poller.tools, Timestamp::now());
    let mut done = None;
    for (location_id, tenure) in tenures {
        tools.metrics.budget(location_id, &tenure.connection.client.spending());
        done = done.max(answers::done_at(&tools.log.progress(location_id).await?.backfill, now));
    }
    let control = tools.chassis.control();
    control.set_figure("locations_held", tenures.len());
    control.set_figure("backfills_done_at", done.map_or_else(String::new, |done| format!("{done:.0}")));
    Ok(())
}

/// How many locations a replica takes, so that together they take all.
fn part_of(locations: usize, replicas: u64) -> usize {
    locations.div_ceil(usize::try_from(replicas).unwrap_or(usize::MAX).max(1))
}

fn begin(poller: &Arc<Poller>, location: &Candidate, lease: Lease, shutdown: &Shutdown) -> Tenure {
    let tools = &poller.tools;
    let stop = shutdown.child_token();
    // A new client for each tenure: its budget begins empty, whatever the holder before has spent.
    let client = location.client(&poller.transport);
    let appender = Appender::start(Arc::clone(tools), lease.clone());
    let names = NameBook::new(tools.config.names.clone());
    let connection = Arc::new(Connection::new(&location.known, client, names, appender, lease, stop.clone()));
    let mut tasks = JoinSet::new();
    for bulk in Bulk::ALL {
        spawn(&mut tasks, "watch", watch::run(Arc::clone(tools), Arc::clone(&connection), bulk, stop.clone()));
    }
    spawn(&mut tasks, "sweep", sweep::run(Arc::clone(tools), Arc::clone(&connection), stop.clone()));
    spawn(&mut tasks, "notes", sweep::rotate_notes(Arc::clone(tools), Arc::clone(&connection), stop.clone()));
    spawn(&mut tasks, "backfill", backfill::run(Arc::clone(tools), Arc::clone(&connection), stop.clone()));
    spawn(&mut tasks, "hints", hints::consume(Arc::clone(tools), Arc::clone(&connection), stop));
    poller.hold(Arc::clone(&connection));
    Tenure { connection, tasks }
}

/// Finishes what is in hand, then gives the lease back.
async fn end(poller: &Poller, mut tenure: Tenure) {
    let location_id = &tenure.connection.location_id;
    poller.let_go(location_id);
    poller.tools.show_token(location_id, false);
    tenure.connection.stop.cancel();
    let finished = async { while tenure.tasks.join_next().await.is_some() {} };
    // The lease is not renewed meanwhile: what takes longer than it lasts is broken off.
    let in_time = tokio::time::timeout(poller.tools.config.lease.renew_interval, finished).await;
    if in_time.is_err() {
        tenure.tasks.shutdown().await;
    }
    if let Err(error) = poller.tools.log.release(&tenure.connection.lease).await.context("releasing a lease") {
        tracing::debug!(location.id = %location_id, %error, "another replica takes over once the lease has expired");
    }
}

/// Breaks off what is in hand: another replica may be at it already.
async fn abandon(poller: &Poller, mut tenure: Tenure) {
    tracing::warn!(location.id = %tenure.connection.location_id, "location is not looked after here any more");
    poller.let_go(&tenure.connection.location_id);
    poller.tools.show_token(&tenure.connection.location_id, false);
    tenure.connection.stop.cancel();
    tenure.tasks.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_the_replicas_take_all_locations() {
        for (locations, replicas, part) in [(0, 3, 0), (1, 3, 1), (7, 3, 3), (9, 3, 3), (5, 0, 5)] {
            assert_eq!(part_of(locations, replicas), part);
        }
    }
}
