//! The reasons to look at a contact. Each net catches what those before it have missed.
//!
//! - `hints`: contacts that a hint names, most often a webhook's
//! - `watch`: contacts whose update time has moved, and the lists of tasks and appointments
//! - `sweep`: everything there is, from which alone it is concluded that something is gone
//! - `notes`: the notes of every contact in turn
//! - `parity`: some contacts by age and by chance, to tell how well the others hold
//! - `resync`: what a person names
//! - `backfill`: everything there is, when a location is new or hints may have been lost
//! - `pass`: reads all records of a kind, page by page, for the nets above
//! - `conclude`: appends what was seen, and what is gone only when that is certain
//! - `compare`: compares the rows of a page with what the log knows
//! - `scopes`: which scopes the token has, and what was refused for want of one
//! - `renames`: names that have changed reach what shows them
//! - `scope`: what a net works with in one location, round after round
//! - `error`: why a round failed, and when it is retried

pub(crate) mod backfill;
mod compare;
mod conclude;
mod error;
mod hints;
mod notes;
mod parity;
mod pass;
mod renames;
mod resync;
mod scope;
mod scopes;
mod sweep;
mod watch;

use std::sync::Arc;

use crate::context::Context;
use crate::look::connection::Connection;
use crate::nets::scope::ListKind;
use crate::tasks::{Tasks, spawn};

/// Starts every net over a location. They end when the connection is to stop.
pub(crate) fn start(tasks: &mut Tasks, context: &Arc<Context>, connection: &Arc<Connection>) {
    let both = || (Arc::clone(context), Arc::clone(connection));
    for kind in ListKind::ALL {
        let (context, connection) = both();
        spawn(tasks, "watch", async move { watch::run(&context, &connection, kind).await });
    }
    let (context, connection) = both();
    spawn(tasks, "sweep", async move { sweep::run(&context, &connection).await });
    let (context, connection) = both();
    spawn(tasks, "notes", async move { notes::run(&context, &connection).await });
    let (context, connection) = both();
    spawn(tasks, "parity", async move { parity::run(&context, &connection).await });
    let (context, connection) = both();
    spawn(tasks, "resync", async move { resync::run(&context, &connection).await });
    let (context, connection) = both();
    spawn(tasks, "backfill", async move { backfill::run(&context, &connection).await });
    let (context, connection) = both();
    spawn(tasks, "scopes", async move { scopes::run(&context, &connection).await });
    let (context, connection) = both();
    spawn(tasks, "hints", async move { hints::consume(context, connection).await });
}
