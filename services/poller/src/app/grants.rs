//! Stores what GHL grants for an installation in the log's database.

use std::time::Duration;

use eventlog::{CredentialOwner, Credentials};
use ghl::{Error, Grant, Holder};
use jiff::Timestamp;

/// How often storing is tried before a grant is given up.
const STORE_ATTEMPTS: u32 = 20;
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// Stores the tokens of a new installation.
pub(crate) async fn install(credentials: &Credentials, grant: &Grant) -> Result<(), Error> {
    let owner = match &grant.holder {
        Holder::Location(id) => CredentialOwner::Location(id.clone()),
        Holder::Company(id) => CredentialOwner::Company(id.clone()),
    };
    let (tokens, granted_at, expires_at) = tokens_of(grant);
    let company_id = grant.company_id.as_deref();
    let generation =
        retry_until_stored(|| credentials.store(&owner, company_id, &tokens, granted_at, expires_at)).await.map_err(unavailable_log)?;
    tracing::info!(oauth.owner = %owner, generation, "app is installed");
    Ok(())
}

pub(super) fn tokens_of(grant: &Grant) -> (eventlog::Tokens, Timestamp, Timestamp) {
    let granted_at = Timestamp::now();
    let tokens = eventlog::Tokens { access: grant.access.clone(), refresh: grant.refresh.clone() };
    (tokens, granted_at, granted_at + grant.expires_in)
}

/// A code or a refresh token can be used only once, so a short outage of the database must not lose the tokens granted for it.
pub(super) async fn retry_until_stored<T, F: Future<Output = eventlog::Result<T>>>(mut store: impl FnMut() -> F) -> eventlog::Result<T> {
    let mut attempt = 1;
    loop {
        match store().await {
            Err(error) if error.is_transient() && attempt < STORE_ATTEMPTS => {
                tracing::warn!(%error, attempt, "storing tokens failed, trying again");
                tokio::time::sleep(STORE_PAUSE).await;
                attempt += 1;
            }
            stored => return stored,
        }
    }
}

pub(super) fn holder(owner: &CredentialOwner) -> Holder {
    match owner {
        CredentialOwner::Location(id) => Holder::Location(id.clone()),
        CredentialOwner::Company(id) => Holder::Company(id.clone()),
    }
}

/// Without the database there is no token: to the caller it is as if GHL were unavailable.
pub(super) fn unavailable_log(error: eventlog::Error) -> Error {
    tracing::warn!(%error, "the stored tokens cannot be read");
    unavailable("the stored tokens cannot be read")
}

pub(super) fn unavailable(reason: &'static str) -> Error {
    Error::Unavailable { reason, status: None, retry_after: None, trace_id: None, source: None }
}
