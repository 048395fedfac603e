//! Publishing, acknowledged.

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use futures::{StreamExt, TryStreamExt};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{Bus, Error, Result, Subject};

pub(crate) const TRACEPARENT: &str = "traceparent";

/// What a header cannot hold as it is.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// A message to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub subject: Subject,
    /// Names the fact the message carries: a second message of the same id within two minutes is dropped.
    pub id: Option<String>,
    pub traceparent: Option<String>,
    pub body: Vec<u8>,
}

impl Bus {
    /// Publishes and waits until the stream has it.
    pub async fn publish(&self, outgoing: Outgoing) -> Result<()> {
        self.publish_all(vec![outgoing]).await
    }

    /// Publishes all and waits until the streams have them. After an error some may have arrived; publishing all again is right.
    ///
    /// # Errors
    /// Fails at once while there is no connection.
    pub async fn publish_all(&self, outgoing: Vec<Outgoing>) -> Result<()> {
        self.require_connection("publishing")?;
        let messages: Vec<(String, PublishMessage)> = outgoing.into_iter().map(message).collect();
        match self.send_all(&messages).await {
            // The server has been wiped and nobody has created the stream yet: what arrived already is dropped as a duplicate.
            Err(error) if error.kind() == PublishErrorKind::StreamNotFound => {
                self.ensure_streams().await?;
                self.send_all(&messages).await.map_err(Error::from)
            }
            other => other.map_err(Error::from),
        }
    }

    async fn send_all(&self, messages: &[(String, PublishMessage)]) -> Result<(), PublishError> {
        // Cheap to clone: bytes and headers are shared or small.
        let sends = futures::stream::iter(messages.to_vec())
            .map(|(subject, message)| async move { self.jetstream.send_publish(subject, message).await?.await.map(drop) });
        sends.buffer_unordered(self.settings.publish_in_flight_max.get()).try_collect::<()>().await
    }
}

fn message(outgoing: Outgoing) -> (String, PublishMessage) {
    let mut headers = HeaderMap::new();
    if let Some(id) = &outgoing.id {
        headers.insert(NATS_MESSAGE_ID, utf8_percent_encode(id, ENCODED).to_string());
    }
    if let Some(traceparent) = outgoing.traceparent.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())) {
        headers.insert(TRACEPARENT, traceparent);
    }
    let message = PublishMessage::build().payload(outgoing.body.into());
    let message = if headers.is_empty() { message } else { message.headers(headers) };
    (outgoing.subject.to_string(), message)
}
