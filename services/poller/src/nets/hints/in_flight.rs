//! The looks that are under way.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{Id, JoinSet};

use crate::context::Context;
use crate::hint::HintKey;
use crate::look::connection::Connection;
use crate::nets::hints::work::{HintMessage, handle};

/// A look that panics ends like any other; its hints come again from the bus.
#[derive(Default)]
pub(super) struct LooksInFlight {
    tasks: JoinSet<()>,
    keys: HashMap<Id, HintKey>,
}

impl LooksInFlight {
    pub(super) fn start(&mut self, context: Arc<Context>, connection: Arc<Connection>, key: HintKey, hints: Vec<HintMessage>) {
        let started = self.tasks.spawn(handle(context, connection, key.clone(), hints));
        self.keys.insert(started.id(), key);
    }

    /// The key of the next look that is done; none while there are no looks. Cancellation safe.
    pub(super) async fn next_done(&mut self) -> Option<HintKey> {
        let id = match self.tasks.join_next_with_id().await? {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a look ended unexpectedly");
                error.id()
            }
        };
        self.keys.remove(&id)
    }
}
