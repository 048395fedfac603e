//! Follows a list to its end, and saves how far it has come.

use std::collections::HashSet;

use chassis::tasks::sleep;
use eventlog::Pass;
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
    /// The list could not be followed to its end, or a row could not be read: what it did not show may still exist.
    BrokenOff,
    /// A new pass was requested meanwhile and replaces it.
    Superseded,
}

/// Proof that a list was followed from its beginning to its end. Only `walk` makes one: without it nothing counts as missing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complete {
    /// When its first page was asked for: whatever exists has been seen since.
    pub(super) since: Timestamp,
}

/// Follows a list from where the pass stopped, or begins a pass at `since`. The caller ends the pass with `end`.
pub(crate) async fn walk(scope: Scope<'_>, kind: ListKind, since: Timestamp, range: AppointmentRange) -> Result<PassEnd> {
    let Scope { context, connection, .. } = scope;
    let settings = &context.config.sweep;
    let mut pass = context.log.passes().get(&connection.location_id, scope.net.as_str(), kind.record_kind()).await?;
    if pass.started_at != Some(since) {
        pass = Pass { started_at: Some(since), cursor: None, seen: 0, total: None, ..pass };
        save(scope, kind, &pass).await?;
    }
    let (mut whole, mut empty_pages, mut cursors) = (true, 0, HashSet::new());
    for _ in 0..settings.pages_max {
        context.chassis.control().wait_while_paused(scope.stop()).await;
        if !connection.wait_until_askable(scope.stop()).await {
            return Err(Error::Stopped);
        }
        let in_hand = context.chassis.control().in_hand();
        let page = page(scope, kind, &pass, since, range).await?;
        drop(in_hand);
        whole &= page.whole;
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
            // The cursor repeats: GHL's list loops.
            Some(_) => return Ok(PassEnd::BrokenOff),
            None if pass.total.is_none_or(|total| pass.seen >= total) => {
                return Ok(if whole { PassEnd::Complete(Complete { since }) } else { PassEnd::BrokenOff });
            }
            // The page is empty though more rows should follow: it is requested again.
            None if empty_pages < settings.empty_pages_max => {
                empty_pages += 1;
                if !sleep(scope.stop(), settings.empty_page_pause).await {
                    return Err(Error::Stopped);
                }
            }
            None => return Ok(PassEnd::BrokenOff),
        }
    }
    Ok(PassEnd::BrokenOff)
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
    (pass.started_at, pass.cursor, pass.ended_at) = (None, None, Some(now));
    context.log.passes().save(location_id, net, kind, &pass).await?;
    let outcome = match ended {
        PassEnd::Complete(_) => "complete",
        PassEnd::BrokenOff => "broken_off",
        PassEnd::Superseded => "superseded",
    };
    context.metrics.pass(net, kind, outcome);
    tracing::info!(location.id = %location_id, record.kind = %kind, net, outcome, seen = pass.seen, "pass ended");
    Ok(())
}

/// The time, rounded down to the log's microseconds, so that it equals what is read back.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
