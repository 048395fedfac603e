//! The first complete look at a location, page by page, resumed where it stopped. It is repeated when hints may have been lost.

use std::time::Duration;

use domain::Net;
use eventlog::{Backfill, Pass};
use jiff::Timestamp;

use crate::context::Context;
use crate::look::connection::Connection;
use crate::nets::error::Result;
use crate::nets::pass::{PassEnd, end, look_at_missing, now, pause_after, stay_open, walk};
use crate::nets::scope::{ListKind, Rounds, Scope};

/// Runs a backfill whenever one is wanted, until it is time to stop.
pub(crate) async fn run(context: &Context, connection: &Connection) -> anyhow::Result<()> {
    let settings = &context.config.backfill;
    let scope = Scope { context, connection, net: &Net::Backfill, in_flight_max: settings.contacts_in_flight_max.get(), found: None };
    let mut rounds = Rounds::new(scope, "the backfill", Some(&connection.backfill_wanted));
    while rounds.begin().await {
        let round = fill(scope).await;
        rounds.end(round).await;
    }
    Ok(())
}

/// When a running backfill will have seen every contact, estimated from its pace so far.
pub(crate) fn done_at(backfill: &Backfill, now: Timestamp) -> Option<Timestamp> {
    let (started_at, total) = (backfill.started_at?, backfill.total?);
    if backfill.finished_at.is_some() || backfill.seen == 0 {
        return None;
    }
    let small = |count: u64| u32::try_from(count).map_or(4_294_967_295.0, f64::from);
    let elapsed = Duration::try_from(now.duration_since(started_at)).ok()?;
    let left = elapsed.mul_f64(small(total.saturating_sub(backfill.seen)) / small(backfill.seen));
    now.checked_add(left).ok()
}

/// Resumes the backfill where it stopped; does nothing when it is complete. A kind whose list breaks off, fails or is refused stays open
/// and holds up no other, but for contacts, to which
/// all others belong. Returns how long to wait before going on.
async fn fill(scope: Scope<'_>) -> Result<Duration> {
    let Scope { context, connection, .. } = scope;
    let settings = &context.config.backfill;
    let backfill = context.log.passes().progress(&connection.location_id).await?.backfill;
    context.metrics.backfill(&connection.location_id, backfill.seen, backfill.total);
    if backfill.finished_at.is_some() {
        return Ok(*settings.check_interval);
    }
    let since = match backfill.started_at {
        Some(since) => since,
        None => {
            let since = now();
            connection.change_progress(context.log.passes(), |progress| progress.backfill.started_at = Some(since)).await?;
            since
        }
    };
    tracing::info!(location.id = %connection.location_id, seen = backfill.seen, "backfill started");
    let (mut open, mut failed) = (None, None);
    for kind in ListKind::ALL {
        match fill_kind(scope, kind, since).await {
            Ok(Filled::Done) => {}
            Ok(Filled::Open(pause)) => open = Some(open.map_or(pause, |open: Duration| open.min(pause))),
            Ok(Filled::Superseded) => return Ok(*settings.check_interval),
            Err(error) if kind != ListKind::Contacts && error.concerns_kind() => failed = failed.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    match open {
        Some(pause) => Ok(pause.min(*settings.check_interval)),
        None => finish(scope, since).await.map(|()| *settings.check_interval),
    }
}

enum Filled {
    Done,
    /// It broke off, and is tried again after so long.
    Open(Duration),
    Superseded,
}

async fn fill_kind(scope: Scope<'_>, kind: ListKind, since: Timestamp) -> Result<Filled> {
    let Scope { context, connection, .. } = scope;
    let settings = &context.config.backfill;
    let pass = async || context.log.passes().get(&connection.location_id, scope.net.as_str(), kind.record_kind()).await;
    let pause = |pass: &Pass| pause_after(pass, *settings.broken_off_pause, *settings.broken_off_pause_max);
    let last = pass().await?;
    if last.started_at.is_none() && last.ended_at.is_some_and(|ended| ended >= since) {
        return Ok(Filled::Done);
    }
    if last.started_at == Some(since) && !pause(&last).is_zero() {
        return Ok(Filled::Open(pause(&last)));
    }
    let range = context.config.appointments.range(since);
    let ended = walk(scope, kind, since, range).await?;
    match &ended {
        PassEnd::Complete(complete) => look_at_missing(scope, kind, complete, range).await?,
        PassEnd::Unreadable => {}
        PassEnd::BrokenOff(why) => {
            stay_open(scope, kind, *why).await?;
            return Ok(Filled::Open(pause(&pass().await?)));
        }
        PassEnd::Superseded => return Ok(Filled::Superseded),
    }
    end(scope, kind, &ended).await?;
    Ok(Filled::Done)
}

/// Saves that the backfill is complete, unless a new one was requested meanwhile.
async fn finish(scope: Scope<'_>, since: Timestamp) -> Result<()> {
    let Scope { context, connection, .. } = scope;
    let finished_at = now();
    let progress = connection
        .change_progress(context.log.passes(), |progress| {
            if progress.backfill.started_at == Some(since) {
                progress.backfill.finished_at = Some(finished_at);
            }
        })
        .await?;
    if progress.backfill.finished_at == Some(finished_at) {
        tracing::info!(location.id = %connection.location_id, seen = progress.backfill.seen, "backfill completed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_backfill_is_estimated_from_its_pace_so_far() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let backfill = Backfill { seen: 100, total: Some(400), started_at: Some(at(0)), ..Backfill::default() };
        assert_eq!(done_at(&backfill, at(60)), Some(at(240)));
        assert_eq!(done_at(&Backfill { seen: 0, ..backfill.clone() }, at(60)), None);
        assert_eq!(done_at(&Backfill { total: None, ..backfill.clone() }, at(60)), None);
        assert_eq!(done_at(&Backfill { finished_at: Some(at(50)), ..backfill }, at(60)), None);
    }
}
