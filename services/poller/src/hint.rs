//! A hint that a contact may have changed, as it travels over the bus and as it is parked.

use bus::Subject;
use domain::{ContactId, LocationId, Net, RecordId, RecordKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a hint says that comes from a person and not from a webhook.
const REDRIVEN: &str = "redriven";

/// Ids and kinds only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hint {
    pub(crate) location_id: LocationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contact_id: Option<ContactId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<(RecordKind, RecordId)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
    pub(crate) net: Net,
    /// When the webhook was received, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) received_at: Option<Timestamp>,
}

impl Hint {
    pub(crate) fn from_webhook(hint: ghl::webhook::Hint) -> Self {
        let ghl::webhook::Hint { location_id, contact_id, record, kind, webhook_id, deleted, app_id: _, sent_at: _ } = hint;
        Self { location_id, contact_id, record, deleted, net: Net::Webhook { webhook_id, kind }, received_at: Some(Timestamp::now()) }
    }

    /// What is parked when a contact cannot be looked at; redriven, it asks for another look. It does not depend on why the contact was
    /// looked at, so that a contact which keeps failing is parked once.
    pub(crate) fn redriven(location_id: LocationId, contact_id: ContactId) -> Self {
        let net = Net::Operator { who: "redrive".to_owned() };
        Self { location_id, contact_id: Some(contact_id), record: None, deleted: false, net, received_at: None }
    }

    /// Where it is published. A hint replaces one that waits and has the same subject, so each thing that can be said has one of its own: that a
    /// record changed or was made, and that it is gone.
    pub(crate) fn subject(&self) -> Subject {
        let gone = if self.deleted { "/gone" } else { "" };
        let said = match (&self.net, &self.record) {
            (Net::Operator { .. }, _) => REDRIVEN.to_owned(),
            (_, Some((kind, record_id))) => format!("{kind}/{record_id}{gone}"),
            (_, None) => format!("{}{gone}", RecordKind::Contact),
        };
        Subject::hints(&self.location_id, self.contact_id.as_ref(), &said)
    }

    /// Whether the searches and lists that the watch reads anyway show what it is about: all but what is gone, notes, which only their
    /// contacts list, and appointments, of which the watch reads those near today.
    pub(crate) fn is_found_by_search(&self) -> bool {
        let kind = self.record.as_ref().map_or(RecordKind::Contact, |(kind, _)| *kind);
        !self.deleted && matches!(kind, RecordKind::Contact | RecordKind::Task)
    }

    /// None for a hint that names neither a contact nor a record.
    pub(crate) fn key(&self) -> Option<HintKey> {
        match (&self.contact_id, &self.record) {
            (Some(contact_id), _) => Some(HintKey::Contact(contact_id.clone())),
            (None, Some((kind, record_id))) => Some(HintKey::OwnerOf(*kind, record_id.clone())),
            (None, None) => None,
        }
    }
}

/// Which contact a hint is about. Hints with the same key are answered by one look.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum HintKey {
    Contact(ContactId),
    /// The contact of this record, which the hint does not name.
    OwnerOf(RecordKind, RecordId),
}
