//! What a stage takes, and what becomes of it.

use std::fmt::Display;
use std::time::Duration;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its effect is durable, or it waits for a person.
    Done,
    /// Again after this delay.
    Retry(Duration),
    /// Left as it is: there was no time to finish.
    Left,
}

/// A message that is ours until it is acknowledged or given back. Dropping it gives it back.
pub trait Message: Send + Sync + 'static {
    type Error: Display + Send;

    /// The trace that it belongs to.
    fn traceparent(&self) -> Option<&str>;

    /// Says that it is still being worked on.
    fn extend(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Says that it is dealt with.
    fn ack(self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Has it delivered again after this delay.
    fn nak(self, delay: Duration) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Where messages come from.
pub trait Source: Send {
    type Message: Message;
    type Error: Display + Send;

    /// Waits for a message, then takes what is there already, at most `max`. Cancellation safe.
    fn batch(&mut self, max: usize) -> impl Future<Output = Result<Vec<Self::Message>, Self::Error>> + Send;
}
