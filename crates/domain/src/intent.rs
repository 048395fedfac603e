//! What Pagico should hold.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{ContactId, EventId, LocationId, Moment, ObjectKey, RecordKind, RulesRevision, Workspace};

/// A position in the log with its epoch, which orders the intents that it caused. A later epoch is newer than every position of an earlier
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision {
    pub epoch: u32,
    pub seq: u64,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

/// The content that one Pagico object should have, or that it should be removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "WireIntent")]
pub struct Intent {
    pub location_id: LocationId,
    /// The workspace that the object belongs in.
    pub workspace: Workspace,
    /// The edition of the workspace's rules that made it. Of two intents of one revision the one with the later edition decides.
    #[serde(skip_serializing_if = "is_first")]
    pub edition: u32,
    /// The contact that the object is about.
    pub contact_id: ContactId,
    pub kind: ObjectKind,
    pub object: ObjectKey,
    pub revision: Revision,
    pub policy: Policy,
    pub rules: RulesRevision,
    pub event_id: EventId,
    pub action: Action,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires this signature")]
fn is_first(edition: &u32) -> bool {
    *edition == 0
}

/// An intent as the bus carries it. Intents of old versions name no workspace and belong to the one named like their location.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireIntent {
    location_id: LocationId,
    workspace: Option<Workspace>,
    #[serde(default)]
    edition: u32,
    contact_id: ContactId,
    kind: ObjectKind,
    object: ObjectKey,
    revision: Revision,
    policy: Policy,
    rules: RulesRevision,
    event_id: EventId,
    action: Action,
}

impl From<WireIntent> for Intent {
    fn from(wire: WireIntent) -> Self {
        let WireIntent { location_id, workspace, edition, contact_id, kind, object, revision, policy, rules, event_id, action } = wire;
        let workspace = workspace.unwrap_or_else(|| Workspace::live_of(&location_id));
        Self { location_id, workspace, edition, contact_id, kind, object, revision, policy, rules, event_id, action }
    }
}

impl Intent {
    /// The same object in another workspace, or by a later edition of its rules.
    #[must_use]
    pub fn bound_for(self, workspace: &Workspace, edition: u32) -> Self {
        Self { workspace: workspace.clone(), edition, ..self }
    }

    /// The bytes that the bus carries.
    ///
    /// # Errors
    /// Never with these types, which always serialize; the error is passed on rather than hidden.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// # Errors
    /// The position of the first byte that does not fit, without quoting it.
    pub fn decode(bytes: &[u8]) -> Result<Self, crate::Decode> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// Who owns an object once it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// GHL: it is overwritten whenever it differs.
    Mirror,
    /// The user: it is created once, then left alone.
    Once,
}

/// What kind of thing an object is in Pagico.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    Contact,
    Project,
    Task,
    Note,
    Appointment,
}

impl ObjectKind {
    pub const ALL: [Self; 5] = [Self::Contact, Self::Project, Self::Task, Self::Note, Self::Appointment];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Project => "project",
            Self::Task => "task",
            Self::Note => "note",
            Self::Appointment => "appointment",
        }
    }

    /// The name in the paths of the bridge.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Contact => "contacts",
            Self::Project => "projects",
            Self::Task => "tasks",
            Self::Note => "notes",
            Self::Appointment => "appointments",
        }
    }

    /// The kind of the object that mirrors a record.
    pub fn mirroring(kind: RecordKind) -> Self {
        match kind {
            RecordKind::Contact => Self::Contact,
            RecordKind::Task => Self::Task,
            RecordKind::Note => Self::Note,
            RecordKind::Appointment => Self::Appointment,
        }
    }

    pub fn parse(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == kind)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Put(Box<Content>),
    Remove,
}

/// The whole content of an object. Its JSON is the content that the bridge accepts for its kind, under the name of the kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    Contact(ContactContent),
    Project(ProjectContent),
    Task(TaskContent),
    Note(NoteContent),
    Appointment(AppointmentContent),
}

impl Content {
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::Contact(_) => ObjectKind::Contact,
            Self::Project(_) => ObjectKind::Project,
            Self::Task(_) => ObjectKind::Task,
            Self::Note(_) => ObjectKind::Note,
            Self::Appointment(_) => ObjectKind::Appointment,
        }
    }

    /// The content alone, as JSON.
    ///
    /// # Errors
    /// Never with these types, which always serialize; the error is passed on rather than hidden.
    pub fn to_json(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(UntaggedContent(self))
    }
}

/// A content that serializes without the name of its kind around it.
pub struct UntaggedContent<'a>(pub &'a Content);

impl Serialize for UntaggedContent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Content::Contact(content) => content.serialize(serializer),
            Content::Project(content) => content.serialize(serializer),
            Content::Task(content) => content.serialize(serializer),
            Content::Note(content) => content.serialize(serializer),
            Content::Appointment(content) => content.serialize(serializer),
        }
    }
}

/// A contact profile, which is also the container of the objects that belong to the person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContactContent {
    /// Never empty: for a contact without a name, its company, e-mail, phone or id.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Several lines, as on an envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birthday: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_not_disturb: Option<bool>,
    /// The channels on which nobody may write or call, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub do_not_disturb_on: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_emails: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_phones: Vec<String>,
    /// Links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub custom_fields: Vec<CustomField>,
}

/// A custom field in readable form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomField {
    pub name: String,
    pub value: String,
    /// Where the file is that the value names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectContent {
    pub title: String,
    /// The contact profile that the project is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ObjectKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskContent {
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ObjectKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Without a date the task is in Pagico's "Someday".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Moment>,
    /// In which people read when it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    pub done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoteContent {
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ObjectKey>,
    pub body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    pub pinned: bool,
    /// Links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppointmentContent {
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ObjectKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
}
