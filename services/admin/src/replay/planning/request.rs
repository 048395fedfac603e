//! What is planned, what comes of it, and why nothing may.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::replay::Planned;
use domain::{ContactId, LocationId, Rules, RulesRevision, Workspace};

/// What is to be planned.
#[derive(Clone)]
pub struct Request {
    pub location_id: LocationId,
    /// None is every contact.
    pub contact_id: Option<ContactId>,
    pub workspace: Workspace,
    pub edition: u32,
    pub rules: Arc<Rules>,
    /// Every text of rules that is known.
    pub earlier: Arc<BTreeMap<RulesRevision, Rules>>,
    /// The last position that counts.
    pub through: u64,
    /// The bridge to ask what the workspace really holds; none to trust the ledger.
    pub bridge: Option<pagico::Bridge>,
    pub page_events: u32,
    pub connections: usize,
}

/// What would be done about the objects of one contact.
pub struct ContactPlan {
    pub contact_id: ContactId,
    pub planned: Vec<Planned>,
}

/// How many events and contacts were looked at so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub events: u64,
    pub contacts: u64,
}

/// The progress as several connections count it.
#[derive(Debug, Default)]
pub(super) struct Counters {
    events: AtomicU64,
    contacts: AtomicU64,
}

impl Counters {
    pub(super) fn add_events(&self, count: usize) {
        self.events.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn add_contacts(&self, count: usize) {
        self.contacts.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { events: self.events.load(Ordering::Relaxed), contacts: self.contacts.load(Ordering::Relaxed) }
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Log(#[from] eventlog::Error),
    #[error(transparent)]
    Bridge(#[from] pagico::Error),
    /// Nobody wants the plan any more.
    #[error("the plan is no longer wanted")]
    Unwanted,
    #[error("planning ended unexpectedly")]
    Broken,
}
