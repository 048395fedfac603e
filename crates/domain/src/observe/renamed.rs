//! Names that have changed, and the records that show them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::known::{Draft, KnownContact, KnownRecord};
use crate::record::References;
use crate::{Change, Names, RecordFact, RecordId, RecordKind};

/// The ids of users, custom fields and calendars that have another name now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Renamed {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub users: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub fields: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub calendars: BTreeSet<String>,
}

impl Renamed {
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.fields.is_empty() && self.calendars.is_empty()
    }

    pub fn add(&mut self, other: Self) {
        self.users.extend(other.users);
        self.fields.extend(other.fields);
        self.calendars.extend(other.calendars);
    }

    /// The kinds of records that may show one of them. The contact always: all that is known of its records hangs on it.
    pub fn kinds(&self) -> Vec<RecordKind> {
        let may_show = |kind: &RecordKind| match kind {
            RecordKind::Contact => true,
            RecordKind::Task | RecordKind::Note => !self.users.is_empty(),
            RecordKind::Appointment => !self.users.is_empty() || !self.calendars.is_empty(),
        };
        RecordKind::ALL.into_iter().filter(may_show).collect()
    }

    /// A change of each record of the contact that shows one of them: its content as it is known, with the names as they are now. It fires no
    /// rule, since nothing is new.
    pub fn drafts(&self, known: &KnownContact, names: &Names, at: Timestamp) -> Vec<Draft> {
        let shown = known.records.iter().filter(|(_, known)| known.present && self.concerns(&known.record.references()));
        let draft = |((_, record_id), known): (&(RecordKind, RecordId), &KnownRecord)| Draft {
            record_id: record_id.clone(),
            occurred_at: at,
            reading: known.reading,
            fact: RecordFact {
                change: Change::Changed,
                record: known.record.clone(),
                changes: Vec::new(),
                names: names.only(&known.record.references()),
                new_in_ghl: false,
            },
        };
        shown.map(draft).collect()
    }

    fn concerns(&self, references: &References<'_>) -> bool {
        let any = |ids: &BTreeSet<String>, referred: &BTreeSet<&str>| referred.iter().any(|id| ids.contains(*id));
        any(&self.users, &references.users) || any(&self.fields, &references.fields) || any(&self.calendars, &references.calendars)
    }
}
