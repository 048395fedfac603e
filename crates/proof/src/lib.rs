//! Proves: that a log is what was written, by its chain of hashes, by signed checkpoints kept outside of it, and by export files that
//! carry all of it.
//!
//! Knows neither a database nor a clock, and never what a payload says: it works on bytes as they are stored, sealed or not.

mod chain;
mod checkpoint;
mod encoding;
mod export;
mod import;
mod key;

pub use chain::{BEGINNING, Link, Problem, Walk};
pub use checkpoint::{Checkpoint, read_checkpoints};
pub use encoding::Malformed;
pub use export::{Header, Writer};
pub use import::{Flaw, Limits, Proved, Reader, Record, Refusal, Unproved, Why, extends, prove};
pub use key::{BadKey, PublicKey, SigningKey};
