//! The workspace in PostgreSQL.

mod aliases;
mod answers;
mod columns;
mod digests;
mod erase;
mod error;
mod feed;
mod heads;
mod keys;
mod lists;
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
pub(crate) use feed::Change;
pub(crate) use heads::Head;
pub(crate) use keys::{Scope, StoredKey};
pub(crate) use lists::{Filter, Object, ObjectCursor, Slice};
pub(crate) use plan::Applied;
pub(crate) use pool::Store;
pub(crate) use retire::Leaving;
pub(crate) use write::Written;
