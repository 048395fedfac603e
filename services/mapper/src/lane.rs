//! From the bus, batch after batch, several at a time.

use std::sync::Arc;
use std::time::Instant;

use bus::{Inbox, Message, Stream};
use chassis::Shutdown;
use chassis::tasks::sleep;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use crate::batch::{Batch, Fate};
use crate::destinations;
use crate::tools::{Tools, in_hand};

/// Takes events until it is time to stop, then finishes what is in hand.
pub(crate) async fn run(tools: Arc<Tools>, stop: Shutdown) -> anyhow::Result<()> {
    if !destinations::announce(&tools, &stop).await? {
        return Ok(());
    }
    let Some(mut inbox) = open(&tools, &stop).await? else { return Ok(()) };
    let (limits, control) = (&tools.config.batches, tools.chassis.control());
    let mut batches = JoinSet::new();
    let mut failures = 0;
    loop {
        while let Some(ended) = room(&mut batches, limits.in_flight_max).await {
            note(ended);
        }
        control.wait_while_paused(&stop).await;
        let received = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            received = inbox.batch(limits.messages_max) => received,
        };
        match received {
            // Asked to pause while waiting: what came goes back to the bus.
            Ok(messages) if control.is_paused() => drop(messages),
            Ok(messages) => {
                failures = 0;
                batches.spawn(batch(Arc::clone(&tools), messages, stop.clone()));
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, failures, "no events from the bus");
                sleep(&stop, tools.delay(failures)).await;
            }
        }
    }
    while let Some(ended) = batches.join_next().await {
        note(ended);
    }
    Ok(())
}

/// A batch that has ended, awaited where there is no room for another.
async fn room(batches: &mut JoinSet<()>, in_flight_max: usize) -> Option<Result<(), JoinError>> {
    if batches.len() < in_flight_max { batches.try_join_next() } else { batches.join_next().await }
}

/// The messages of a batch that ended badly come again.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a batch ended unexpectedly");
    }
}

/// Prepares streams and consumer, as long as it takes. Nothing when it is time to stop first.
async fn open(tools: &Tools, stop: &Shutdown) -> anyhow::Result<Option<Inbox>> {
    let mut failures = 0;
    loop {
        let opened = match tools.bus.ensure_streams().await {
            Ok(()) => tools.bus.consume(Stream::Events).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(inbox) => return Ok(Some(inbox)),
            Err(error) if !error.is_transient() => return Err(error.into()),
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, failures, "the bus is not ready yet");
            }
        }
        if !sleep(stop, tools.delay(failures)).await {
            return Ok(None);
        }
    }
}

async fn batch(tools: Arc<Tools>, messages: Vec<Message>, stop: Shutdown) {
    let started = Instant::now();
    let in_control = tools.chassis.control().in_hand();
    tools.metrics.batch(messages.len());
    let span = tracing::info_span!(
        parent: None,
        "map batch",
        otel.kind = "consumer",
        messaging.system = "nats",
        messaging.operation.name = "process",
        messaging.destination.template = "events.v1.{location}.{contact}",
        messaging.batch.message_count = messages.len(),
    );
    for traceparent in messages.iter().filter_map(Message::traceparent) {
        chassis::trace::link(&span, traceparent);
    }
    let work = Box::pin(Batch { tools: &tools, messages: &messages, stop: &stop }.work());
    let fates = in_hand(&messages, tools.config.bus.ack_wait / 3, work).instrument(span).await;
    settle(messages, fates).await;
    tools.metrics.batch_took(started.elapsed());
    drop(in_control);
}

/// Tells the bus. What cannot be told comes again, to no effect.
async fn settle(messages: Vec<Message>, fates: Vec<Fate>) {
    let mut done = Vec::new();
    for (message, fate) in messages.into_iter().zip(fates) {
        match fate {
            Fate::Done => done.push(message),
            Fate::Again(delay) => {
                if let Err(error) = message.nak(delay).await {
                    tracing::debug!(%error, "could not give a message back");
                }
            }
            Fate::Left => drop(message),
        }
    }
    if let Err(error) = bus::ack_all(done).await {
        tracing::warn!(%error, "could not acknowledge a batch, it will come again");
    }
}
