//! What a plan says of each object.

use serde_json::Value;

use crate::{Applied, FieldChange, Intent, ObjectKey, ObjectKind, Policy, RecordId, RecordKind, Revision, RulesRevision};

/// What the ledger holds of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub applied: Applied,
    /// The rules that made it.
    pub rules: RulesRevision,
    /// The object is gone from the workspace, as it should be.
    pub removed: bool,
}

/// What a workspace really holds of an object.
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
    /// The workspace does not have it.
    Missing,
    /// The workspace has an older one.
    Behind,
    /// Other rules make something else of the same event.
    Rules,
    /// Somebody else changed it.
    Drift,
    /// It is gone from GHL and not from the workspace.
    Vanished,
    /// It is there as it should be.
    Equal,
    /// The workspace has a newer one.
    Newer,
    /// It was started once and belongs to the user.
    Started,
    /// It should not be there and is not.
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

/// What would be done about one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    pub object: ObjectKey,
    pub kind: ObjectKind,
    pub policy: Policy,
    pub step: Step,
    pub reason: Reason,
    /// The position of the event that decides.
    pub cause: Revision,
    /// The fields that would change, as far as is known what is there.
    pub changes: Vec<FieldChange>,
    /// What is to be sent; none for what is skipped.
    pub intent: Option<Intent>,
    /// What the ledger says, with this revision, is not what the workspace holds: it is to be forgotten before the intent is sent.
    pub forget: Option<Revision>,
}

impl Planned {
    /// Something that is left alone and whose event was not even read.
    pub fn skipped(object: ObjectKey, kind: ObjectKind, reason: Reason, cause: Revision) -> Self {
        let (step, policy) = (Step::Skip, Policy::Mirror);
        Self { object, kind, policy, step, reason, cause, changes: Vec::new(), intent: None, forget: None }
    }

    /// The object of a record whose event cannot be read.
    pub fn unreadable(kind: RecordKind, record_id: &RecordId, cause: Revision) -> Self {
        Self::skipped(ObjectKey::of_record(kind, record_id), ObjectKind::mirroring(kind), Reason::Unreadable, cause)
    }

    /// Whether anything would be written.
    pub fn acts(&self) -> bool {
        self.step != Step::Skip
    }

    /// Whether something would be started that the user might have removed.
    pub fn starts(&self) -> bool {
        self.policy == Policy::Once && self.acts()
    }

    /// Leaves it to the user, because the workspace remembers that it was started there.
    pub fn leave(&mut self) {
        (self.step, self.reason) = (Step::Skip, Reason::Started);
        self.changes.clear();
        (self.intent, self.forget) = (None, None);
    }
}
