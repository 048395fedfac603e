//! Works through messages in batches: takes them, has several batches worked on at once, and says what becomes of each message.
//!
//! A stage says what it reads, what it decides and where it puts that. The loop here knows neither the event log nor the bus nor what a
//! message says, only the source and the work that it is given; how a stage of the mirror stands between log and bus is `Links` alone.

mod batches;
mod links;
mod message;
mod metrics;
mod retry;

pub use batches::{Batches, Priority, Work};
pub use links::Links;
pub use message::{Fate, Message, Source};
pub use metrics::Metrics;
pub use retry::{NotAnswered, RetrySettings};
