//! Receiving from a stream through its durable consumer.

use crate::{Bus, Message, Result, Stream};

/// Messages of one stream, shared with every other replica that consumes it.
pub struct Inbox {
    stream: Stream,
}

impl Bus {
    pub async fn consume(&self, stream: Stream) -> Result<Inbox> {
        todo!("{stream:?}")
    }
}

impl Inbox {
    /// Waits for a message, then takes what is already there, at most `max`. Survives a server that goes away, and creates stream
    /// and consumer again on a server that has lost them. Cancellation safe: a message is taken only when it is returned.
    pub async fn batch(&mut self, max: usize) -> Result<Vec<Message>> {
        todo!("{max} {:?}", self.stream)
    }
}
