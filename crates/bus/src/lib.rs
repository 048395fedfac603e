//! Carries: the streams and subjects that services exchange work over, with at-least-once delivery.
//!
//! Does not know what a message says: bytes in, bytes out.

mod connect;
mod error;
mod hints;
mod inbox;
mod message;
mod publish;
mod puller;
mod purge;
mod settings;
mod stream;
mod streams;
mod subject;

use async_nats::jetstream;
use tokio::sync::watch;

pub use error::{Error, Result};
pub use hints::HintsWaiting;
pub use inbox::Inbox;
pub use message::{Message, ack_all};
pub use publish::Outgoing;
pub use settings::{Limits, Settings};
pub use stream::Stream;
pub use streams::StreamSeen;
pub use subject::{Lane, Subject, decode_token, encode_token};

/// A connection to the bus. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    settings: Settings,
    client: async_nats::Client,
    jetstream: jetstream::Context,
    /// Counts the connections made so far: after each, streams and consumers may be other ones.
    connections: watch::Receiver<u64>,
}
