//! The streams and their consumers.

use jiff::Timestamp;

use crate::{Bus, Result, Settings};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    Hints,
    Events,
    Intents,
    Deliveries,
}

impl Stream {
    pub const ALL: [Self; 4] = [Self::Hints, Self::Events, Self::Intents, Self::Deliveries];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hints => "HINTS",
            Self::Events => "EVENTS",
            Self::Intents => "INTENTS",
            Self::Deliveries => "DELIVERIES",
        }
    }
}

/// A stream as it is now: one that is younger or shorter than it was has lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSeen {
    pub created_at: Timestamp,
    pub last_sequence: u64,
}

impl Bus {
    /// Prepares a connection. A server that is away now is no error: it is looked for in the background.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        todo!("{settings:?}")
    }

    pub fn connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Creates or updates every stream and consumer.
    ///
    /// # Errors
    /// `Misconfigured` when the server is too old or holds a stream that is not as it should be and cannot be made so.
    pub async fn ensure_streams(&self) -> Result<()> {
        todo!("{:?}", self.settings)
    }

    pub async fn stream_seen(&self, stream: Stream) -> Result<StreamSeen> {
        todo!("{stream:?}")
    }

    /// Everything up to this sequence of the stream has been settled by its consumer.
    pub async fn ack_floor(&self, stream: Stream) -> Result<u64> {
        todo!("{stream:?}")
    }

    /// How many messages of the stream are not settled by its consumer.
    pub async fn backlog(&self, stream: Stream) -> Result<u64> {
        todo!("{stream:?}")
    }
}
