//! What was brought to Pagico.

use std::collections::BTreeMap;

use domain::{Applied, ContactId, DeliveryOutcome, LocationId, ObjectKey, ObjectKind, Policy, Revision, RulesRevision, Workspace};

use crate::{EventLog, Result};

/// How the delivery of one object ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub contact_id: ContactId,
    pub kind: ObjectKind,
    pub object: ObjectKey,
    pub workspace: Workspace,
    pub revision: Revision,
    pub policy: Policy,
    pub rules: RulesRevision,
    /// The object is gone from the workspace, as it should be.
    pub removed: bool,
    pub outcome: DeliveryOutcome,
    /// What the workspace answered, in a word; nothing personal.
    pub answer: String,
    pub traceparent: Option<String>,
    /// What is needed to try again; for `Parked` alone.
    pub parked: Option<ParkedMessage>,
}

/// The message whose delivery waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedMessage {
    pub message: Vec<u8>,
    /// HTTP status of the last answer, where there was one.
    pub status: Option<u16>,
    pub attempts: u32,
}

impl EventLog {
    /// Records how deliveries ended: appends `delivery.*`, moves the ledger (never back), parks what must wait, and resolves what
    /// waited for an object that has now been delivered. Repeating a settlement changes nothing.
    pub async fn settle(&self, location_id: &LocationId, settlements: &[Settlement]) -> Result<()> {
        todo!("{location_id} {}", settlements.len())
    }

    /// What the ledger holds of these objects.
    pub async fn applied(
        &self,
        location_id: &LocationId,
        workspace: &Workspace,
        objects: &[ObjectKey],
    ) -> Result<BTreeMap<ObjectKey, Applied>> {
        todo!("{location_id} {workspace} {}", objects.len())
    }
}
