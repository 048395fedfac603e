//! Finds what the hints missed: contacts by searching for later update times, and tasks and appointments, which cannot be searched by
//! update time, by comparing their lists.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use domain::{Moment, Net};
use eventlog::Pass;
use ghl::{Row, Search, Window};
use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::look::connection::Connection;
use crate::look::fetch::note_acceptance;
use crate::look::request::AnswerId;
use crate::nets::compare::{contacts, contacts_left, leave_alone};
use crate::nets::error::Result;
use crate::nets::pass::{end, now, walk};
use crate::nets::renames;
use crate::nets::scope::{ListKind, Rounds, Scope};

/// Searches again and again until it is time to stop.
pub(crate) async fn run(context: &Context, connection: &Connection, kind: ListKind) -> anyhow::Result<()> {
    let scope =
        Scope { context, connection, net: &Net::Poll, in_flight_max: context.config.watch.contacts_in_flight_max.get(), found: None };
    let name = match kind {
        ListKind::Contacts => "the search for changed contacts",
        ListKind::Tasks => "the list of tasks",
        ListKind::Appointments => "the list of appointments",
    };
    let mut rounds = Rounds::new(scope, name, None);
    let mut reached = Reached::default();
    while rounds.begin().await {
        let round = match kind {
            ListKind::Contacts => watch_contacts(scope, &mut reached).await,
            ListKind::Tasks | ListKind::Appointments => watch_list(scope, kind).await,
        };
        rounds.end(round).await;
    }
    Ok(())
}

/// Up to when every change of contacts has been seen.
#[derive(Default)]
struct Reached {
    watermark: Option<Timestamp>,
    /// When it was last saved. Whoever goes on from an older one sees the same rows again.
    saved_at: Option<Instant>,
}

/// Goes through the list of all tasks, or of the appointments near today. What is missing there is left to the sweep.
async fn watch_list(scope: Scope<'_>, kind: ListKind) -> Result<Duration> {
    let Scope { context, connection, .. } = scope;
    let settings = &context.config.watch;
    let (interval, page_rows) = match kind {
        ListKind::Contacts | ListKind::Tasks => (*settings.tasks_interval, context.config.tasks.page_rows.get()),
        ListKind::Appointments => (*settings.appointments_interval, 1),
    };
    if !scope.is_backfilled(kind).await? {
        return Ok(interval);
    }
    let under_way = context.log.passes().get(&connection.location_id, scope.net.as_str(), kind.record_kind()).await?.started_at;
    let ended = walk(scope, kind, under_way.unwrap_or_else(now), settings.appointments_range()).await?;
    end(scope, kind, &ended).await?;
    let seen = context.log.passes().get(&connection.location_id, scope.net.as_str(), kind.record_kind()).await?.seen;
    Ok(match kind {
        ListKind::Contacts | ListKind::Appointments => interval,
        ListKind::Tasks => interval.max(settings.affordable_interval(seen / u64::from(page_rows))),
    })
}

/// One search for contacts by their update time.
#[tracing::instrument(name = "watch", skip_all, fields(location.id = %scope.connection.location_id))]
async fn watch_contacts(scope: Scope<'_>, reached: &mut Reached) -> Result<Duration> {
    let Scope { context, connection, .. } = scope;
    let in_hand = context.chassis.control().in_hand();
    let settings = &context.config.watch;
    let to = now();
    let from_of =
        |watermark: Timestamp| watermark.checked_sub(SignedDuration::try_from(settings.overlap).unwrap_or_default()).unwrap_or(watermark);
    let (watermark, from) = match reached.watermark {
        Some(watermark) if from_of(watermark) >= connection.connected_at => (watermark, from_of(watermark)),
        _ => {
            let progress = context.log.passes().progress(&connection.location_id).await?;
            let watermark = progress.watermark.max(reached.watermark).unwrap_or(connection.connected_at);
            let from = from_of(watermark);
            // The backfill sees what changed before the location was connected.
            let is_filled = progress.backfill.finished_at.is_some();
            (watermark, if is_filled { from } else { from.max(connection.connected_at) })
        }
    };
    context.metrics.watched(&connection.location_id, Duration::try_from(to.duration_since(from)).unwrap_or_default());
    let watermark = search(scope, from, to, watermark).await?;
    reached.watermark = Some(watermark);
    if reached.saved_at.is_none_or(|at| at.elapsed() >= *settings.saved_every) {
        connection.change_progress(context.log.passes(), |progress| progress.watermark = Some(watermark)).await?;
        let pass = Pass { complete_since: Some(watermark), complete_at: Some(now()), ended_at: Some(now()), ..Pass::default() };
        context.log.passes().save(&connection.location_id, scope.net.as_str(), ListKind::Contacts.record_kind(), &pass).await?;
        reached.saved_at = Some(Instant::now());
    }
    contacts_left(scope).await?;
    renames::follow(scope).await?;
    drop(in_hand);
    note_acceptance(&context.problems, connection);
    Ok(*settings.interval)
}

/// Compares every contact that the search shows, until all are in the log. Returns the time up to which every change has been seen.
async fn search(scope: Scope<'_>, from: Timestamp, to: Timestamp, watermark: Timestamp) -> Result<Timestamp> {
    let Scope { context, connection, .. } = scope;
    let settings = &context.config.watch;
    let mut search = Search { window: Window::Updated { from, to }, rows_max: settings.page_rows.get(), after: None };
    let mut cursors = HashSet::new();
    let (mut reached, mut pages, mut seen, mut total) = (watermark, 0, 0_u64, None);
    loop {
        let zone = connection.names.zone(&scope.client()).await?;
        let answer = match scope.client().search(&search, &zone).await {
            Err(ghl::Error::Refused { .. }) if search.rows_max > settings.page_rows.get() => {
                tracing::warn!(location.id = %connection.location_id, rows = search.rows_max, "large pages are refused");
                connection.bulk.refuse_large_pages();
                search.rows_max = settings.page_rows.get();
                continue;
            }
            answer => answer?,
        };
        let answer_id = AnswerId { asked_at: answer.asked_at, trace_id: answer.trace_id };
        let page = answer.value;
        leave_alone(scope, ListKind::Contacts, &page.unreadable).await?;
        let given = (page.rows.len() + page.unreadable.len()) as u64;
        seen += given;
        // A total of zero counts only if no page had rows.
        total = page.total.filter(|total| *total > 0 || seen == 0).or(total);
        let next = page.next.filter(|_| given > 0);
        let last = page.rows.last().and_then(Row::updated_at).and_then(Moment::instant);
        reached = last.map_or(reached, |last| reached.max(last).min(to));
        pages += 1;
        contacts(scope, page.rows, &answer_id).await?;
        if total.is_some_and(|total| total > settings.bulk_min.get() as u64) && connection.bulk.are_large_pages_given() {
            search.rows_max = settings.bulk_page_rows.get().max(settings.page_rows.get());
        }
        match next {
            None if total.is_none_or(|total| seen >= total) => return Ok(to),
            None => {
                tracing::warn!(location.id = %connection.location_id, seen, total, "search for changed contacts ended before its last row");
                return Ok(reached);
            }
            Some(next) if pages < settings.pages_max && cursors.insert(next.to_string()) => search.after = Some(next),
            Some(_) => {
                // Too long for one round, or the cursor repeats: the next round begins where this one stopped.
                tracing::warn!(location.id = %connection.location_id, pages, "search for changed contacts was cut short");
                return Ok(reached);
            }
        }
    }
}
