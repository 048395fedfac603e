//! From the log to the bus.
//!
//! - `publish`: publishes what was appended, in order
//! - `settled`: how far everything is mapped and written, and whether the bus has lost messages

pub(crate) mod publish;
pub(crate) mod settled;
