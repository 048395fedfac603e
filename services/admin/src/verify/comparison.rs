//! What a comparison works with, and why it ends early.

use std::time::Duration;

use domain::{CombinedDigest, ContactId, LocationId, ObjectKey, Rules, Workspace};
use eventlog::{Answers, Keys, KnownRecords, Ledger, Locations};
use pagico::{Bridge, ContactDigest};
use proto::replay::v1 as api;
use proto::replay::v1::verify_replay_response::Part;
use tokio::sync::mpsc;
use tonic::Status;

use crate::config::VerifySettings;
use crate::status::{status_of_bridge, status_of_log};

/// What is compared with what.
#[derive(Clone)]
pub(crate) struct Comparison {
    pub(crate) locations: Locations,
    pub(crate) known: KnownRecords,
    pub(crate) answers: Answers,
    pub(crate) keys: Keys,
    pub(crate) ledger: Ledger,
    pub(crate) bridge: Bridge,
    pub(crate) location_id: LocationId,
    pub(crate) workspace: Workspace,
    /// The rules of the workspace.
    pub(crate) rules: Rules,
    /// Only this contact; none for all.
    pub(crate) contact_id: Option<ContactId>,
    /// How many differing contacts are examined object by object.
    pub(crate) contacts_max: u32,
    pub(crate) settings: VerifySettings,
}

pub(super) type Sender = mpsc::Sender<Result<api::VerifyReplayResponse, Status>>;

/// How long to wait before a contact is compared again whose change may only be on its way.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Why a comparison ends early.
#[derive(Debug)]
pub(super) enum Ended {
    Failed(Status),
    /// Nobody listens any more.
    CallerGone,
}

impl From<eventlog::Error> for Ended {
    fn from(error: eventlog::Error) -> Self {
        Self::Failed(status_of_log(error))
    }
}

impl From<pagico::Error> for Ended {
    fn from(error: pagico::Error) -> Self {
        Self::Failed(status_of_bridge(&error))
    }
}

impl Comparison {
    /// The digest that the workspace has of a contact.
    pub(super) async fn contact_digest(&self, contact: &ObjectKey) -> Result<ContactDigest, Ended> {
        match self.bridge.contact_digest(&self.workspace, contact).await {
            Err(pagico::Error::WorkspaceUnknown) => Ok(ContactDigest { digest: CombinedDigest::default().digest(), objects: 0 }),
            digest => Ok(digest?),
        }
    }
}

pub(super) async fn send(to: &Sender, part: Part) -> Result<(), Ended> {
    to.send(Ok(api::VerifyReplayResponse { part: Some(part) })).await.map_err(|_| Ended::CallerGone)
}
