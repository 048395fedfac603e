//! Ids as types: a parsed id is not empty, has a bounded length and contains no control characters. GHL's ids are short enough to be
//! stored inline, so that cloning one allocates nothing.

use std::fmt;

use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The longest id accepted from outside, in bytes.
const ID_BYTES_MAX: usize = 255;

/// Why a text cannot be an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    #[error("id is empty")]
    Empty,
    #[error("id is too long")]
    TooLong,
    #[error("id contains a control character")]
    ControlCharacter,
}

fn checked(id: &str, bytes_max: usize) -> Result<(), BadId> {
    if id.is_empty() {
        Err(BadId::Empty)
    } else if id.len() > bytes_max {
        Err(BadId::TooLong)
    } else if id.chars().any(char::is_control) {
        Err(BadId::ControlCharacter)
    } else {
        Ok(())
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "CompactString")]
        pub struct $name(CompactString);

        impl $name {
            /// # Errors
            /// Refuses an empty id, one of more than 255 bytes and one with control characters.
            pub fn new(id: impl Into<CompactString>) -> Result<Self, BadId> {
                let id = id.into();
                checked(&id, ID_BYTES_MAX)?;
                Ok(Self(id))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<CompactString> for $name {
            type Error = BadId;
            fn try_from(id: CompactString) -> Result<Self, BadId> {
                Self::new(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A GHL sub-account: our tenant.
    LocationId
}
id! {
    /// A person in GHL.
    ContactId
}
id! {
    /// A contact, task, note or appointment in GHL. A contact's record id is its contact id.
    RecordId
}
id! {
    /// One generation of the content in Pagico.
    Workspace
}

impl From<&ContactId> for RecordId {
    fn from(id: &ContactId) -> Self {
        Self(id.0.clone())
    }
}

impl From<RecordId> for ContactId {
    /// The contact whose own record has this id.
    fn from(id: RecordId) -> Self {
        Self(id.0)
    }
}

impl Workspace {
    /// The live workspace of a location that has never promoted another one.
    pub fn live_of(location_id: &LocationId) -> Self {
        Self(location_id.0.clone())
    }
}

/// The external key of a Pagico object, unique within a workspace: `ghl:task/<id>` for an object that mirrors a
/// record, `rule:<rule>/<uuid>` for one that a trigger started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ObjectKey(String);

/// The longest key accepted from outside, in bytes; the limit of the bridge is the same.
const KEY_BYTES_MAX: usize = 512;

impl ObjectKey {
    pub fn of_record(kind: RecordKind, id: &RecordId) -> Self {
        Self(format!("ghl:{kind}/{id}"))
    }

    pub fn of_contact(id: &ContactId) -> Self {
        Self(format!("ghl:{}/{id}", RecordKind::Contact))
    }

    /// The key of the object that step `step` of rule `rule` starts for `event`: the same on every replay.
    pub fn of_trigger(event: EventId, rule: &str, step: &str) -> Self {
        let id = uuid::Uuid::new_v5(&event.0, format!("{rule}/{step}").as_bytes());
        Self(format!("rule:{rule}/{id}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key from outside is checked like an id, so that it cannot break a subject, a URL or a column.
impl<'de> Deserialize<'de> for ObjectKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        checked(&key, KEY_BYTES_MAX).map_err(serde::de::Error::custom)?;
        Ok(Self(key))
    }
}

impl From<String> for ObjectKey {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identifies one exact text of rules, and the mapping that follows it: the first 16 hexadecimal digits of the text's SHA-256 and, but for the
/// first mapping, a dot and the mapping's number. The same text gives other content by another mapping.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RulesRevision(CompactString);

impl RulesRevision {
    pub(crate) fn of(text: &str, mapping: u32) -> Self {
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        let digest = digest.get(..TEXT_DIGITS).unwrap_or_default();
        Self(if mapping == FIRST_MAPPING { digest.into() } else { format_compact!("{digest}.{mapping}") })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both name the same text, by whichever mapping.
    pub fn is_of_same_text(&self, other: &Self) -> bool {
        let text = |revision: &Self| revision.0.split('.').next().map(str::to_owned);
        text(self) == text(other)
    }

    /// Whether the two mappings are known, and are not the same.
    pub fn is_of_other_mapping(&self, other: &Self) -> bool {
        matches!((self.mapping(), other.mapping()), (Some(one), Some(other)) if one != other)
    }

    /// None for what is no revision of rules, as in a ledger that was built from the log.
    fn mapping(&self) -> Option<u32> {
        let (text, mapping) = self.0.split_once('.').map_or((self.0.as_str(), None), |(text, mapping)| (text, Some(mapping)));
        let is_text = text.len() == TEXT_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_text.then_some(())?;
        mapping.map_or(Some(FIRST_MAPPING), |mapping| mapping.parse().ok())
    }
}

const TEXT_DIGITS: usize = 16;
const FIRST_MAPPING: u32 = 1;

/// Takes a stored revision; it is not checked.
impl From<String> for RulesRevision {
    fn from(revision: String) -> Self {
        Self(revision.into())
    }
}

impl fmt::Display for RulesRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of an event, derived from its location, epoch and position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub uuid::Uuid);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// What kind of thing a record is in GHL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    Contact,
    Task,
    Note,
    Appointment,
}

impl RecordKind {
    pub const ALL: [Self; 4] = [Self::Contact, Self::Task, Self::Note, Self::Appointment];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Task => "task",
            Self::Note => "note",
            Self::Appointment => "appointment",
        }
    }

    pub fn parse(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == kind)
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_may_hold_any_printable_character() {
        for id in ["a b", "a/b", "a.b", "*", ">", "a\"b'c", "é🙂"] {
            assert_eq!(ContactId::new(id).map(|id| id.to_string()), Ok(id.to_owned()));
        }
    }

    #[test]
    fn malformed_ids_are_refused_with_the_reason() {
        assert_eq!(ContactId::new(""), Err(BadId::Empty));
        assert_eq!(ContactId::new("x".repeat(256)), Err(BadId::TooLong));
        assert_eq!(ContactId::new("a\nb"), Err(BadId::ControlCharacter));
        assert!(serde_json::from_str::<ContactId>("\"a\\u0000\"").is_err());
        assert!(serde_json::from_str::<ObjectKey>("\"a\\u0000\"").is_err());
        let longest = RecordId::new("x".repeat(255)).unwrap();
        let key = ObjectKey::of_record(RecordKind::Appointment, &longest);
        assert_eq!(serde_json::from_str::<ObjectKey>(&serde_json::to_string(&key).unwrap()).unwrap(), key);
    }

    #[test]
    fn an_object_of_a_trigger_has_the_same_key_on_every_replay() {
        let event = crate::event_id(&LocationId::new("loc").unwrap(), 1, 7);
        let key = ObjectKey::of_trigger(event, "onboarding", "project");
        assert_eq!(key, ObjectKey::of_trigger(event, "onboarding", "project"));
        assert_ne!(key, ObjectKey::of_trigger(event, "onboarding", "note"));
    }
}
