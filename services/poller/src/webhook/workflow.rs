//! The secrets by which workflows hint at contacts, each for one location. Only their hashes are known here.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::LocationId;
use eventlog::SecretHash;

use crate::context::Context;

#[derive(Default)]
pub(crate) struct Secrets {
    /// None until they were read.
    open: RwLock<Option<BTreeMap<SecretHash, LocationId>>>,
}

impl Secrets {
    /// The location that a secret opens, if it opens any; none while that is not known yet.
    pub(super) fn location(&self, hash: SecretHash) -> Option<Option<LocationId>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|open| open.get(&hash).cloned())
    }
}

/// Reads them again and again until it is time to stop: what was made or revoked elsewhere counts soon.
pub(crate) async fn run(context: Arc<Context>, secrets: Arc<Secrets>, stop: Shutdown) -> anyhow::Result<()> {
    loop {
        match context.log.webhooks().open_secrets().await {
            Ok(open) => *secrets.open.write().unwrap_or_else(PoisonError::into_inner) = Some(open),
            Err(error) => tracing::debug!(%error, "the secrets of workflows could not be read"),
        }
        if !sleep(&stop, *context.config.webhooks.secrets_interval).await {
            return Ok(());
        }
    }
}
