//! Every version that each record went through, kept on request for those who ask afterwards.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    premises::Premises,
    records::{Appointment, Contact, Note, Task},
    wire::{self, ApiVersion, ContactById},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    Contact,
    Task,
    Note,
    Appointment,
}

/// What a record was from an instant on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Version {
    pub at: Timestamp,
    /// What it hung on: one contact, or for tasks several or none. A contact hangs on itself.
    pub contact_ids: Vec<String>,
    /// As [`crate::Snapshot`] has it; None: it was deleted.
    pub content: Option<Value>,
}

#[derive(Clone, Debug)]
pub(crate) enum Row {
    Contact(Arc<Contact>),
    Task(Arc<Task>),
    Note(Arc<Note>),
    Appointment(Arc<Appointment>),
}

impl Row {
    fn key(&self) -> (RecordKind, &str) {
        match self {
            Self::Contact(row) => (RecordKind::Contact, &row.id),
            Self::Task(row) => (RecordKind::Task, &row.id),
            Self::Note(row) => (RecordKind::Note, &row.id),
            Self::Appointment(row) => (RecordKind::Appointment, &row.id),
        }
    }

    fn contact_ids(&self) -> Vec<String> {
        match self {
            Self::Contact(row) => vec![row.id.clone()],
            Self::Task(row) => row.contact_ids().cloned().collect(),
            Self::Note(row) => vec![row.contact_id.clone()],
            Self::Appointment(row) => vec![row.contact_id.clone()],
        }
    }

    fn told(&self, premises: &Premises) -> Value {
        match self {
            Self::Contact(row) => serde_json::to_value(ContactById(row, &premises.location_id, ApiVersion::V2)).unwrap_or_default(),
            Self::Task(row) => wire::task(row),
            Self::Note(row) => wire::note(row),
            Self::Appointment(row) => wire::calendar_event(row, premises, ApiVersion::V2),
        }
    }
}

/// Rows are shared with the state, so that a version costs little.
#[derive(Default)]
pub(crate) struct History(BTreeMap<(RecordKind, String), Versions>);

/// None: it was deleted.
type Versions = Vec<(Timestamp, Option<Row>)>;

impl History {
    pub(crate) fn is(&mut self, row: Row) {
        let (kind, id) = row.key();
        self.0.entry((kind, id.to_owned())).or_default().push((Timestamp::now(), Some(row)));
    }

    pub(crate) fn gone(&mut self, kind: RecordKind, id: &str) {
        self.0.entry((kind, id.to_owned())).or_default().push((Timestamp::now(), None));
    }

    pub(crate) fn told(&self, premises: &Premises) -> BTreeMap<(RecordKind, String), Vec<Version>> {
        let version = |(at, row): &(Timestamp, Option<Row>)| Version {
            at: *at,
            contact_ids: row.as_ref().map(Row::contact_ids).unwrap_or_default(),
            content: row.as_ref().map(|row| row.told(premises)),
        };
        self.0.iter().map(|(key, versions)| (key.clone(), versions.iter().map(version).collect())).collect()
    }
}
