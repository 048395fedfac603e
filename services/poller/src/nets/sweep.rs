//! What neither hints nor the watch can see: a complete pass over contacts, tasks and appointments, from which alone it is concluded that
//! something is gone, has come back or was merged into another; and the notes of everybody in turn.

use std::sync::Arc;
use std::time::Duration;

use chassis::Shutdown;
use domain::Net;
use eventlog::{NotesDue, Pass};
use jiff::{SignedDuration, Timestamp};

use crate::context::{Tools, rest};
use crate::look::connection::Connection;
use crate::look::fetch::{Ask, Parts, Question};
use crate::nets::compare::{Bulk, Errand, look_at};
use crate::nets::error::Trouble;
use crate::nets::pass::{Walked, conclude, finish, now, walk};

/// Passes again and again until it is time to stop. A pass that was stopped goes on where it was.
pub(crate) async fn run(tools: Arc<Tools>, connection: Arc<Connection>, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut attempt = 0;
    loop {
        tools.chassis.control().wait_while_paused(&shutdown).await;
        if !connection.wait_until_askable(&shutdown).await {
            return Ok(());
        }
        let pause = match turn(errand(&tools, &connection, &shutdown)).await {
            Ok(pause) => {
                attempt = 0;
                pause
            }
            Err(Trouble::Stopped) => return Ok(()),
            Err(trouble) => {
                attempt += 1;
                let delay = trouble.delay(&tools, &connection, attempt);
                tracing::warn!(location.id = %connection.location_id, %trouble, attempt, "sweep goes on later");
                delay
            }
        };
        if !rest(&shutdown, pause).await {
            return Ok(());
        }
    }
}

fn errand<'a>(tools: &'a Tools, connection: &'a Connection, shutdown: &'a Shutdown) -> Errand<'a> {
    Errand { tools, connection, shutdown, net: &Net::Sweep, in_flight_max: tools.config.sweep.contacts_in_flight_max }
}

/// Makes the passes that are due; says when to look again whether one is.
async fn turn(errand: Errand<'_>) -> Result<Duration, Trouble> {
    let Errand { tools, connection, .. } = errand;
    let settings = &tools.config.sweep;
    if tools.log.progress(&connection.location_id).await?.backfill.finished_at.is_none() {
        return Ok(settings.check_interval);
    }
    let mut pause = settings.check_interval;
    // Contacts first: who is gone takes everything along, and what was merged into another is found there afterwards.
    for bulk in Bulk::ALL {
        let pass = tools.log.pass(&connection.location_id, Net::Sweep.as_str(), bulk.kind()).await?;
        let since = match (pass.started_at, due_in(errand, bulk, &pass).await?) {
            (Some(since), _) => since,
            (None, Duration::ZERO) => now(),
            (None, later) => {
                pause = pause.min(later);
                continue;
            }
        };
        let span = tools.config.appointments.span();
        let walked = walk(errand, bulk, since, span).await?;
        if let Walked::Complete(complete) = &walked {
            conclude(errand, bulk, complete, span).await?;
        }
        finish(errand, bulk, &walked).await?;
    }
    Ok(pause)
}

/// How long until the next pass; the first one counts from the backfill. One that broke off is tried again sooner.
async fn due_in(errand: Errand<'_>, bulk: Bulk, pass: &Pass) -> Result<Duration, Trouble> {
    let settings = &errand.tools.config.sweep;
    let (last, complete) = match pass.ended_at {
        Some(ended) => (Some(ended), pass.complete_at == Some(ended)),
        None => (errand.tools.log.pass(&errand.connection.location_id, Net::Backfill.as_str(), bulk.kind()).await?.ended_at, true),
    };
    let interval = if complete { settings.interval } else { settings.interval.min(settings.broken_off_pause) };
    Ok(last.map_or(Duration::ZERO, |last| left_of(interval, last)))
}

fn left_of(interval: Duration, since: Timestamp) -> Duration {
    let elapsed = Duration::try_from(Timestamp::now().duration_since(since)).unwrap_or_default();
    interval.saturating_sub(elapsed)
}

/// Looks at everybody's notes in turn, those first that waited longest, at the pace that sees all of them within the configured time.
pub(crate) async fn rotate_notes(tools: Arc<Tools>, connection: Arc<Connection>, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut attempt = 0;
    let mut after = None;
    loop {
        tools.chassis.control().wait_while_paused(&shutdown).await;
        if !connection.wait_until_askable(&shutdown).await {
            return Ok(());
        }
        let pause = match look_at_notes(errand(&tools, &connection, &shutdown), &mut after).await {
            Ok(()) => {
                attempt = 0;
                tools.config.sweep.notes_interval
            }
            Err(Trouble::Stopped) => return Ok(()),
            Err(trouble) => {
                attempt += 1;
                let delay = trouble.delay(&tools, &connection, attempt);
                tracing::warn!(location.id = %connection.location_id, %trouble, attempt, "notes are looked at later");
                delay
            }
        };
        if !rest(&shutdown, pause).await {
            return Ok(());
        }
    }
}

/// One turn of the rotation. It goes on behind the one before, so that a contact whose notes cannot be read holds up nobody.
async fn look_at_notes(errand: Errand<'_>, after: &mut Option<NotesDue>) -> Result<(), Trouble> {
    let Errand { tools, connection, .. } = errand;
    let settings = &tools.config.sweep;
    if tools.log.progress(&connection.location_id).await?.backfill.finished_at.is_none() {
        return Ok(());
    }
    let contacts = tools.log.contacts_present(&connection.location_id).await?;
    let limit = turn_size(contacts, settings.notes_interval, settings.notes_within);
    // Those seen within the last tenth of the time can wait, however few there are.
    let age_min = SignedDuration::try_from(settings.notes_within / 10).unwrap_or_default();
    let before = Timestamp::now().checked_sub(age_min).unwrap_or(Timestamp::MIN);
    let due = tools.log.notes_due(&connection.location_id, before, after.as_ref(), limit).await?;
    *after = if due.len() < limit as usize { None } else { due.last().cloned() };
    let question = |due: NotesDue| Question {
        contact_id: due.contact_id,
        contact: Ask::Nothing,
        parts: Parts::NOTES,
        net: Net::Sweep,
        traceparent: chassis::trace::traceparent(),
    };
    look_at(errand, due.into_iter().map(question).collect()).await
}

/// How many contacts a turn takes, so that all have had theirs within the given time.
fn turn_size(contacts: u64, interval: Duration, within: Duration) -> u32 {
    let part = interval.as_secs_f64() / within.as_secs_f64().max(f64::MIN_POSITIVE);
    let size = (u32::try_from(contacts).map_or(4_294_967_295.0, f64::from) * part.min(1.0)).ceil();
    // A saturating cast: what is more than fits is as many as fit.
    (size as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_as_large_as_the_time_asks_for() {
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
        assert_eq!(turn_size(0, minute, day), 1);
        assert_eq!(turn_size(100, minute, day), 1);
        assert_eq!(turn_size(1_000_000, minute, day), 695);
        assert_eq!(turn_size(10, day, minute), 10, "never more than there are");
    }
}
