//! What an event says.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::{Record, References};
use crate::{ObjectKey, ObjectKind, Revision, Workspace};

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A record of GHL appeared, changed, vanished or returned.
    Record(Box<RecordFact>),
    /// The writer delivered objects to Pagico, or could not.
    Delivery(DeliveryFact),
    /// A person did something.
    Operator(OperatorFact),
    /// An event of an erased contact: that something happened is still known, what happened is not.
    Erased,
}

/// How a record differs from what was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Appeared,
    Changed,
    Vanished,
    Returned,
    /// It vanished from another contact and is still on this one, unchanged: the object that mirrors it must not be removed.
    Remained,
}

impl Change {
    pub const ALL: [Self; 5] = [Self::Appeared, Self::Changed, Self::Vanished, Self::Returned, Self::Remained];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Appeared => "appeared",
            Self::Changed => "changed",
            Self::Vanished => "vanished",
            Self::Returned => "returned",
            Self::Remained => "remained",
        }
    }
}

/// A change of one record with the whole record: nothing else is needed to map it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordFact {
    pub change: Change,
    /// The whole content after the change; of a vanished record, the last content known.
    pub record: Record,
    /// Without fields that were never read before: they are in the record alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    #[serde(skip_serializing_if = "Names::is_empty")]
    pub names: Names,
    /// GHL created the record after the location was connected. Triggers fire on this.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub new_in_ghl: bool,
}

impl RecordFact {
    /// Whether something happened to the record. Where it changed in no field, other names are shown, or fields that no program read
    /// before.
    pub fn is_news(&self) -> bool {
        self.change != Change::Changed || !self.changes.is_empty()
    }
}

/// One field, before and after. Absent and null are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// With a dot where one part of a field changed: `custom_fields.<id>`.
    pub field: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
}

/// The names of what a record refers to, as they were when it was observed. A new name is no change of any field: a changed event for it has
/// no `changes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Names {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub calendars: BTreeMap<String, String>,
    /// The types of custom fields, as GHL calls them: how their values read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub field_types: BTreeMap<String, String>,
    /// What the parts and choices of custom fields are called, by field and by the key that values name them with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub field_labels: BTreeMap<String, BTreeMap<String, String>>,
}

impl Names {
    pub fn is_empty(&self) -> bool {
        let Self { users, fields, calendars, field_types, field_labels } = self;
        users.is_empty() && fields.is_empty() && calendars.is_empty() && field_types.is_empty() && field_labels.is_empty()
    }

    /// Those of these ids that have no name.
    pub fn without<'a>(&self, references: &References<'a>) -> BTreeSet<&'a str> {
        let of = [(&self.users, &references.users), (&self.fields, &references.fields), (&self.calendars, &references.calendars)];
        of.into_iter().flat_map(|(names, ids)| ids.iter().filter(|id| !names.contains_key(**id))).copied().collect()
    }

    /// The names of these alone.
    pub fn only(&self, references: &References<'_>) -> Self {
        fn pick<T: Clone>(names: &BTreeMap<String, T>, ids: &BTreeSet<&str>) -> BTreeMap<String, T> {
            ids.iter().filter_map(|id| names.get_key_value(*id)).map(|(id, name)| (id.clone(), name.clone())).collect()
        }
        Self {
            users: pick(&self.users, &references.users),
            fields: pick(&self.fields, &references.fields),
            calendars: pick(&self.calendars, &references.calendars),
            field_types: pick(&self.field_types, &references.fields),
            field_labels: pick(&self.field_labels, &references.fields),
        }
    }
}

/// Deliveries of one contact's objects that ended the same way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeliveryFact {
    pub outcome: DeliveryOutcome,
    pub deliveries: Vec<Delivery>,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryOutcome {
    /// The workspace holds the content of this revision, or the object is gone as it should be.
    Delivered,
    /// The workspace refused it because it holds something newer.
    Refused,
    /// The delivery waits for a person.
    Parked,
    /// A person sent a parked delivery again.
    Redriven,
}

impl DeliveryOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Parked => "parked",
            Self::Redriven => "redriven",
        }
    }
}

/// One object on its way to Pagico.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub workspace: Workspace,
    pub kind: ObjectKind,
    pub object: ObjectKey,
    pub revision: Revision,
    /// What the workspace answered: `created`, `updated`, `unchanged`, `kept`, `removed`, `stale` or the reason it was refused.
    pub answer: String,
}

/// Something a person did, named `operator.<verb>`: here, or at GHL where it concerns the whole location (`renamed`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperatorFact {
    pub verb: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}
