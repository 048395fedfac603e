//! The records of GHL with the field names of this project: every field that is mirrored or audited.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Moment, RecordKind};

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Contact {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_not_disturb: Option<bool>,
    /// The channels on which nobody may write or call, in lower case, with GHL's word for it: `active`, or `permanent`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub do_not_disturb_channels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub additional_emails: BTreeSet<String>,
    /// Further numbers, each with what it is called, or with an empty text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub additional_phones: BTreeMap<String, String>,
    /// Addresses of files.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub attachments: BTreeSet<String>,
    /// A GHL user id; the name is in the event's `Names`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_id: Option<String>,
    /// A set, because the order that GHL gives has no meaning.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// By field id; values keep the JSON type they came with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_fields: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_at: Option<Moment>,
    /// Changes with every edit, also of fields that are not kept here, so it does not count as a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

/// A task about a contact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Task {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// May be HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Moment>,
    pub done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// The IANA name of the location's time zone, in which people read when it is due; none where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// A note about a contact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Note {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// May be HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    pub pinned: bool,
    /// Addresses of files.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub attachments: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_at: Option<Moment>,
}

/// An appointment with a contact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Appointment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Moment>,
    /// The IANA name of the location's time zone, in which people read the times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// May be HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

/// The content of one record, whatever its kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Record {
    Contact(Box<Contact>),
    Task(Task),
    Note(Note),
    Appointment(Appointment),
}

/// This program writes the kind first, so that the rest can be deserialized directly. With the kind anywhere else the fields before it
/// are buffered as JSON.
impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

const KIND: &str = "kind";

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the field `kind`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut before = serde_json::Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if key != KIND {
                before.insert(key, map.next_value()?);
                continue;
            }
            let kind = map.next_value()?;
            if before.is_empty() {
                return of_kind(kind, MapAccessDeserializer::new(map));
            }
            while let Some((key, value)) = map.next_entry()? {
                before.insert(key, value);
            }
            return of_kind(kind, Value::Object(before)).map_err(A::Error::custom);
        }
        Err(A::Error::missing_field(KIND))
    }
}

fn of_kind<'de, D: Deserializer<'de>>(kind: RecordKind, content: D) -> Result<Record, D::Error> {
    match kind {
        RecordKind::Contact => Ok(Record::Contact(Box::deserialize(content)?)),
        RecordKind::Task => Ok(Record::Task(Task::deserialize(content)?)),
        RecordKind::Note => Ok(Record::Note(Note::deserialize(content)?)),
        RecordKind::Appointment => Ok(Record::Appointment(Appointment::deserialize(content)?)),
    }
}

impl Record {
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Contact(_) => RecordKind::Contact,
            Self::Task(_) => RecordKind::Task,
            Self::Note(_) => RecordKind::Note,
            Self::Appointment(_) => RecordKind::Appointment,
        }
    }

    /// When GHL created the record, if it says so.
    pub fn added_at(&self) -> Option<&Moment> {
        match self {
            Self::Contact(contact) => contact.added_at.as_ref(),
            Self::Task(_) => None,
            Self::Note(note) => note.added_at.as_ref(),
            Self::Appointment(appointment) => appointment.added_at.as_ref(),
        }
    }

    /// When GHL last changed the record, if it says so.
    pub fn updated_at(&self) -> Option<&Moment> {
        match self {
            Self::Contact(contact) => contact.updated_at.as_ref(),
            Self::Task(_) | Self::Note(_) => None,
            Self::Appointment(appointment) => appointment.updated_at.as_ref(),
        }
    }

    /// The ids that need a name before a person can read the record.
    pub fn references(&self) -> References<'_> {
        let mut references = References::default();
        self.refer(&mut references);
        references
    }

    pub(crate) fn refer<'a>(&'a self, to: &mut References<'a>) {
        match self {
            Self::Contact(contact) => contact.refer(to),
            Self::Task(task) => to.users.extend(task.assigned_to.as_deref()),
            Self::Note(note) => to.users.extend(note.user_id.as_deref()),
            Self::Appointment(appointment) => {
                to.users.extend(appointment.assigned_to.as_deref());
                to.calendars.extend(appointment.calendar_id.as_deref());
            }
        }
    }
}

impl Contact {
    pub(crate) fn refer<'a>(&'a self, to: &mut References<'a>) {
        to.users.extend(self.assigned_to.as_deref());
        to.fields.extend(self.custom_fields.keys().map(String::as_str));
    }
}

/// Ids of GHL's users, custom fields and calendars.
#[derive(Debug, Default)]
pub struct References<'a> {
    pub users: BTreeSet<&'a str>,
    pub fields: BTreeSet<&'a str>,
    pub calendars: BTreeSet<&'a str>,
}
