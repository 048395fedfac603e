//! From the bus, batch after batch, several at a time.

use std::sync::Arc;
use std::time::Instant;

use bus::{Inbox, Lane, Message, Stream};
use chassis::Shutdown;
use chassis::tasks::sleep;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use crate::apply::Batch;
use crate::fate::Fate;
use crate::tools::{Tools, in_hand};

/// Takes intents of a lane until it is time to stop, then finishes what is in hand.
pub(crate) async fn run(tools: Arc<Tools>, lane: Lane, stop: Shutdown) -> anyhow::Result<()> {
    let Some(mut inbox) = open(&tools, lane, &stop).await? else { return Ok(()) };
    let control = tools.chassis.control();
    let (messages_max, in_flight_max) = match lane {
        Lane::Live => (tools.config.batches.messages_max, tools.config.batches.in_flight_max),
        Lane::Replay => (tools.config.replays.messages_max, tools.config.replays.in_flight_max),
    };
    let mut batches = JoinSet::new();
    let mut failures = 0;
    loop {
        while let Some(ended) = room(&mut batches, in_flight_max).await {
            note(ended);
        }
        control.wait_while_paused(&stop).await;
        if lane == Lane::Replay {
            give_way(&tools).await;
        }
        let received = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            received = inbox.batch(messages_max) => received,
        };
        match received {
            // Asked to pause while waiting: what came goes back to the bus.
            Ok(messages) if control.is_paused() => drop(messages),
            Ok(messages) => {
                failures = 0;
                batches.spawn(batch(Arc::clone(&tools), lane, messages, stop.clone()));
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, failures, "no intents from the bus");
                sleep(&stop, tools.delay(failures)).await;
            }
        }
    }
    while let Some(ended) = batches.join_next().await {
        note(ended);
    }
    Ok(())
}

/// Lets what happens now go first, for a while.
async fn give_way(tools: &Tools) {
    let mut live = tools.live_batches.subscribe();
    // Whether live work has ended or waited long enough, it is the replay's turn.
    drop(tokio::time::timeout(tools.config.replays.give_way_max, live.wait_for(|batches| *batches == 0)).await);
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
async fn open(tools: &Tools, lane: Lane, stop: &Shutdown) -> anyhow::Result<Option<Inbox>> {
    let stream = match lane {
        Lane::Live => Stream::Intents,
        Lane::Replay => Stream::Replays,
    };
    let mut failures = 0;
    loop {
        let opened = match tools.bus.ensure_streams().await {
            Ok(()) => tools.bus.consume(stream).await,
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

async fn batch(tools: Arc<Tools>, lane: Lane, messages: Vec<Message>, stop: Shutdown) {
    let started = Instant::now();
    let in_control = tools.chassis.control().in_hand();
    let _live = (lane == Lane::Live).then(|| LiveBatch::begin(&tools.live_batches));
    tools.metrics.batch(messages.len());
    let span = tracing::info_span!(
        parent: None,
        "write batch",
        otel.kind = "consumer",
        messaging.system = "nats",
        messaging.operation.name = "process",
        messaging.destination.template = "intents.v1.{lane}.{location}.{contact}",
        messaging.batch.message_count = messages.len(),
    );
    for traceparent in messages.iter().filter_map(Message::traceparent) {
        chassis::trace::link(&span, traceparent);
    }
    let work = Batch { tools: &tools, messages: &messages, stop: &stop }.work();
    let fates = in_hand(&messages, tools.config.bus.ack_wait / 3, work).instrument(span).await;
    settle(messages, fates).await;
    tools.metrics.batch_took(started.elapsed());
    drop(in_control);
}

/// Counts a batch of the live lane for as long as it is in hand.
struct LiveBatch<'a>(&'a watch::Sender<usize>);

impl<'a> LiveBatch<'a> {
    fn begin(batches: &'a watch::Sender<usize>) -> Self {
        batches.send_modify(|batches| *batches += 1);
        Self(batches)
    }
}

impl Drop for LiveBatch<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|batches| *batches = batches.saturating_sub(1));
    }
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
