//! Replays: planned from the log, reviewed, applied.

mod context;
mod execution;
pub mod planning;

pub(crate) use self::context::Context;
pub(crate) use self::execution::run;
