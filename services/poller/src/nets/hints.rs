//! From hints to looks: hints are taken from the bus, collected for each contact, and acknowledged once what they led to is in the log.

mod queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::Message;
use chassis::Shutdown;
use domain::{ContactId, LocationId, Net, RecordId, RecordKind, Verdict};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use self::queue::Desk;
use crate::context::{Tools, rest};
use crate::hint::{Hinted, Stuck, Whom};
use crate::look::append::Appended;
use crate::look::connection::Connection;
use crate::look::fetch::{Question, look};
use crate::look::verdict::judge;

/// A hint in hand. Dropping it gives it back to the bus.
struct Taken {
    message: Message,
    hinted: Hinted,
}

/// Whose hints are taken, and with what.
struct Site {
    tools: Arc<Tools>,
    connection: Arc<Connection>,
}

/// Takes the hints of a location until it is time to stop, then finishes the looks in hand; what still waits goes back to the bus.
pub(crate) async fn consume(tools: Arc<Tools>, connection: Arc<Connection>, shutdown: Shutdown) -> anyhow::Result<()> {
    let site = Arc::new(Site { tools, connection });
    let settings = site.tools.config.hints.clone();
    let mut desk = Desk::new(settings.debounce, settings.contacts_in_flight_max);
    let mut looks = Looks::default();
    // Room for one batch: what is not needed yet stays on the bus.
    let (arrivals, mut inbox) = mpsc::channel(1);
    let puller = tokio::spawn(pull(Arc::clone(&site), arrivals, shutdown.clone()));
    let hold = hold_interval(&site);
    let mut held = tokio::time::interval_at(Instant::now() + hold, hold);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            batch = inbox.recv(), if desk.waiting() < settings.waiting_max => {
                let Some(batch) = batch else { break };
                sort(&site, batch, &mut desk).await;
            }
            Some((location_id, whom)) = looks.next_done() => desk.finish(&location_id, &whom),
            () = until(desk.next_due()) => {}
            _ = held.tick() => extend(desk.hints()).await,
        }
        while let Some((location_id, whom, hints)) = desk.start(Instant::now()) {
            looks.start(Arc::clone(&site), location_id, whom, hints);
        }
    }
    while looks.next_done().await.is_some() {}
    puller.await?;
    Ok(())
}

/// Looks in hand. One that panicked ends like any other; its hints come again from the bus.
#[derive(Default)]
struct Looks {
    tasks: JoinSet<()>,
    whom: HashMap<tokio::task::Id, (LocationId, Whom)>,
}

impl Looks {
    fn start(&mut self, site: Arc<Site>, location_id: LocationId, whom: Whom, hints: Vec<Taken>) {
        let started = self.tasks.spawn(handle(site, location_id.clone(), whom.clone(), hints));
        self.whom.insert(started.id(), (location_id, whom));
    }

    /// Nothing while there are none. Cancellation safe.
    async fn next_done(&mut self) -> Option<(LocationId, Whom)> {
        let id = match self.tasks.join_next_with_id().await? {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a look ended unexpectedly");
                error.id()
            }
        };
        self.whom.remove(&id)
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Often enough that the bus never takes a hint away that is still wanted.
fn hold_interval(site: &Site) -> Duration {
    site.tools.config.bus.ack_wait / 3
}

async fn extend(hints: impl Iterator<Item = &Taken>) {
    for taken in hints {
        if let Err(error) = taken.message.extend().await {
            tracing::debug!(%error, "a hint may come twice");
            return;
        }
    }
}

/// Takes hints from the bus as long as there is room. Ends the channel when it is time to stop.
async fn pull(site: Arc<Site>, arrivals: mpsc::Sender<Vec<Message>>, shutdown: Shutdown) {
    let tools = &site.tools;
    while !shutdown.is_cancelled() {
        let pulled = tokio::select! {
            () = shutdown.cancelled() => return,
            pulled = pull_until_error(&site, &arrivals, &shutdown) => pulled,
        };
        let Err(error) = pulled else { return };
        tracing::warn!(%error, "no hints from the bus");
        if !rest(&shutdown, tools.config.retry.reconnect).await {
            return;
        }
    }
}

async fn pull_until_error(site: &Site, arrivals: &mpsc::Sender<Vec<Message>>, shutdown: &Shutdown) -> Result<(), bus::Error> {
    let tools = &site.tools;
    let mut inbox = tools.bus.consume_hints(&site.connection.location_id).await?;
    loop {
        tools.chassis.control().wait_while_paused(shutdown).await;
        // Room first: a batch that cannot be handed on would only age here.
        let Ok(room) = arrivals.reserve().await else { return Ok(()) };
        room.send(inbox.batch(tools.config.hints.batch_max).await?);
    }
}

/// Puts hints on the desk; settles at once those that lead nowhere.
async fn sort(site: &Site, batch: Vec<Message>, desk: &mut Desk<Taken>) {
    let (mut unknown, mut unplaced) = (Vec::new(), Vec::new());
    for message in batch {
        let Ok(hinted) = serde_json::from_slice::<Hinted>(message.body()) else {
            park_unreadable(site, message).await;
            continue;
        };
        if hinted.location_id != site.connection.location_id {
            unknown.push(message);
        } else if let Some(whom) = hinted.whom() {
            desk.put(hinted.location_id.clone(), whom, Taken { message, hinted }, Instant::now());
        } else {
            // A note or an appointment without its contact: nothing finds it but the next look at that contact.
            unplaced.push(message);
        }
    }
    acknowledge(site, unknown, "unknown_location").await;
    acknowledge(site, unplaced, "unplaced").await;
}

async fn acknowledge(site: &Site, messages: Vec<Message>, outcome: &'static str) {
    if messages.is_empty() {
        return;
    }
    site.tools.metrics.hints(outcome, messages.len());
    if let Err(error) = bus::ack_all(messages).await {
        tracing::debug!(%error, "hints may come again");
    }
}

/// Parks a message that is no hint, unless it does not even say where it belongs: that one waits on the bus.
async fn park_unreadable(site: &Site, message: Message) {
    let delay = site.tools.config.retry.longest;
    let parked = match message.location_id() {
        Some(location_id) => {
            let stuck = Stuck { reason: "not a hint".to_owned(), status: None, attempts: message.attempt() };
            let (subject, body) = (message.subject().to_owned(), message.body().to_vec());
            let traceparent = message.traceparent().map(str::to_owned);
            site.tools.park_message(location_id, None, subject, body, stuck, traceparent).await.is_ok()
        }
        None => false,
    };
    site.tools.metrics.hints(if parked { "parked" } else { "retried" }, 1);
    let settled = if parked { message.ack().await } else { message.nak(delay).await };
    if let Err(error) = settled {
        tracing::debug!(%error, "a message comes again");
    }
}

async fn handle(site: Arc<Site>, location_id: LocationId, whom: Whom, hints: Vec<Taken>) {
    let in_hand = site.tools.chassis.control().in_hand();
    let contact = match &whom {
        Whom::Contact(contact_id) => contact_id.as_str(),
        Whom::OwnerOf(_) => "",
    };
    let span = tracing::info_span!("fetch", location.id = %location_id, contact.id = contact, hints = hints.len());
    if let Some((last, others)) = hints.split_last() {
        chassis::trace::set_parent(&span, last.message.traceparent());
        for other in others.iter().filter_map(|other| other.message.traceparent()) {
            chassis::trace::link(&span, other);
        }
    }
    settle(&site, &site.connection, &whom, hints).instrument(span).await;
    drop(in_hand);
}

/// What becomes of hints.
enum Outcome {
    Done(&'static str),
    Again(Duration),
}

async fn settle(site: &Site, connection: &Connection, whom: &Whom, hints: Vec<Taken>) {
    let outcome = {
        let work = work(site, connection, whom, &hints);
        let mut work = std::pin::pin!(work);
        let hold = hold_interval(site);
        let mut held = tokio::time::interval_at(Instant::now() + hold, hold);
        loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                _ = held.tick() => extend(hints.iter()).await,
            }
        }
    };
    match outcome {
        Outcome::Done(outcome) => acknowledge(site, hints.into_iter().map(|taken| taken.message).collect(), outcome).await,
        Outcome::Again(delay) => {
            site.tools.metrics.hints("retried", hints.len());
            for taken in hints {
                if let Err(error) = taken.message.nak(delay).await {
                    tracing::debug!(%error, "a hint comes again when the bus notices");
                }
            }
        }
    }
}

async fn work(site: &Site, connection: &Connection, whom: &Whom, hints: &[Taken]) -> Outcome {
    let tools = &site.tools;
    let Some(last) = hints.last() else { return Outcome::Done("looked") };
    let attempt = last.message.attempt();
    if let Some(pause) = connection.paused_for() {
        return Outcome::Again(pause);
    }
    let contact_id = match whom {
        Whom::Contact(contact_id) => contact_id.clone(),
        Whom::OwnerOf(task) => match owner(site, connection, task, attempt).await {
            Ok(Some(contact_id)) => contact_id,
            Ok(None) => return Outcome::Done("unplaced"),
            Err(delay) => return Outcome::Again(delay),
        },
    };
    let traceparent = chassis::trace::traceparent().or_else(|| last.message.traceparent().map(str::to_owned));
    let question = Question::whole(contact_id.clone(), last.hinted.net.clone(), traceparent.clone());
    let error = match look(tools, connection, question).await {
        Ok(observation) => {
            return match connection.appender.append(observation).await {
                Appended::Done { .. } => {
                    note_webhooks(site, hints).await;
                    for received_at in hints.iter().filter_map(|taken| taken.hinted.received_at) {
                        let waited = Timestamp::now().duration_since(received_at);
                        tools.metrics.hint_to_append(Duration::try_from(waited).unwrap_or_default());
                    }
                    Outcome::Done("looked")
                }
                Appended::Later => Outcome::Again(tools.config.retry.reconnect),
            };
        }
        Err(error) => error,
    };
    match judge(&error, attempt, &tools.config.retry) {
        Verdict::Done => Outcome::Done("looked"),
        Verdict::Retry(delay) => {
            tracing::warn!(%error, attempt, "looking again later");
            Outcome::Again(delay)
        }
        Verdict::Park(reason) => {
            let hinted = Hinted::redriven(&connection.location_id, &contact_id);
            let stuck = Stuck { reason, status: error.status(), attempts: attempt };
            match tools.park(&hinted, stuck, traceparent).await {
                Ok(()) => Outcome::Done("parked"),
                Err(error) => {
                    tracing::warn!(%error, "not parked yet");
                    Outcome::Again(tools.config.retry.reconnect)
                }
            }
        }
    }
}

/// That hints are heard at all is worth knowing; losing one such note is not.
async fn note_webhooks(site: &Site, hints: &[Taken]) {
    let told = || hints.iter().filter(|taken| matches!(taken.hinted.net, Net::Webhook { .. }));
    let kinds = told().map(|taken| taken.hinted.record.as_ref().map_or(RecordKind::Contact, |(kind, _)| *kind)).collect();
    let Some(last) = told().filter_map(|taken| taken.hinted.received_at).max() else { return };
    if let Err(error) = site.tools.log.note_webhooks(&site.connection.location_id, &kinds, last).await {
        tracing::debug!(%error, "the last webhook is not noted");
    }
}

/// Whose task it is. Where GHL's search does not tell, the next look at the contact will find it: by another hint, or when the contact's
/// own update time moves.
async fn owner(site: &Site, connection: &Connection, task: &RecordId, attempt: u32) -> Result<Option<ContactId>, Duration> {
    let rows_max = site.tools.config.hints.task_search_rows;
    if rows_max == 0 {
        return Ok(None);
    }
    match connection.client.contact_of_task(task, rows_max).await {
        Ok(contact_id) => Ok(contact_id),
        Err(error) if error.is_transient() => match judge(&error, attempt, &site.tools.config.retry) {
            Verdict::Retry(delay) => Err(delay),
            Verdict::Done | Verdict::Park(_) => Ok(None),
        },
        Err(error) => {
            tracing::warn!(location.id = %connection.location_id, %error, "the search for tasks does not answer");
            Ok(None)
        }
    }
}
