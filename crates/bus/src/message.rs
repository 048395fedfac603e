//! A received message and how it is settled.

use std::time::Duration;

use async_nats::jetstream::{self, AckKind};
use domain::{ContactId, LocationId};
use tokio::runtime::Handle;

use crate::publish::TRACEPARENT;
use crate::{Error, Result, subject};

/// The delay before a message that was dropped unsettled is delivered again.
const DROPPED_DELAY: Duration = Duration::from_millis(500);

/// A message that is ours until it is settled. One that is dropped unsettled is delivered again after a short delay.
pub struct Message {
    message: jetstream::Message,
    attempt: u32,
    stream_sequence: u64,
    timeout: Duration,
    settled: bool,
}

impl Message {
    pub(crate) fn new(message: jetstream::Message, timeout: Duration) -> Self {
        let (attempt, stream_sequence) =
            message.info().map_or((1, 0), |info| (u32::try_from(info.delivered).unwrap_or(1), info.stream_sequence));
        Self { message, attempt, stream_sequence, timeout, settled: false }
    }

    pub fn subject(&self) -> &str {
        self.message.subject.as_str()
    }

    pub fn body(&self) -> &[u8] {
        &self.message.payload
    }

    pub fn location_id(&self) -> Option<LocationId> {
        Some(subject::parts(self.subject())?.0)
    }

    pub fn contact_id(&self) -> Option<ContactId> {
        subject::parts(self.subject())?.1
    }

    /// The trace that the message belongs to.
    pub fn traceparent(&self) -> Option<&str> {
        Some(self.message.headers.as_ref()?.get(TRACEPARENT)?.as_str())
    }

    /// How often it has been delivered, this time included.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    pub fn stream_sequence(&self) -> u64 {
        self.stream_sequence
    }

    /// Acknowledges it: it is dealt with, or safely kept elsewhere. If the acknowledgement is lost, the message is delivered again.
    pub async fn ack(mut self) -> Result<()> {
        self.answer(AckKind::Ack).await?;
        self.settled = true;
        Ok(())
    }

    /// Has it delivered again after this delay.
    pub async fn nak(mut self, delay: Duration) -> Result<()> {
        self.answer(AckKind::Nak(Some(delay))).await?;
        self.settled = true;
        Ok(())
    }

    /// Restarts the time to settle it: it is still being worked on.
    pub async fn extend(&self) -> Result<()> {
        self.answer(AckKind::Progress).await
    }

    async fn answer(&self, kind: AckKind) -> Result<()> {
        const DOING: &str = "settling a message";
        match tokio::time::timeout(self.timeout, self.message.ack_with(kind)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::unavailable(DOING, error)),
            Err(elapsed) => Err(Error::unavailable(DOING, elapsed)),
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        // Without a runtime, as at the end of a process, the server delivers it again after `ack_wait`.
        if let Ok(runtime) = Handle::try_current() {
            let message = self.message.clone();
            runtime.spawn(async move { nak_soon(&message).await });
        }
    }
}

/// Has a message delivered again soon; if the request is lost, after `ack_wait`.
pub(crate) async fn nak_soon(message: &jetstream::Message) {
    if message.ack_with(AckKind::Nak(Some(DROPPED_DELAY))).await.is_err() {
        tracing::debug!("a message could not be given back");
    }
}

/// Acknowledges all of them. After an error some may be delivered again.
pub async fn ack_all(messages: Vec<Message>) -> Result<()> {
    for message in messages {
        message.ack().await?;
    }
    Ok(())
}
