//! The workspace in PostgreSQL.

mod aliases;
mod answers;
mod digests;
mod erase;
mod error;
mod keys;
mod lists;
mod numbers;
mod outdate;
pub(crate) mod page;
mod plan;
mod pool;
mod prune;
mod retire;
mod write;

pub(crate) use aliases::Alias;
pub(crate) use answers::Once;
pub(crate) use digests::{ContactDigest, Root};
pub(crate) use error::{Error, Result};
pub(crate) use keys::{Scope, StoredKey};
pub(crate) use lists::{Change, Filter, Head, Object, Slice, Spot};
pub(crate) use plan::Applied;
pub(crate) use pool::Store;
pub(crate) use retire::Leaving;
pub(crate) use write::Written;
