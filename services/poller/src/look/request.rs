//! Which contact to look at, which of its parts, and on whose behalf.

use domain::{ContactId, Net, RecordId, RecordKind, Shown};
use jiff::Timestamp;

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) contact_id: ContactId,
    pub(crate) contact: ContactPart,
    pub(crate) records: RecordParts,
    pub(crate) missing: Missing,
    /// What a list shows of the contact and its records. Where the answers do not speak of a field, it is taken from here.
    pub(crate) listed: Vec<ListedRecord>,
    pub(crate) net: Net,
    pub(crate) traceparent: Option<String>,
}

impl Request {
    /// For the contact and everything that belongs to it.
    pub(crate) fn whole(contact_id: ContactId, net: Net, traceparent: Option<String>) -> Self {
        Self {
            contact_id,
            contact: ContactPart::Fetch,
            records: RecordParts::ALL,
            missing: Missing::Unconfirmed,
            listed: Vec::new(),
            net,
            traceparent,
        }
    }

    pub(crate) fn with(self, missing: Missing) -> Self {
        Self { missing, ..self }
    }
}

/// What it means that a known record is missing from its contact's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing yet: it may be a slip of GHL's.
    Unconfirmed,
    /// That it is gone: a complete list of the location lacked it, too.
    Confirmed,
    /// It cannot be: nothing is known of the contact.
    Nothing,
}

/// Where the contact itself comes from.
#[derive(Clone, Debug)]
pub(crate) enum ContactPart {
    /// GHL is asked for it by its id.
    Fetch,
    /// A search showed it: GHL is not asked again.
    Found(Box<FoundContact>),
    /// Only its records are requested.
    Skip,
}

impl ContactPart {
    /// For another look: what a search showed need not be appended again.
    pub(crate) fn again(self) -> Self {
        match self {
            Self::Fetch => Self::Fetch,
            Self::Found(_) | Self::Skip => Self::Skip,
        }
    }
}

/// A contact as a search showed it.
#[derive(Clone, Debug)]
pub(crate) struct FoundContact {
    pub(crate) shown: Shown,
    pub(crate) answer: AnswerId,
}

/// A record as a list showed it.
#[derive(Clone, Debug)]
pub(crate) struct ListedRecord {
    pub(crate) kind: RecordKind,
    pub(crate) record_id: RecordId,
    pub(crate) shown: Shown,
}

/// When GHL was asked for an answer, and its id at GHL.
#[derive(Clone, Debug)]
pub(crate) struct AnswerId {
    pub(crate) asked_at: Timestamp,
    pub(crate) trace_id: Option<String>,
}

/// Which of the contact's records are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordParts {
    pub(crate) tasks: bool,
    pub(crate) notes: bool,
    pub(crate) appointments: bool,
}

impl RecordParts {
    pub(crate) const ALL: Self = Self { tasks: true, notes: true, appointments: true };
    pub(crate) const NONE: Self = Self { tasks: false, notes: false, appointments: false };
    pub(crate) const NOTES: Self = Self { tasks: false, notes: true, appointments: false };
    pub(crate) const TASKS: Self = Self { tasks: true, notes: false, appointments: false };
    pub(crate) const APPOINTMENTS: Self = Self { tasks: false, notes: false, appointments: true };
}
