//! The first complete look at a location, page by page, resumed where it stopped; and again when hints may have been lost.

use std::collections::HashSet;
use std::sync::Arc;

use chassis::Shutdown;
use domain::{ContactId, Net};
use eventlog::{Backfill, ContactFilter};
use futures::StreamExt;
use ghl::{Row, Search, Window};
use jiff::Timestamp;
use serde_json::Value;

use crate::append::Appended;
use crate::connection::Connection;
use crate::fetch::{FoundContact, Question, look_until_seen};
use crate::tools::{Tools, rest};
use crate::watch::{Trouble, has_moved};

/// Contacts that are read from the log at once to see who is missing.
const KNOWN_PER_READ: u32 = 500;

/// Runs a backfill whenever one is wanted, until it is time to stop.
pub(crate) async fn run(tools: Arc<Tools>, connection: Arc<Connection>, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut attempt = 0;
    loop {
        if !connection.wait_until_askable(&shutdown).await {
            return Ok(());
        }
        let pause = match pass(&tools, &connection, &shutdown).await {
            Ok(()) => {
                attempt = 0;
                tools.config.backfill.check_interval
            }
            Err(Trouble::Stopped) => return Ok(()),
            Err(trouble) => {
                attempt += 1;
                let delay = trouble.delay(&tools, &connection, attempt);
                tracing::warn!(location.id = %connection.location_id, %trouble, attempt, "backfill goes on later");
                delay
            }
        };
        tokio::select! {
            () = connection.backfill_wanted.notified() => {}
            going = rest(&shutdown, pause) => if !going { return Ok(()) },
        }
    }
}

/// One pass from where the last one stopped to the end; nothing when the last one came to its end.
async fn pass(tools: &Tools, connection: &Connection, shutdown: &Shutdown) -> Result<(), Trouble> {
    let mut backfill = tools.log.progress(&connection.location_id).await?.backfill;
    tools.metrics.backfill(&connection.location_id, backfill.seen, backfill.total);
    if backfill.finished_at.is_some() {
        return Ok(());
    }
    let mut listed = Listed::new(&backfill);
    if backfill.started_at.is_none() {
        backfill.started_at = Some(now()?);
        connection.change_progress(&tools.log, |progress| progress.backfill = backfill.clone()).await?;
    }
    tracing::info!(location.id = %connection.location_id, seen = backfill.seen, "backfill begins");
    let mut cursors = HashSet::new();
    for _ in 0..tools.config.backfill.pages_max {
        tools.chassis.control().wait_while_paused(shutdown).await;
        let next = page(tools, connection, &mut backfill, &mut listed, shutdown).await?;
        match next {
            Some(next) if cursors.insert(next.to_string()) => backfill.cursor = Some(next),
            // The last page, or GHL leads round in a circle.
            Some(_) | None => break,
        }
        if !save(tools, connection, &backfill).await? {
            return Ok(());
        }
    }
    look_for_missing(tools, connection, &listed, shutdown).await?;
    backfill.finished_at = Some(now()?);
    if save(tools, connection, &backfill).await? {
        tracing::info!(location.id = %connection.location_id, seen = backfill.seen, "backfill is complete");
    }
    Ok(())
}

/// As precise as the log keeps it, so that it can be compared with what was kept.
fn now() -> Result<Timestamp, Trouble> {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).map_err(|_| Trouble::Stopped)
}

/// Saves how far this pass has come; false when another pass was asked for meanwhile, which then counts.
async fn save(tools: &Tools, connection: &Connection, backfill: &Backfill) -> Result<bool, Trouble> {
    let mut ours = true;
    connection
        .change_progress(&tools.log, |progress| {
            ours = progress.backfill.started_at == backfill.started_at;
            if ours {
                progress.backfill = backfill.clone();
            }
        })
        .await?;
    tools.metrics.backfill(&connection.location_id, backfill.seen, backfill.total);
    Ok(ours)
}

/// Looks at one page of contacts and waits until all of it is in the log. Gives where the next page begins.
#[tracing::instrument(name = "backfill", skip_all, fields(location.id = %connection.location_id, backfill.seen = backfill.seen))]
async fn page(
    tools: &Tools,
    connection: &Connection,
    backfill: &mut Backfill,
    listed: &mut Listed,
    shutdown: &Shutdown,
) -> Result<Option<Value>, Trouble> {
    let in_hand = tools.chassis.control().in_hand();
    let zone = connection.names.zone(&connection.client).await?;
    let rows_max = tools.config.backfill.page_rows.get();
    let search = Search { window: Window::Everyone, rows_max, after: backfill.cursor.clone() };
    let answer = connection.client.search(&search, &zone).await?;
    let (page, asked_at, trace_id) = (answer.value, answer.asked_at, answer.trace_id);
    tools.metrics.unreadable_rows(page.unreadable);
    if page.rows.is_empty() && page.unreadable == 0 {
        return Ok(None);
    }
    let ids: Vec<ContactId> = page.rows.iter().map(|row| row.contact_id.clone()).collect();
    let known = tools.log.known_updated_at(&connection.location_id, &ids).await?;
    let traceparent = chassis::trace::traceparent();
    let questions: Vec<Question> = page
        .rows
        .into_iter()
        .map(|row| {
            // A row may leave out what has changed, so it is enough only where nothing can have.
            let by_id = tools.config.backfill.contact_by_id || (known.contains_key(&row.contact_id) && has_moved(&row, &known));
            let Row { contact_id, contact, silent } = row;
            let found = (!by_id).then(|| FoundContact { contact, silent, asked_at, trace_id: trace_id.clone() });
            Question { contact_id, contact: found, net: Net::Backfill, traceparent: traceparent.clone() }
        })
        .collect();
    look_at(tools, connection, questions, shutdown).await?;
    backfill.seen += ids.len() as u64;
    backfill.total = page.total.or(backfill.total);
    listed.add(ids);
    drop(in_hand);
    Ok(page.next)
}

async fn look_at(tools: &Tools, connection: &Connection, questions: Vec<Question>, shutdown: &Shutdown) -> Result<(), Trouble> {
    let looks = questions.into_iter().map(|question| async move {
        let Some(observation) = look_until_seen(tools, connection, question, shutdown).await? else { return Ok(()) };
        match connection.appender.append(observation).await {
            Appended::Done { .. } => Ok(()),
            Appended::Later => Err(Trouble::NotAppended),
        }
    });
    let mut looks = futures::stream::iter(looks).buffer_unordered(tools.config.backfill.contacts_in_flight_max);
    while let Some(looked) = looks.next().await {
        looked?;
    }
    Ok(())
}

/// Who was listed in this pass.
enum Listed {
    /// From its beginning.
    Everyone(HashSet<ContactId>),
    /// The pass was resumed: who came before is not known any more.
    Resumed,
}

impl Listed {
    fn new(backfill: &Backfill) -> Self {
        if backfill.cursor.is_none() { Self::Everyone(HashSet::new()) } else { Self::Resumed }
    }

    fn add(&mut self, ids: Vec<ContactId>) {
        match self {
            Self::Everyone(listed) => listed.extend(ids),
            Self::Resumed => {}
        }
    }
}

/// Looks at every contact that the log knows and the pass did not meet: the webhook that it was deleted may be among what was lost. Not
/// being listed is only the reason to look; whether it is gone, the look says.
async fn look_for_missing(tools: &Tools, connection: &Connection, listed: &Listed, shutdown: &Shutdown) -> Result<(), Trouble> {
    let Listed::Everyone(listed) = listed else { return Ok(()) };
    let mut after: Option<ContactId> = None;
    loop {
        let known = tools.log.contacts(&connection.location_id, ContactFilter::Any, after.as_ref(), KNOWN_PER_READ).await?;
        let Some(last) = known.last() else { return Ok(()) };
        after = Some(last.contact_id.clone());
        let missing = known.into_iter().filter(|contact| contact.present && !listed.contains(&contact.contact_id));
        let questions = missing
            .map(|contact| Question {
                contact_id: contact.contact_id,
                contact: None,
                net: Net::Backfill,
                traceparent: chassis::trace::traceparent(),
            })
            .collect();
        look_at(tools, connection, questions, shutdown).await?;
    }
}
