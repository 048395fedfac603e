//! The plan for one object.

use serde_json::Value;

use crate::{Applied, FieldChange, Intent, ObjectKey, ObjectKind, Policy, RecordId, RecordKind, Revision, RulesRevision};

/// The row of an object in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    pub applied: Applied,
    /// The rules that made it.
    pub rules: RulesRevision,
    /// The object was removed from the workspace.
    pub removed: bool,
}

/// An object as the workspace answered that it holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Present {
    pub revision: Revision,
    pub content: Value,
}

/// What is done about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Put,
    Remove,
    Skip,
}

/// Why it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The workspace does not hold the object.
    Missing,
    /// The workspace holds an older revision.
    Behind,
    /// The rules changed, or the mapping that follows them, and give the event another content, as far as is known.
    Rules,
    /// Somebody else changed the object in the workspace.
    Drift,
    /// The record is gone from GHL but the object is still in the workspace.
    Vanished,
    /// The workspace holds the wanted content.
    Equal,
    /// The workspace holds a newer revision.
    Newer,
    /// The object was started once and belongs to the user.
    Started,
    /// The object should not exist, and does not.
    Absent,
    /// The event that decides cannot be read.
    Unreadable,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Behind => "behind",
            Self::Rules => "rules",
            Self::Drift => "drift",
            Self::Vanished => "vanished",
            Self::Equal => "equal",
            Self::Newer => "newer",
            Self::Started => "started",
            Self::Absent => "absent",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What is done about one object, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    pub object: ObjectKey,
    pub kind: ObjectKind,
    pub policy: Policy,
    pub step: Step,
    pub reason: Reason,
    /// The revision of the event that decides.
    pub cause: Revision,
    /// The fields that would change, if the current content is known.
    pub changes: Vec<FieldChange>,
    /// The intent to send; none for a skipped object.
    pub intent: Option<Intent>,
    /// The revision of a ledger row that the workspace contradicts. The row must be deleted before the intent is sent.
    pub forget: Option<Revision>,
}

impl Planned {
    /// An object that is left alone without reading its event.
    pub fn skipped(object: ObjectKey, kind: ObjectKind, reason: Reason, cause: Revision) -> Self {
        let (step, policy) = (Step::Skip, Policy::Mirror);
        Self { object, kind, policy, step, reason, cause, changes: Vec::new(), intent: None, forget: None }
    }

    /// The object of a record whose event cannot be read.
    pub fn unreadable(kind: RecordKind, record_id: &RecordId, cause: Revision) -> Self {
        Self::skipped(ObjectKey::of_record(kind, record_id), ObjectKind::mirroring(kind), Reason::Unreadable, cause)
    }

    /// Whether the object would be written or removed.
    pub fn acts(&self) -> bool {
        self.step != Step::Skip
    }

    /// Whether an object would be started that the user may have removed.
    pub fn starts(&self) -> bool {
        self.policy == Policy::Once && self.acts()
    }

    /// Leaves the object to the user, because the workspace remembers that it was started there.
    pub fn leave(&mut self) {
        (self.step, self.reason) = (Step::Skip, Reason::Started);
        self.changes.clear();
        (self.intent, self.forget) = (None, None);
    }
}
