//! Follows a list to its end, and saves how far it has come.

use std::collections::HashSet;
use std::time::Duration;

use chassis::tasks::sleep;
use eventlog::{BrokenOff, Pass};
use jiff::Timestamp;

use crate::config::AppointmentRange;
use crate::nets::error::{Error, Result};
use crate::nets::pass::page::{Page, page_of_contacts, page_of_tasks};
use crate::nets::pass::window::window_of_appointments;
use crate::nets::scope::{ListKind, Scope};

/// How a pass ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PassEnd {
    Complete(Complete),
    /// The list was followed to its end, but a row could not be read: what it did not show may still exist.
    Unreadable,
    /// The list could not be followed to its end.
    BrokenOff(Why),
    /// A new pass was requested meanwhile and replaces it.
    Superseded,
}

/// Why a list could not be followed to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Empty pages where more rows should follow.
    EmptyPages,
    /// The cursor repeats: the list loops.
    CursorRepeats,
    /// It is longer than `sweep.pages_max`.
    TooManyPages,
}

impl Why {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::EmptyPages => "empty_pages",
            Self::CursorRepeats => "cursor_repeats",
            Self::TooManyPages => "too_many_pages",
        }
    }
}

/// Proof that a list was followed from its beginning to its end. Only `walk` makes one: without it nothing counts as missing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complete {
    /// When its first page was asked for: whatever exists has been seen since.
    pub(super) since: Timestamp,
}

/// Follows a list from where the pass stopped, or begins a pass at `since`. The caller ends the pass with `end`, or leaves it open with
/// `stay_open`.
pub(crate) async fn walk(scope: Scope<'_>, kind: ListKind, since: Timestamp, range: AppointmentRange) -> Result<PassEnd> {
    let Scope { context, connection, .. } = scope;
    let settings = &context.config.sweep;
    let mut pass = context.log.passes().get(&connection.location_id, scope.net.as_str(), kind.record_kind()).await?;
    if pass.started_at != Some(since) {
        pass = Pass { started_at: Some(since), cursor: None, seen: 0, total: None, has_unreadable: false, broken_off: None, ..pass };
        save(scope, kind, &pass).await?;
    }
    let (mut empty_pages, mut cursors) = (0, HashSet::new());
    for _ in 0..settings.pages_max {
        context.chassis.control().wait_while_paused(scope.stop()).await;
        if !connection.wait_until_askable(scope.stop()).await {
            return Err(Error::Stopped);
        }
        let in_hand = context.chassis.control().in_hand();
        let page = page(scope, kind, &pass, since, range).await?;
        drop(in_hand);
        pass.has_unreadable |= !page.whole;
        pass.seen += page.seen;
        // A total of zero counts only if no page had rows.
        pass.total = page.total.filter(|total| *total > 0 || pass.seen == 0).or(pass.total);
        match page.next {
            Some(next) if cursors.insert(next.to_string()) => {
                (pass.cursor, empty_pages) = (Some(next), 0);
                if !save(scope, kind, &pass).await? {
                    return Ok(PassEnd::Superseded);
                }
            }
            Some(_) => return Ok(PassEnd::BrokenOff(Why::CursorRepeats)),
            None if pass.total.is_none_or(|total| pass.seen >= total) => {
                return Ok(if pass.has_unreadable { PassEnd::Unreadable } else { PassEnd::Complete(Complete { since }) });
            }
            // The page is empty though more rows should follow: it is requested again.
            None if empty_pages < settings.empty_pages_max => {
                empty_pages += 1;
                if !sleep(scope.stop(), settings.empty_page_pause).await {
                    return Err(Error::Stopped);
                }
            }
            None => return Ok(PassEnd::BrokenOff(Why::EmptyPages)),
        }
    }
    Ok(PassEnd::BrokenOff(Why::TooManyPages))
}

#[tracing::instrument(name = "page", skip_all, fields(location.id = %scope.connection.location_id, net = scope.net.as_str(), record.kind = %kind.record_kind(), seen = pass.seen))]
async fn page(scope: Scope<'_>, kind: ListKind, pass: &Pass, since: Timestamp, range: AppointmentRange) -> Result<Page> {
    match kind {
        ListKind::Contacts => page_of_contacts(scope, pass).await,
        ListKind::Tasks => page_of_tasks(scope, pass).await,
        ListKind::Appointments => window_of_appointments(scope, pass, since, range).await,
    }
}

/// Saves the progress of a pass; false when a new one was requested meanwhile. A backfill's progress is also saved for the status.
async fn save(scope: Scope<'_>, kind: ListKind, pass: &Pass) -> Result<bool> {
    let Scope { context, connection, .. } = scope;
    context.log.passes().save(&connection.location_id, scope.net.as_str(), kind.record_kind(), pass).await?;
    if !scope.is_backfill() || kind != ListKind::Contacts {
        return Ok(true);
    }
    let mut is_current = true;
    let (cursor, seen, total) = (pass.cursor.clone(), pass.seen, pass.total);
    connection
        .change_progress(context.log.passes(), |progress| {
            is_current = progress.backfill.started_at == pass.started_at;
            if is_current {
                (progress.backfill.cursor, progress.backfill.seen, progress.backfill.total) = (cursor, seen, total);
            }
        })
        .await?;
    context.metrics.backfill(&connection.location_id, seen, total);
    Ok(is_current)
}

/// Saves that a pass has ended.
pub(crate) async fn end(scope: Scope<'_>, kind: ListKind, ended: &PassEnd) -> Result<()> {
    let Scope { context, connection, net, .. } = scope;
    let (location_id, net, kind) = (&connection.location_id, net.as_str(), kind.record_kind());
    let mut pass = context.log.passes().get(location_id, net, kind).await?;
    let now = now();
    if let PassEnd::Complete(complete) = ended {
        (pass.complete_since, pass.complete_at) = (Some(complete.since), Some(now));
        context.metrics.complete(location_id, net, kind, complete.since);
    }
    (pass.started_at, pass.cursor, pass.ended_at, pass.broken_off) = (None, None, Some(now), None);
    context.log.passes().save(location_id, net, kind, &pass).await?;
    let outcome = match ended {
        PassEnd::Complete(_) => "complete",
        PassEnd::Unreadable => "unreadable",
        PassEnd::BrokenOff(_) => "broken_off",
        PassEnd::Superseded => "superseded",
    };
    context.metrics.pass(net, kind, outcome);
    context.metrics.broken_off(location_id, net, kind, 0);
    tracing::info!(location.id = %location_id, record.kind = %kind, net, outcome, seen = pass.seen, "pass ended");
    Ok(())
}

/// How often in a row an open pass is resumed at the page where it broke off, before it begins again.
const RESUMED_MAX: u32 = 3;

/// Leaves a pass open that broke off, for another try after `pause_after`. It is resumed at the page that was empty, where more rows should
/// follow; if that does not help or its cursors loop, it begins again. All that counts is seen since its beginning either way.
pub(crate) async fn stay_open(scope: Scope<'_>, kind: ListKind, why: Why) -> Result<()> {
    let Scope { context, connection, net, .. } = scope;
    let (location_id, net, record_kind) = (&connection.location_id, net.as_str(), kind.record_kind());
    let mut pass = context.log.passes().get(location_id, net, record_kind).await?;
    let broken_off = broken_off_again(pass.broken_off.take(), &why, pass.seen);
    context.metrics.pass(net, record_kind, "broken_off");
    context.metrics.broken_off(location_id, net, record_kind, broken_off.times);
    tracing::warn!(location.id = %location_id, record.kind = %record_kind, net, why = why.as_str(), times = broken_off.times,
        seen = pass.seen, total = pass.total, "pass broke off; it stays open and is tried again");
    if why != Why::EmptyPages || broken_off.times.is_multiple_of(RESUMED_MAX) {
        (pass.cursor, pass.seen, pass.has_unreadable) = (None, 0, false);
    }
    pass.broken_off = Some(broken_off);
    save(scope, kind, &pass).await?;
    Ok(())
}

/// A pass that came further than ever before has not broken off in a row.
fn broken_off_again(before: Option<BrokenOff>, why: &Why, seen: u64) -> BrokenOff {
    let (times, most) = before.filter(|before| seen <= before.seen).map_or((0, seen), |before| (before.times, before.seen));
    BrokenOff { times: times.saturating_add(1), at: now(), why: why.as_str().to_owned(), seen: most }
}

/// How long a pass that broke off waits before it is tried again: twice as long each time. Nothing for one that did not.
pub(crate) fn pause_after(pass: &Pass, first: Duration, longest: Duration) -> Duration {
    let Some(broken_off) = &pass.broken_off else { return Duration::ZERO };
    let pause = first.saturating_mul(2_u32.saturating_pow(broken_off.times.saturating_sub(1))).min(longest.max(first));
    let elapsed = Duration::try_from(Timestamp::now().duration_since(broken_off.at)).unwrap_or_default();
    pause.saturating_sub(elapsed)
}

/// The time, rounded down to the log's microseconds, so that it equals what is read back.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_that_breaks_off_at_the_same_place_is_tried_after_growing_pauses() {
        let (first, longest) = (Duration::from_secs(60), Duration::from_secs(3_600));
        let mut pass = Pass::default();
        assert_eq!(pause_after(&pass, first, longest), Duration::ZERO);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pass.broken_off = Some(broken_off_again(pass.broken_off.take(), &Why::EmptyPages, 700));
            pauses.push(pause_after(&pass, first, longest).as_secs_f64().round());
        }
        assert_eq!(pauses, [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0]);
        pass.broken_off = Some(broken_off_again(pass.broken_off.take(), &Why::EmptyPages, 701));
        assert_eq!(pass.broken_off.unwrap().times, 1, "it came further");
    }

    #[test]
    fn a_pass_that_began_again_has_not_come_further() {
        let before = broken_off_again(Some(BrokenOff { times: 4, at: now(), why: String::new(), seen: 700 }), &Why::CursorRepeats, 200);
        assert_eq!((before.times, before.seen), (5, 700));
    }
}
