//! What the hints missed: contacts whose own update time has moved since they were last looked at, and tasks and appointments, which have
//! none that can be searched by, by their lists.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chassis::Shutdown;
use domain::{Moment, Net};
use eventlog::Pass;
use ghl::{Row, Search, Window};
use jiff::Timestamp;

use crate::context::{Tools, rest};
use crate::look::connection::Connection;
use crate::look::fetch::note_acceptance;
use crate::nets::compare::{Asked, Bulk, Errand, contacts};
use crate::nets::error::Trouble;
use crate::nets::pass::{finish, now, walk};

/// Searches again and again until it is time to stop.
pub(crate) async fn run(tools: Arc<Tools>, connection: Arc<Connection>, bulk: Bulk, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut attempt = 0;
    loop {
        tools.chassis.control().wait_while_paused(&shutdown).await;
        if !connection.wait_until_askable(&shutdown).await {
            return Ok(());
        }
        let in_flight_max = tools.config.watch.contacts_in_flight_max;
        let errand = Errand { tools: &tools, connection: &connection, shutdown: &shutdown, net: &Net::Poll, in_flight_max };
        let done = match bulk {
            Bulk::Contacts => round(errand).await,
            Bulk::Tasks | Bulk::Appointments => list(errand, bulk).await,
        };
        let pause = match done {
            Ok(pause) => {
                attempt = 0;
                if bulk == Bulk::Contacts {
                    note_acceptance(&tools, &connection);
                }
                pause
            }
            Err(Trouble::Stopped) => return Ok(()),
            Err(trouble) => {
                attempt += 1;
                let delay = trouble.delay(&tools, &connection, attempt);
                tracing::warn!(location.id = %connection.location_id, record.kind = %bulk.kind(), %trouble, attempt, "changes are searched for again later");
                delay
            }
        };
        if !rest(&shutdown, pause).await {
            return Ok(());
        }
    }
}

/// Goes through the list of all tasks, or of the appointments near today. What it does not show is left to the sweep.
async fn list(errand: Errand<'_>, bulk: Bulk) -> Result<Duration, Trouble> {
    let Errand { tools, connection, .. } = errand;
    let settings = &tools.config.watch;
    let (interval, page_rows) = match bulk {
        Bulk::Contacts | Bulk::Tasks => (settings.tasks_interval, tools.config.tasks.page_rows.get()),
        Bulk::Appointments => (settings.appointments_interval, 1),
    };
    if tools.log.progress(&connection.location_id).await?.backfill.finished_at.is_none() {
        return Ok(interval);
    }
    let under_way = tools.log.pass(&connection.location_id, errand.net.as_str(), bulk.kind()).await?.started_at;
    let walked = walk(errand, bulk, under_way.unwrap_or_else(now), settings.appointments_span()).await?;
    finish(errand, bulk, &walked).await?;
    let seen = tools.log.pass(&connection.location_id, errand.net.as_str(), bulk.kind()).await?.seen;
    Ok(match bulk {
        Bulk::Contacts | Bulk::Appointments => interval,
        Bulk::Tasks => interval.max(settings.affordable_interval(seen / u64::from(page_rows))),
    })
}

/// One search for contacts by their update time.
#[tracing::instrument(name = "watch", skip_all, fields(location.id = %errand.connection.location_id))]
async fn round(errand: Errand<'_>) -> Result<Duration, Trouble> {
    let Errand { tools, connection, .. } = errand;
    let in_hand = tools.chassis.control().in_hand();
    let settings = &tools.config.watch;
    let to = now();
    let progress = tools.log.progress(&connection.location_id).await?;
    let watermark = progress.watermark.unwrap_or(connection.connected_at);
    let mut from = watermark.checked_sub(jiff::SignedDuration::try_from(settings.overlap).unwrap_or_default()).unwrap_or(watermark);
    if progress.backfill.finished_at.is_none() {
        // What changed before the location was connected is the backfill's to see.
        from = from.max(connection.connected_at);
    }
    tools.metrics.watched(&connection.location_id, Duration::try_from(to.duration_since(from)).unwrap_or_default());
    let watermark = search(errand, from, to, watermark).await?;
    connection.change_progress(&tools.log, |progress| progress.watermark = Some(watermark)).await?;
    let pass = Pass { complete_since: Some(watermark), complete_at: Some(now()), ended_at: Some(now()), ..Pass::default() };
    tools.log.save_pass(&connection.location_id, errand.net.as_str(), Bulk::Contacts.kind(), &pass).await?;
    drop(in_hand);
    Ok(settings.interval)
}

/// Looks at what the search shows, until everything of it is in the log. Gives up to when everything has been seen.
async fn search(errand: Errand<'_>, from: Timestamp, to: Timestamp, watermark: Timestamp) -> Result<Timestamp, Trouble> {
    let Errand { tools, connection, .. } = errand;
    let settings = &tools.config.watch;
    let mut search = Search { window: Window::Updated { from, to }, rows_max: settings.page_rows.get(), after: None };
    let mut cursors = HashSet::new();
    let (mut reached, mut pages) = (watermark, 0);
    loop {
        let zone = connection.names.zone(&errand.client()).await?;
        let answer = errand.client().search(&search, &zone).await?;
        let asked = Asked { at: answer.asked_at, trace_id: answer.trace_id };
        let page = answer.value;
        tools.metrics.unreadable_rows(page.unreadable);
        if page.rows.is_empty() && page.unreadable == 0 {
            return Ok(to);
        }
        let last = page.rows.last().and_then(Row::updated_at).and_then(Moment::instant);
        reached = last.map_or(reached, |last| reached.max(last).min(to));
        pages += 1;
        contacts(errand, page.rows, &asked).await?;
        match page.next {
            None => return Ok(to),
            Some(next) if pages < settings.pages_max && cursors.insert(next.to_string()) => search.after = Some(next),
            Some(_) => {
                // Too long for one round, or GHL leads round in a circle: the next round begins where this one has come to.
                tracing::warn!(location.id = %connection.location_id, pages, "a search for changes does not end");
                return Ok(reached);
            }
        }
    }
}
