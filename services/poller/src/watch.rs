//! What the hints missed: contacts whose own update time has moved since they were last looked at.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chassis::Shutdown;
use domain::{ContactId, Moment, Net, Verdict};
use futures::StreamExt;
use ghl::{Row, Search, Window};
use jiff::Timestamp;

use crate::append::Appended;
use crate::connection::Connection;
use crate::fetch::{Question, Stopped, look_until_seen, note_refusal};
use crate::tools::{Tools, judge, rest};

/// Searches again and again until it is time to stop.
pub(crate) async fn run(tools: Arc<Tools>, connection: Arc<Connection>, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut attempt = 0;
    loop {
        tools.chassis.control().wait_while_paused(&shutdown).await;
        if !connection.wait_until_askable(&shutdown).await {
            return Ok(());
        }
        let pause = match round(&tools, &connection, &shutdown).await {
            Ok(()) => {
                attempt = 0;
                tools.config.watch.interval
            }
            Err(Trouble::Stopped) => return Ok(()),
            Err(trouble) => {
                attempt += 1;
                let delay = trouble.delay(&tools, &connection, attempt);
                tracing::warn!(location.id = %connection.location_id, %trouble, attempt, "changes are searched for again later");
                delay
            }
        };
        if !rest(&shutdown, pause).await {
            return Ok(());
        }
    }
}

/// Why a round did not come to its end. Its watermark stays where it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0}")]
    Ghl(#[from] ghl::Error),
    #[error("{0}")]
    Log(#[from] eventlog::Error),
    #[error("the log does not take what was seen")]
    NotAppended,
    #[error("stopped")]
    Stopped,
}

impl From<Stopped> for Trouble {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

impl Trouble {
    /// How long to wait before trying again. A search concerns everyone, so even a refusal is tried again, at the slowest pace.
    pub(crate) fn delay(&self, tools: &Tools, connection: &Connection, attempt: u32) -> std::time::Duration {
        let retry = &tools.config.retry;
        match self {
            Self::Ghl(error) => {
                note_refusal(tools, connection, error);
                match judge(error, attempt, retry) {
                    Verdict::Retry(delay) => delay,
                    Verdict::Done | Verdict::Park(_) => retry.longest,
                }
            }
            Self::Log(_) | Self::NotAppended | Self::Stopped => retry.reconnect,
        }
    }
}

#[tracing::instrument(name = "watch", skip_all, fields(location.id = %connection.location_id))]
async fn round(tools: &Tools, connection: &Connection, shutdown: &Shutdown) -> Result<(), Trouble> {
    let in_hand = tools.chassis.control().in_hand();
    let settings = &tools.config.watch;
    let to = Timestamp::now();
    let progress = tools.log.progress(&connection.location_id).await?;
    let watermark = progress.watermark.unwrap_or(connection.connected_at);
    let mut from = watermark.checked_sub(jiff::SignedDuration::try_from(settings.overlap).unwrap_or_default()).unwrap_or(watermark);
    if progress.backfill.finished_at.is_none() {
        // What changed before the location was connected is the backfill's to see.
        from = from.max(connection.connected_at);
    }
    tools.metrics.watched(&connection.location_id, std::time::Duration::try_from(to.duration_since(from)).unwrap_or_default());
    let mut search = Search { window: Window::Updated { from, to }, rows_max: settings.page_rows.get(), after: None };
    let mut cursors = HashSet::new();
    let (mut reached, mut pages) = (watermark, 0);
    let watermark = loop {
        let zone = connection.names.zone(&connection.client).await?;
        let page = connection.client.search(&search, &zone).await?.value;
        tools.metrics.unreadable_rows(page.unreadable);
        if page.rows.is_empty() && page.unreadable == 0 {
            break to;
        }
        let last = page.rows.last().and_then(Row::updated_at).and_then(Moment::instant);
        reached = last.map_or(reached, |last| reached.max(last).min(to));
        pages += 1;
        look_at_changed(tools, connection, page.rows, shutdown).await?;
        match page.next {
            None => break to,
            Some(next) if pages < settings.pages_max && cursors.insert(next.to_string()) => search.after = Some(next),
            Some(_) => {
                // Too long for one round, or GHL leads round in a circle: the next round begins where this one has come to.
                tracing::warn!(location.id = %connection.location_id, pages, "a search for changes does not end");
                break reached;
            }
        }
    };
    connection.change_progress(&tools.log, |progress| progress.watermark = Some(watermark)).await?;
    drop(in_hand);
    Ok(())
}

/// Looks at those whose update time is later than when they were last looked at, and waits until that is in the log.
async fn look_at_changed(tools: &Tools, connection: &Connection, rows: Vec<Row>, shutdown: &Shutdown) -> Result<(), Trouble> {
    let ids: Vec<ContactId> = rows.iter().map(|row| row.contact_id.clone()).collect();
    let known = tools.log.known_updated_at(&connection.location_id, &ids).await?;
    let looks = rows.into_iter().filter(|row| has_moved(row, &known)).map(|row| async move {
        let traceparent = chassis::trace::traceparent();
        let question = Question { contact_id: row.contact_id, contact: None, net: Net::Poll, traceparent };
        let Some(observation) = look_until_seen(tools, connection, question, shutdown).await? else { return Ok(()) };
        match connection.appender.append(observation).await {
            Appended::Done { .. } => Ok(()),
            Appended::Later => Err(Trouble::NotAppended),
        }
    });
    let mut looks = futures::stream::iter(looks).buffer_unordered(tools.config.watch.contacts_in_flight_max);
    while let Some(looked) = looks.next().await {
        looked?;
    }
    Ok(())
}

/// Search lags behind: a row older than what was already seen is no news.
pub(crate) fn has_moved(row: &Row, known: &BTreeMap<ContactId, Moment>) -> bool {
    match (row.updated_at(), known.get(&row.contact_id)) {
        (Some(Moment::At(now)), Some(Moment::At(known))) => now > known,
        (Some(now), Some(known)) => now != known,
        (Some(_) | None, None) | (None, Some(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::Contact;

    use super::*;

    fn check(row: Option<&str>, known: Option<&str>, moved: bool) {
        let contact_id = ContactId::new("c").unwrap();
        let contact = Contact { updated_at: row.map(Moment::read), ..Contact::default() };
        let row = Row { contact_id: contact_id.clone(), contact, silent: BTreeSet::new() };
        let known = known.map(|known| (contact_id, Moment::read(known))).into_iter().collect();
        assert_eq!(has_moved(&row, &known), moved);
    }

    #[test]
    fn only_a_later_update_time_is_news() {
        check(Some("2026-01-01T00:00:01Z"), Some("2026-01-01T00:00:00Z"), true);
        check(Some("2026-01-01T00:00:00.000Z"), Some("2026-01-01T00:00:00Z"), false);
        check(Some("2026-01-01T00:00:00Z"), Some("2026-01-01T00:00:01Z"), false);
        check(Some("2026-01-01T00:00:00Z"), None, true);
        check(Some("yesterday"), Some("today"), true);
        check(None, Some("2026-01-01T00:00:00Z"), true);
    }
}
