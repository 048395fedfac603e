//! From hints to looks: hints are taken from the bus, collected by contact, and acknowledged once what the look saw is in the log and
//! what they said was seen.
//!
//! - `queue`: which contact is looked at next
//! - `in_flight`: the looks that are under way
//! - `work`: one look for hints about the same, and what becomes of them
//! - `place`: whose record it is, for hints that name no contact
//! - `said`: whether a look shows what hints said

mod in_flight;
mod place;
mod queue;
mod said;
mod work;

use std::sync::Arc;

use bus::Message;
use chassis::Shutdown;
use chassis::tasks::sleep;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::in_flight::LooksInFlight;
use self::queue::Queue;
use self::work::{HintMessage, acknowledge, extend, hold_interval};
use crate::context::Context;
use crate::hint::Hint;
use crate::look::connection::Connection;
use crate::parking::{Failure, Undeliverable};

/// Takes the hints of a location until it is time to stop, then finishes the looks in flight; hints still waiting return to the bus.
pub(crate) async fn consume(context: Arc<Context>, connection: Arc<Connection>) -> anyhow::Result<()> {
    let settings = context.config.hints.clone();
    let stop = connection.stop.clone();
    let mut queue = Queue::new(settings.debounce, settings.contacts_in_flight_max.get());
    let mut looks = LooksInFlight::default();
    // Room for one batch: hints that are not needed yet stay on the bus.
    let (sender, mut batches) = mpsc::channel(1);
    let puller = tokio::spawn(pull(Arc::clone(&context), Arc::clone(&connection), sender, stop.clone()));
    let hold = hold_interval(context.config.bus.ack_wait);
    let mut hold = tokio::time::interval_at(Instant::now() + hold, hold);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            batch = batches.recv(), if queue.waiting() < settings.waiting_max.get() => {
                let Some(batch) = batch else { break };
                enqueue(&context, &connection, batch, &mut queue).await;
            }
            Some(key) = looks.next_done() => queue.finish(&key),
            () = until(queue.next_due()) => {}
            _ = hold.tick() => extend(queue.hints()).await,
        }
        while let Some((key, hints)) = queue.start(Instant::now()) {
            looks.start(Arc::clone(&context), Arc::clone(&connection), key, hints);
        }
    }
    while looks.next_done().await.is_some() {}
    puller.await?;
    Ok(())
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Takes hints from the bus as long as there is room. Closes the channel when it is time to stop.
async fn pull(context: Arc<Context>, connection: Arc<Connection>, batches: mpsc::Sender<Vec<Message>>, stop: Shutdown) {
    while !stop.is_cancelled() {
        let pulled = tokio::select! {
            () = stop.cancelled() => return,
            pulled = pull_until_error(&context, &connection, &batches, &stop) => pulled,
        };
        let Err(error) = pulled else { return };
        tracing::warn!(%error, "hints could not be taken from the bus");
        if !sleep(&stop, *context.config.retry.reconnect).await {
            return;
        }
    }
}

async fn pull_until_error(
    context: &Context,
    connection: &Connection,
    batches: &mpsc::Sender<Vec<Message>>,
    stop: &Shutdown,
) -> Result<(), bus::Error> {
    let mut inbox = context.bus.consume_hints(&connection.location_id).await?;
    loop {
        context.chassis.control().wait_while_paused(stop).await;
        // Room first: a batch that cannot be handed on would only age here.
        let Ok(room) = batches.reserve().await else { return Ok(()) };
        room.send(inbox.batch(context.config.hints.batch_max.get()).await?);
    }
}

/// Queues the hints, and acknowledges at once those that name no contact of this location.
async fn enqueue(context: &Context, connection: &Connection, batch: Vec<Message>, queue: &mut Queue<HintMessage>) {
    let (mut unknown, mut unplaced) = (Vec::new(), Vec::new());
    for message in batch {
        let Ok(hint) = serde_json::from_slice::<Hint>(message.body()) else {
            park_unreadable(context, message).await;
            continue;
        };
        if hint.location_id != connection.location_id {
            unknown.push(message);
        } else if let Some(key) = hint.key() {
            queue.push(key, HintMessage { message, hint }, Instant::now());
        } else {
            // It names neither a contact nor a record.
            unplaced.push(message);
        }
    }
    acknowledge(&context.metrics, unknown, "unknown_location").await;
    acknowledge(&context.metrics, unplaced, "unplaced").await;
}

/// Parks a message that is not a hint. If even its location is unknown, it stays on the bus.
async fn park_unreadable(context: &Context, message: Message) {
    let delay = context.config.retry.longest;
    let is_parked = match message.location_id() {
        Some(location_id) => {
            let failure = Failure { reason: "not a hint".to_owned(), status: None, attempts: message.attempt() };
            let undeliverable = Undeliverable {
                location_id,
                contact_id: None,
                subject: message.subject().to_owned(),
                message: message.body().to_vec(),
                traceparent: message.traceparent().map(str::to_owned),
            };
            context.parker.park_message(undeliverable, failure).await.is_ok()
        }
        None => false,
    };
    context.metrics.hints(if is_parked { "parked" } else { "retried" }, 1);
    let settled = if is_parked { message.ack().await } else { message.nak(delay).await };
    if let Err(error) = settled {
        tracing::debug!(%error, "an unreadable message could not be settled and is redelivered");
    }
}
