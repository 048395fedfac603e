//! A location that may be looked after, and what opens it.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::LocationId;
use eventlog::CredentialOwner;
use ghl::{Client, Transport};
use secrecy::SecretString;

use crate::app::marketplace::App;

/// A location that may be looked after.
pub(crate) struct Candidate {
    pub(crate) known: eventlog::Location,
    pub(crate) access: Access,
}

pub(crate) type Candidates = BTreeMap<LocationId, Arc<Candidate>>;

/// What opens a location.
pub(crate) enum Access {
    /// A private integration token.
    Private(SecretString),
    App(Arc<App>),
}

impl Candidate {
    /// A client with an allowance of its own.
    pub(crate) fn client(&self, transport: &Transport) -> Client {
        let (transport, location_id) = (transport.clone(), self.known.location_id.clone());
        match &self.access {
            Access::Private(token) => Client::new(transport, location_id, token.clone()),
            Access::App(app) => {
                let tokens = app.tokens(CredentialOwner::Location(location_id.clone()));
                Client::with_tokens(transport, location_id, Arc::new(tokens))
            }
        }
    }
}
