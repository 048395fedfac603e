//! What is written to the log, and the only code that reads it back.
//!
//! - `fact`: what an event says, and `cause`: why it is in the log
//! - `encode`: how facts become the payloads that are stored
//! - `envelope`: an event with its columns, and its form on the bus
//! - `version`: how payloads of every version become facts again, and `decode`: why a payload cannot be read

mod cause;
mod decode;
mod encode;
mod envelope;
mod fact;
mod version;

pub use cause::{Cause, Net};
pub use decode::Decode;
pub use envelope::{Event, Opened, Recorded, Stored, event_id};
pub use fact::{Body, Change, Delivery, DeliveryFact, DeliveryOutcome, FieldChange, Names, OperatorFact, RecordFact};
