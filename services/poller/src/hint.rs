//! A hint that a contact may have changed, as it travels over the bus and as it is parked.

use domain::{ContactId, LocationId, Net, RecordId, RecordKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A hint as it travels over the bus: ids and kinds only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hinted {
    pub(crate) location_id: LocationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contact_id: Option<ContactId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<(RecordKind, RecordId)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
    pub(crate) net: Net,
    /// When the webhook came, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) received_at: Option<Timestamp>,
}

impl Hinted {
    /// What is parked when a contact cannot be looked at: sent again, it asks for another look. It is the same whatever the reason to
    /// look was, so that a contact that keeps failing is parked once.
    pub(crate) fn redriven(location_id: &LocationId, contact_id: &ContactId) -> Self {
        let net = Net::Operator { who: "redrive".to_owned() };
        Self {
            location_id: location_id.clone(),
            contact_id: Some(contact_id.clone()),
            record: None,
            deleted: false,
            net,
            received_at: None,
        }
    }

    pub(crate) fn whom(&self) -> Option<Whom> {
        match (&self.contact_id, &self.record) {
            (Some(contact_id), _) => Some(Whom::Contact(contact_id.clone())),
            (None, Some((RecordKind::Task, task))) => Some(Whom::OwnerOf(task.clone())),
            (None, Some((RecordKind::Contact | RecordKind::Note | RecordKind::Appointment, _)) | None) => None,
        }
    }
}

/// Whom a hint is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Whom {
    Contact(ContactId),
    /// A task of whom the hint does not say.
    OwnerOf(RecordId),
}

/// Why something is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) reason: String,
    pub(crate) status: Option<u16>,
    pub(crate) attempts: u32,
}
