//! From the log to the bus.
//!
//! - `publish`: what is appended is published, in order
//! - `settled`: how far everything has arrived, and whether the bus has lost something

pub(crate) mod publish;
pub(crate) mod settled;
