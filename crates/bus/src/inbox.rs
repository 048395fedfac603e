//! Receiving from a stream through its durable consumer.

use std::time::Duration;

use domain::LocationId;
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::message::nak_soon;
use crate::puller::Puller;
use crate::stream::ConsumerSpec;
use crate::{Bus, Error, Message, Result, Stream};

const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(2);

/// Messages of one stream, shared with every other replica that uses the same consumer.
pub struct Inbox {
    bus: Bus,
    spec: ConsumerSpec,
    puller: Option<Puller>,
    connections: watch::Receiver<u64>,
}

impl Bus {
    /// Starts to receive. Creates stream and consumer where they are missing; a server that is away is waited for by `batch`.
    ///
    /// # Errors
    /// `Misconfigured` for a stream without a consumer, or one that cannot be made as configured.
    pub async fn consume(&self, stream: Stream) -> Result<Inbox> {
        let spec = stream.consumer().ok_or_else(|| Error::Misconfigured(format!("{} has no consumer", stream.name())))?;
        self.receive(spec).await
    }

    /// Starts to receive the hints of a location, as `consume` does.
    ///
    /// # Errors
    /// `Misconfigured` when the stream cannot be made as configured.
    pub async fn consume_hints(&self, location_id: &LocationId) -> Result<Inbox> {
        self.receive(ConsumerSpec::hints_of(location_id)).await
    }

    async fn receive(&self, spec: ConsumerSpec) -> Result<Inbox> {
        let mut inbox = Inbox { bus: self.clone(), spec, puller: None, connections: self.connections.clone() };
        match inbox.open().await {
            Ok(()) | Err(Error::Unavailable { .. }) => Ok(inbox),
            Err(error) => Err(error),
        }
    }
}

impl Inbox {
    /// Waits for a message, then takes what is already there, at most `max`. Survives a server that goes away, and creates stream
    /// and consumer again on a server that has lost them. Cancellation safe: a message is taken only when it is returned.
    ///
    /// # Errors
    /// Only `Misconfigured`; every transient failure is waited for.
    pub async fn batch(&mut self, max: usize) -> Result<Vec<Message>> {
        loop {
            self.opened().await?;
            let Some(puller) = self.puller.as_mut() else { continue };
            let first = tokio::select! {
                biased;
                first = puller.next() => first,
                // A new connection may lead to a server that has lost the consumer.
                _ = self.connections.changed() => Err(Error::unavailable("receiving", "the connection was replaced")),
            };
            let timeout = *self.bus.settings.publish_timeout;
            match first {
                Ok(first) => {
                    let mut taken = vec![Message::new(first, timeout)];
                    taken.extend(self.ready(max.saturating_sub(1)).into_iter().map(|message| Message::new(message, timeout)));
                    return Ok(taken);
                }
                Err(error) => tracing::debug!(stream = self.spec.stream.name(), %error, "starting to receive again"),
            }
            self.close();
        }
    }

    /// Without waiting: a cancellation would lose what has already been taken.
    fn ready(&mut self, max: usize) -> Vec<async_nats::jetstream::Message> {
        let mut ready = Vec::new();
        let Some(puller) = self.puller.as_mut() else { return ready };
        let mut works = true;
        while works && ready.len() < max {
            match puller.ready() {
                Ok(Some(message)) => ready.push(message),
                Ok(None) => break,
                Err(_) => works = false,
            }
        }
        // Asks for more, to arrive while this batch is worked on. If asking would have to wait, the next batch asks.
        works = works && !matches!(puller.ask().now_or_never(), Some(Err(_)));
        if !works {
            self.close();
        }
        ready
    }

    /// Starts to ask for messages, however long it takes.
    async fn opened(&mut self) -> Result<()> {
        let mut delay = RETRY_FIRST;
        while self.puller.is_none() {
            match self.open().await {
                Ok(()) => {}
                Err(error @ Error::Misconfigured(_)) => return Err(error),
                Err(error) => {
                    tracing::debug!(stream = self.spec.stream.name(), %error, "receiving is not possible yet");
                    // A new connection ends the wait early.
                    let connected = self.connections.changed().map(drop);
                    drop(tokio::time::timeout(delay, connected).await);
                    delay = (delay * 2).min(RETRY_LONGEST);
                }
            }
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<()> {
        const DOING: &str = "receiving";
        self.connections.mark_unchanged();
        self.bus.require_connection(DOING)?;
        let consumer = self.bus.ensure_consumer(&self.spec).await?;
        let Bus { client, jetstream, settings, .. } = &self.bus;
        self.puller = Some(Puller::open(client, &consumer, jetstream, settings.prefetch.get()).await?);
        Ok(())
    }

    /// Gives back what was asked for ahead and not taken, so that nobody has to wait for it. What the server is sending at this very
    /// moment reaches nobody and is delivered again after `ack_wait`.
    fn close(&mut self) {
        let Some(puller) = self.puller.take() else { return };
        // Without a runtime the server cannot be reached any more.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(puller.close(async |message| nak_soon(&message).await));
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
    }
}
