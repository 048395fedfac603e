//! The locations that may be leased, and the access to each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use domain::LocationId;
use eventlog::CredentialOwner;
use ghl::{Client, Transport};
use secrecy::SecretString;

use crate::app::marketplace::App;

/// A location that may be leased.
pub(crate) struct Candidate {
    pub(crate) location: eventlog::Location,
    pub(crate) access: Access,
}

/// The access to a location.
pub(crate) enum Access {
    /// A private integration token.
    Private(SecretString),
    App(Arc<App>),
}

impl Candidate {
    /// A client with a call budget of its own.
    pub(crate) fn client(&self, transport: &Transport) -> Client {
        let (transport, location_id) = (transport.clone(), self.location.location_id.clone());
        match &self.access {
            Access::Private(token) => Client::new(transport, location_id, token.clone()),
            Access::App(app) => {
                let tokens = app.tokens(CredentialOwner::Location(location_id.clone()));
                Client::with_tokens(transport, location_id, Arc::new(tokens))
            }
        }
    }
}

pub(crate) type CandidateMap = BTreeMap<LocationId, Arc<Candidate>>;

/// All locations that may be leased: those of the settings, and those where the app is installed.
pub(crate) struct Candidates {
    /// Those of the settings.
    listed: BTreeSet<LocationId>,
    has_app: bool,
    /// None until they are connected.
    connected: RwLock<Option<Arc<CandidateMap>>>,
}

impl Candidates {
    pub(crate) fn new(listed: BTreeSet<LocationId>, has_app: bool) -> Self {
        Self { listed, has_app, connected: RwLock::default() }
    }

    /// None until they are connected.
    pub(crate) fn connected(&self) -> Option<Arc<CandidateMap>> {
        self.connected.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Empty until they are connected.
    pub(crate) fn all(&self) -> Arc<CandidateMap> {
        self.connected().unwrap_or_default()
    }

    pub(crate) fn set(&self, candidates: CandidateMap) {
        *self.connected.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(candidates));
    }

    /// Whether a location may be leased; none while that is not known yet.
    pub(crate) fn contains(&self, location_id: &LocationId) -> Option<bool> {
        match &*self.connected.read().unwrap_or_else(PoisonError::into_inner) {
            Some(connected) => Some(connected.contains_key(location_id)),
            None if self.listed.contains(location_id) => Some(true),
            None => (!self.has_app).then_some(false),
        }
    }
}
