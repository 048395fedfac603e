//! The locations that are mirrored, and the access to each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use domain::LocationId;
use eventlog::CredentialOwner;
use ghl::{Client, Transport};
use tokio::sync::Mutex;

use crate::app::marketplace::App;
use crate::app::private::PrivateToken;

/// A location that is mirrored.
pub(crate) struct Candidate {
    pub(crate) location: eventlog::Location,
    pub(crate) access: Access,
    /// Nobody leases it until a person resumes it.
    pub(crate) is_paused: bool,
}

/// The access to a location.
#[derive(Clone)]
pub(crate) enum Access {
    Private(PrivateToken),
    App(Arc<App>),
}

impl Access {
    /// Whether a client that was made with the one goes on with the other.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Private(one), Self::Private(other)) => one.is(other),
            (Self::App(_), Self::App(_)) => true,
            (Self::Private(_), Self::App(_)) | (Self::App(_), Self::Private(_)) => false,
        }
    }

    /// A client with a call budget of its own.
    pub(crate) fn client(&self, transport: &Transport, location_id: &LocationId) -> Client {
        let (transport, location_id) = (transport.clone(), location_id.clone());
        match self {
            Self::Private(token) => Client::with_tokens(transport, location_id, Arc::new(token.clone())),
            Self::App(app) => {
                let tokens = app.tokens(CredentialOwner::Location(location_id.clone()));
                Client::with_tokens(transport, location_id, Arc::new(tokens))
            }
        }
    }
}

pub(crate) type CandidateMap = BTreeMap<LocationId, Arc<Candidate>>;

/// What is done with a webhook's location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    Paused,
    /// It is not mirrored.
    Unknown,
}

/// All locations that are mirrored: those of the settings, those that a person added, and those where the app is installed, unless they were
/// retired.
pub(crate) struct Candidates {
    /// Those of the settings.
    listed: BTreeSet<LocationId>,
    /// None until they are connected.
    connected: RwLock<Option<Arc<CandidateMap>>>,
    /// Locations that are not mirrored any more, whatever is left of them.
    retired: RwLock<Arc<BTreeSet<LocationId>>>,
    /// Up to which change in the log's database they are known. Locked while they are read, so that the newest reading is what counts.
    pub(crate) followed: Mutex<Option<i64>>,
}

impl Candidates {
    pub(crate) fn new(listed: BTreeSet<LocationId>) -> Self {
        Self { listed, connected: RwLock::default(), retired: RwLock::default(), followed: Mutex::default() }
    }

    /// None until they are connected.
    pub(crate) fn connected(&self) -> Option<Arc<CandidateMap>> {
        self.connected.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Empty until they are connected.
    pub(crate) fn all(&self) -> Arc<CandidateMap> {
        self.connected().unwrap_or_default()
    }

    pub(crate) fn retired(&self) -> Arc<BTreeSet<LocationId>> {
        Arc::clone(&self.retired.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_listed(&self, location_id: &LocationId) -> bool {
        self.listed.contains(location_id)
    }

    pub(crate) fn set(&self, candidates: CandidateMap, retired: BTreeSet<LocationId>) {
        *self.retired.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(retired);
        *self.connected.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(candidates));
    }

    /// What is done with a location; none while that is not known yet.
    pub(crate) fn standing(&self, location_id: &LocationId) -> Option<Standing> {
        let of = |candidate: &Arc<Candidate>| if candidate.is_paused { Standing::Paused } else { Standing::Active };
        match &*self.connected.read().unwrap_or_else(PoisonError::into_inner) {
            Some(connected) => Some(connected.get(location_id).map_or(Standing::Unknown, of)),
            None => self.listed.contains(location_id).then_some(Standing::Active),
        }
    }
}
