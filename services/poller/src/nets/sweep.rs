//! Finds what neither hints nor the watch can see, by complete passes over contacts, tasks and appointments. Only such a pass proves that
//! something is gone, has come back or was merged into another.

use std::time::Duration;

use domain::Net;
use eventlog::Pass;
use jiff::Timestamp;

use crate::context::Context;
use crate::look::connection::Connection;
use crate::nets::conclude::show;
use crate::nets::error::Result;
use crate::nets::pass::{PassEnd, end, look_at_missing, now, pause_after, stay_open, walk};
use crate::nets::scope::{ListKind, Rounds, Scope};

/// Makes pass after pass until it is time to stop. A pass that was interrupted is resumed.
pub(crate) async fn run(context: &Context, connection: &Connection) -> anyhow::Result<()> {
    let scope =
        Scope { context, connection, net: &Net::Sweep, in_flight_max: context.config.sweep.contacts_in_flight_max.get(), found: None };
    let mut rounds = Rounds::new(scope, "the sweep", None);
    while rounds.begin().await {
        let turn = connection.sweeping.lock().await;
        let round = tokio::select! {
            biased;
            // What it has open is resumed when the person's request is done.
            () = connection.sweep_gives_way.notified() => Ok(Duration::ZERO),
            round = sweep(scope) => round,
        };
        drop(turn);
        rounds.end(round).await;
    }
    Ok(())
}

/// Makes the passes that are due; one that fails or is refused holds up no other, but for that of contacts. Returns how long to wait before checking again.
async fn sweep(scope: Scope<'_>) -> Result<Duration> {
    let Scope { context, connection, .. } = scope;
    let (mut pause, mut failed) = (*context.config.sweep.check_interval, None);
    let vanishing = context.log.known().vanishing(&connection.location_id).await?;
    show(context, &connection.location_id, &vanishing);
    for kind in ListKind::ALL {
        if !scope.is_backfilled(kind).await? {
            continue;
        }
        let pass = context.log.passes().get(&connection.location_id, Net::Sweep.as_str(), kind.record_kind()).await?;
        // What was held back vanishes in a pass that begins after the release.
        let is_after_release =
            |at: Option<Timestamp>| vanishing.released_at.is_none_or(|released_at| at.is_some_and(|at| at > released_at));
        let due_in = if is_after_release(pass.started_at.or(pass.ended_at)) { due_in(scope, kind, &pass).await? } else { Duration::ZERO };
        let since = match (pass.started_at.filter(|at| is_after_release(Some(*at))), due_in) {
            (Some(since), Duration::ZERO) => since,
            (None, Duration::ZERO) => now(),
            (_, later) => {
                pause = pause.min(later);
                continue;
            }
        };
        match sweep_kind(scope, kind, since).await {
            Ok(()) => {}
            Err(error) if kind != ListKind::Contacts && error.concerns_kind() => failed = failed.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    failed.map_or(Ok(pause), Err)
}

async fn sweep_kind(scope: Scope<'_>, kind: ListKind, since: Timestamp) -> Result<()> {
    let range = scope.context.config.appointments.range(since);
    match walk(scope, kind, since, range).await? {
        PassEnd::BrokenOff(why) => stay_open(scope, kind, why).await,
        ended @ (PassEnd::Complete(_) | PassEnd::Unreadable | PassEnd::Superseded) => {
            if let PassEnd::Complete(complete) = &ended {
                look_at_missing(scope, kind, complete, range).await?;
            }
            end(scope, kind, &ended).await
        }
    }
}

/// How long until the next pass is due, or another try of one that broke off. For the first one the time counts from the backfill; after
/// one with rows that could not be read it is shorter.
async fn due_in(scope: Scope<'_>, kind: ListKind, pass: &Pass) -> Result<Duration> {
    let settings = &scope.context.config.sweep;
    if pass.started_at.is_some() {
        return Ok(pause_after(pass, *settings.broken_off_pause, *settings.interval));
    }
    let (last, complete) = match pass.ended_at {
        Some(ended) => (Some(ended), pass.complete_at == Some(ended)),
        None => (
            scope.context.log.passes().get(&scope.connection.location_id, Net::Backfill.as_str(), kind.record_kind()).await?.ended_at,
            true,
        ),
    };
    let interval = if complete { settings.interval } else { settings.interval.min(settings.broken_off_pause) };
    Ok(last.map_or(Duration::ZERO, |last| left_of(*interval, last)))
}

fn left_of(interval: Duration, since: Timestamp) -> Duration {
    let elapsed = Duration::try_from(Timestamp::now().duration_since(since)).unwrap_or_default();
    interval.saturating_sub(elapsed)
}
