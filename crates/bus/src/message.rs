//! A received message and how it is settled.

use std::time::Duration;

use domain::{ContactId, LocationId};

use crate::{Result, subject};

/// A message that is ours until it is settled. Dropping it unsettled has it delivered again after a short delay.
pub struct Message {
    message: async_nats::jetstream::Message,
}

impl Message {
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
        todo!()
    }

    /// How often it has been delivered, this time included.
    pub fn attempt(&self) -> u32 {
        todo!()
    }

    pub fn stream_sequence(&self) -> u64 {
        todo!()
    }

    /// It is dealt with, or safely kept elsewhere. Should the acknowledgement get lost, the message comes again.
    pub async fn ack(self) -> Result<()> {
        todo!()
    }

    /// Have it delivered again after this delay.
    pub async fn nak(self, delay: Duration) -> Result<()> {
        todo!("{delay:?}")
    }

    /// It is still being worked on: the time to settle it starts anew.
    pub async fn extend(&self) -> Result<()> {
        todo!()
    }
}

/// Acknowledges all of them.
pub async fn ack_all(messages: Vec<Message>) -> Result<()> {
    todo!("{}", messages.len())
}
