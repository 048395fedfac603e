//! Batch after batch, several at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::tasks::sleep;
use chassis::{Chassis, Shutdown};
use futures::future::{Either, select};
use futures::pin_mut;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{Instrument as _, Span};

use crate::message::{Fate, Message, Source};
use crate::metrics::Metrics;
use crate::retry::RetrySettings;

/// What is done about the messages of a batch.
pub trait Work<M>: Send + Sync + 'static {
    /// The span in which a batch of so many messages is worked on.
    fn span(&self, messages: usize) -> Span;

    /// Works until every message has a fate, in the order of the messages. Nothing may be lost when this is dropped.
    fn work(&self, messages: &[M], stop: &Shutdown) -> impl Future<Output = Vec<Fate>> + Send;
}

/// Who goes first, where several loops share a process.
#[derive(Clone, Debug)]
pub enum Priority {
    /// Counts its batches in hand here, so that others can give way to them.
    First(watch::Sender<usize>),
    /// Before it takes a batch it waits until there are no batches in hand there, but for no longer than the duration.
    GivesWayTo(watch::Sender<usize>, Duration),
}

/// How a stage takes messages.
pub struct Batches {
    pub chassis: Arc<Chassis>,
    pub metrics: Metrics,
    pub retry: RetrySettings,
    /// How many messages a batch holds at most.
    pub messages_max: NonZeroUsize,
    /// How many batches are worked on at the same time.
    pub in_flight_max: NonZeroUsize,
    /// How often the source is told that messages are still being worked on.
    pub extend_every: Duration,
    pub priority: Option<Priority>,
}

impl Batches {
    /// Takes messages until it is time to stop, then finishes what is in hand.
    pub async fn run<S: Source>(self, mut source: S, work: impl Work<S::Message>, stop: Shutdown) {
        let (this, work) = (Arc::new(self), Arc::new(work));
        let control = this.chassis.control();
        let mut batches = JoinSet::new();
        let mut failures = 0;
        loop {
            while let Some(ended) = room(&mut batches, this.in_flight_max.get()).await {
                note(ended);
            }
            control.wait_while_paused(&stop).await;
            this.give_way().await;
            let received = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                received = source.batch(this.messages_max.get()) => received,
            };
            match received {
                // Asked to pause while waiting: what came goes back.
                Ok(messages) if control.is_paused() => drop(messages),
                Ok(messages) => {
                    failures = 0;
                    let (this, work, stop) = (Arc::clone(&this), Arc::clone(&work), stop.clone());
                    batches.spawn(async move { this.batch(&*work, messages, &stop).await });
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "messages could not be taken, trying again");
                    sleep(&stop, this.retry.delay(failures)).await;
                }
            }
        }
        while let Some(ended) = batches.join_next().await {
            note(ended);
        }
    }

    async fn batch<M: Message>(&self, work: &impl Work<M>, messages: Vec<M>, stop: &Shutdown) {
        let started = Instant::now();
        let _in_hand = self.chassis.control().in_hand();
        let _counted = match &self.priority {
            Some(Priority::First(batches)) => Some(Counted::begin(batches)),
            Some(Priority::GivesWayTo(_, _)) | None => None,
        };
        self.metrics.taken(messages.len());
        let span = work.span(messages.len());
        for traceparent in messages.iter().filter_map(Message::traceparent) {
            chassis::trace::link(&span, traceparent);
        }
        let working = Box::pin(work.work(&messages, stop));
        let fates = in_hand(&messages, self.extend_every, working).instrument(span).await;
        settle(messages, fates).await;
        self.metrics.settled(started.elapsed());
    }

    async fn give_way(&self) {
        let Some(Priority::GivesWayTo(others, longest)) = &self.priority else { return };
        let mut others = others.subscribe();
        // Whether the others are done or it has waited long enough, it is its turn.
        drop(tokio::time::timeout(*longest, others.wait_for(|batches| *batches == 0)).await);
    }
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

/// Counts a batch for as long as it is in hand.
struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn begin(batches: &'a watch::Sender<usize>) -> Self {
        batches.send_modify(|batches| *batches += 1);
        Self(batches)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|batches| *batches = batches.saturating_sub(1));
    }
}

/// Does the work, and says meanwhile that the messages are still being worked on.
async fn in_hand<M: Message, T>(messages: &[M], every: Duration, work: impl Future<Output = T>) -> T {
    let extending = async {
        loop {
            tokio::time::sleep(every).await;
            for message in messages {
                if let Err(error) = message.extend().await {
                    tracing::debug!(%error, "could not keep a message in hand");
                    break;
                }
            }
        }
    };
    pin_mut!(extending, work);
    match select(work, extending).await {
        Either::Left((done, _)) => done,
        Either::Right((never, _)) => never,
    }
}

/// Says what became of the messages. What cannot be said comes again, to no effect.
async fn settle<M: Message>(messages: Vec<M>, fates: Vec<Fate>) {
    let mut done = Vec::new();
    for (message, fate) in messages.into_iter().zip(fates) {
        match fate {
            Fate::Done => done.push(message),
            Fate::Retry(delay) => {
                if let Err(error) = message.nak(delay).await {
                    tracing::debug!(%error, "could not give a message back");
                }
            }
            Fate::Left => drop(message),
        }
    }
    for message in done {
        if let Err(error) = message.ack().await {
            tracing::warn!(%error, "could not acknowledge a batch, the rest of it will come again");
            break;
        }
    }
}

#[cfg(test)]
mod tests;
