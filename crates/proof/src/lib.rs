//! Proves that a log was not changed: with its hash chain, with signed checkpoints kept outside of it, and with export files of all of it.
//!
//! Knows no database, no clock and no payloads: it works on the stored bytes, sealed or not.

mod chain;
mod checkpoint;
mod encoding;
mod export;
mod import;
mod key;

pub use chain::{BEGINNING, ChainVerifier, Link, Problem};
pub use checkpoint::{Checkpoint, read_checkpoints};
pub use encoding::Malformed;
pub use export::{Header, Writer};
pub use import::{Flaw, FlawKind, Limits, Proved, Reader, Record, Refusal, Unproved, extends, prove};
pub use key::{BadKey, PublicKey, SigningKey};
