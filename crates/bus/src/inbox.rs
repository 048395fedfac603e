//! Receiving from a stream through its durable consumer.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use futures::{FutureExt, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::message::give_back;
use crate::{Bus, Error, Message, Result, Stream};

/// How long one request for messages stands.
const REQUEST_EXPIRES: Duration = Duration::from_secs(30);
/// A server that is silent for two of these has lost the request.
const HEARTBEAT: Duration = Duration::from_secs(3);
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(2);

/// Messages of one stream, shared with every other replica that consumes it.
pub struct Inbox {
    bus: Bus,
    stream: Stream,
    messages: Option<pull::Stream>,
    connections: watch::Receiver<u64>,
}

impl Bus {
    /// Begins to receive. Creates stream and consumer where they are missing; a server that is away is waited for by `batch`.
    ///
    /// # Errors
    /// `Misconfigured` for a stream that nobody works on, or that cannot be made as it should be.
    pub async fn consume(&self, stream: Stream) -> Result<Inbox> {
        let mut inbox = Inbox { bus: self.clone(), stream, messages: None, connections: self.connections.clone() };
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
    /// `Misconfigured` alone; everything that may pass is waited for.
    pub async fn batch(&mut self, max: usize) -> Result<Vec<Message>> {
        loop {
            self.opened().await?;
            let Some(messages) = self.messages.as_mut() else { continue };
            let first = tokio::select! {
                biased;
                first = messages.next() => first,
                // A connection made anew may lead to a server that has forgotten the consumer.
                _ = self.connections.changed() => None,
            };
            match first {
                Some(Ok(first)) => return Ok(self.take_ready(first, max)),
                Some(Err(error)) => tracing::debug!(stream = self.stream.name(), %error, "receiving begins anew"),
                None => {}
            }
            self.close();
        }
    }

    fn take_ready(&mut self, first: jetstream::Message, max: usize) -> Vec<Message> {
        let timeout = self.bus.settings.publish_timeout;
        let mut taken = vec![Message::new(first, timeout)];
        while taken.len() < max {
            match self.messages.as_mut().and_then(ready) {
                Some(Some(Ok(message))) => taken.push(Message::new(message, timeout)),
                Some(Some(Err(_)) | None) => {
                    self.close();
                    break;
                }
                None => break,
            }
        }
        taken
    }

    /// Opens the stream of messages, however long it takes.
    async fn opened(&mut self) -> Result<()> {
        let mut delay = RETRY_FIRST;
        while self.messages.is_none() {
            match self.open().await {
                Ok(()) => {}
                Err(error @ Error::Misconfigured(_)) => return Err(error),
                Err(error) => {
                    tracing::debug!(stream = self.stream.name(), %error, "receiving is not possible yet");
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
        let consumer = self.bus.ensure(self.stream).await?;
        let consumer = consumer.ok_or_else(|| Error::Misconfigured(format!("nobody works on {}", self.stream.name())))?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(self.bus.settings.prefetch.max(1))
            .expires(REQUEST_EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(|error| Error::unavailable(DOING, error))?;
        self.messages = Some(messages);
        Ok(())
    }

    /// Gives back what was asked for ahead and not taken, so that nobody has to wait for it.
    fn close(&mut self) {
        let Some(mut messages) = self.messages.take() else { return };
        // Without a runtime there is no way to the server any more.
        if Handle::try_current().is_err() {
            return;
        }
        while let Some(Some(next)) = ready(&mut messages) {
            match next {
                Ok(message) => give_back(message),
                Err(_) => break,
            }
        }
    }
}

/// What is there already. Not held back by the runtime's budget for one task, which would cut every batch short.
fn ready(messages: &mut pull::Stream) -> Option<Option<<pull::Stream as futures::Stream>::Item>> {
    tokio::task::unconstrained(messages.next()).now_or_never()
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
    }
}
