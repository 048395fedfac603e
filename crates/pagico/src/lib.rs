//! A client of the bridge: its HTTP contract in wire types of our own, its refusals as errors that say what the caller must do.
//!
//! Does not know the log, the bus or why something is written; it neither retries nor decides.

mod aliases;
mod digests;
mod error;
mod http;
mod objects;
mod pages;
mod settings;
mod workspaces;
mod write;

pub use digests::{ContactDigest, DigestOf, Root};
pub use error::{Error, ErrorBody, Result};
pub use http::Bridge;
pub use objects::Object;
pub use pages::{Cursor, Page};
pub use settings::Settings;
pub use workspaces::{Head, Leaving};
pub use write::{Answer, item};
