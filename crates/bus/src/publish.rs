//! Publishing, acknowledged.

use crate::{Bus, Result, Subject};

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
    pub async fn publish_all(&self, outgoing: Vec<Outgoing>) -> Result<()> {
        todo!("{:?} {}", self.jetstream, outgoing.len())
    }
}
