//! What is written to the log, and the one place that reads it back.

mod cause;
mod version;

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

pub use cause::{Cause, Net};

use crate::record::{Record, References};
use crate::{ContactId, EventId, LocationId, ObjectKey, ObjectKind, RecordId, RecordKind, Revision, Workspace};

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub location_id: LocationId,
    pub epoch: u32,
    pub seq: u64,
    pub event_id: EventId,
    /// Whom it concerns; none for what concerns the location as a whole.
    pub contact_id: Option<ContactId>,
    pub record: Option<(RecordKind, RecordId)>,
    pub occurred_at: Timestamp,
    pub recorded_at: Timestamp,
    pub cause: Cause,
    pub traceparent: Option<String>,
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A record of GHL appeared, changed, vanished or returned.
    Record(Box<RecordFact>),
    /// The writer brought objects to Pagico, or could not.
    Delivery(DeliveryFact),
    /// A person did something.
    Operator(OperatorFact),
    /// What happened to a record of somebody who was erased: that it happened, and nothing of what.
    Erased { type_name: String },
}

/// How a record differs from what was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Appeared,
    Changed,
    Vanished,
    Returned,
    /// It vanished from another contact and is still on this one, unchanged: what mirrors it must not go with the other.
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

/// A change of one record, whole: nothing else is needed to map it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordFact {
    pub change: Change,
    /// The whole content after the change; of a vanished record, the last content known.
    pub record: Record,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    #[serde(skip_serializing_if = "Names::is_empty")]
    pub names: Names,
    /// GHL created the record after the location was connected: the fact that triggers fire on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub new_in_ghl: bool,
}

/// One field, before and after. Absent and null are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Dotted where one part of a field changed: `custom_fields.<id>`.
    pub field: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
}

/// The names of what a record refers to, as they were when it was observed. A new name is no change of the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Names {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub calendars: BTreeMap<String, String>,
}

impl Names {
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.fields.is_empty() && self.calendars.is_empty()
    }

    /// Only the names that `record` refers to.
    pub(crate) fn only_for(&self, record: &Record) -> Self {
        let References { users, fields, calendars } = record.references();
        let pick = |all: &BTreeMap<String, String>, ids: Vec<&str>| {
            ids.into_iter().filter_map(|id| all.get_key_value(id)).map(|(id, name)| (id.clone(), name.clone())).collect()
        };
        Self { users: pick(&self.users, users), fields: pick(&self.fields, fields), calendars: pick(&self.calendars, calendars) }
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
    /// The workspace holds something newer and said so.
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

/// Something a person did, named `operator.<verb>`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperatorFact {
    pub verb: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

/// The id of the event at a place in the log. The epoch is part of it: after a restore the same place may hold another fact.
pub fn event_id(location_id: &LocationId, epoch: u32, seq: u64) -> EventId {
    const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x6d1f_0c52_7a3e_4b0e_9f5d_2c8a_41b7_e960);
    EventId(uuid::Uuid::new_v5(&NAMESPACE, format!("{location_id}\n{epoch}\n{seq}").as_bytes()))
}

/// What was stored cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Decode {
    #[error("event payload has version {0}, newer than this program understands")]
    Newer(u64),
    #[error("event payload has version {0}, which was never written")]
    Never(u64),
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    #[error("the payload is sealed, and its contact's key was not asked for")]
    Sealed,
    #[error("the payload does not open with its contact's key: it was changed or moved, or the key is lost")]
    Unopened,
    #[error("not an event: {kind} at line {line} column {column}")]
    Malformed { kind: &'static str, line: usize, column: usize },
}

impl From<serde_json::Error> for Decode {
    /// Keeps the place and kind of the mistake and drops the message, which may quote personal data.
    fn from(error: serde_json::Error) -> Self {
        let kind = match error.classify() {
            serde_json::error::Category::Io => "unreadable",
            serde_json::error::Category::Syntax => "broken JSON",
            serde_json::error::Category::Data => "unexpected content",
            serde_json::error::Category::Eof => "cut short",
        };
        Self::Malformed { kind, line: error.line(), column: error.column() }
    }
}

/// The version that this program writes.
const VERSION: u64 = 1;

#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u64,
    #[serde(flatten)]
    fact: &'a T,
}

impl Body {
    /// The event's type as the log names it, for instance `task.changed`.
    pub fn type_name(&self) -> String {
        match self {
            Self::Record(fact) => format!("{}.{}", fact.record.kind(), fact.change.as_str()),
            Self::Delivery(fact) => format!("delivery.{}", fact.outcome.as_str()),
            Self::Operator(fact) => format!("operator.{}", fact.verb),
            Self::Erased { type_name } => type_name.clone(),
        }
    }

    /// The bytes that are stored.
    ///
    /// # Errors
    /// What is erased is not written again. None of the others can fail to become JSON; the error is passed on rather than hidden.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Erased { .. } => Err(serde::ser::Error::custom("an erased event is not written again")),
            Self::Record(fact) => serde_json::to_vec(&Versioned { v: VERSION, fact }),
            Self::Delivery(fact) => serde_json::to_vec(&Versioned { v: VERSION, fact }),
            Self::Operator(fact) => serde_json::to_vec(&Versioned { v: VERSION, fact }),
        }
    }

    /// Reads a stored payload of any version ever written: the only door from bytes to facts.
    ///
    /// # Errors
    /// Says whether the payload is newer than this program, of an unknown type, or broken.
    pub fn decode(type_name: &str, payload: &[u8]) -> Result<Self, Decode> {
        version::read(type_name, payload)
    }
}

/// A line of the log as it is stored: the columns, and the payload not yet read.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub location_id: LocationId,
    pub epoch: u32,
    pub seq: u64,
    pub event_id: EventId,
    /// Whom it concerns; none for what concerns the location as a whole.
    pub contact_id: Option<ContactId>,
    pub record: Option<(RecordKind, RecordId)>,
    /// The event's type, for instance `task.changed`.
    pub type_name: String,
    pub occurred_at: Timestamp,
    pub recorded_at: Timestamp,
    pub cause: Cause,
    pub traceparent: Option<String>,
    /// The key that the payload is sealed with; none while it is plain.
    pub key_id: Option<String>,
    /// JSON, or what it was sealed to.
    pub payload: Vec<u8>,
}

/// How a stored event travels over the bus: the columns, with the payload inside as it is.
#[derive(Serialize, Deserialize)]
struct Carried<'a> {
    location_id: Cow<'a, LocationId>,
    epoch: u32,
    seq: u64,
    event_id: EventId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact_id: Option<Cow<'a, ContactId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<Cow<'a, (RecordKind, RecordId)>>,
    #[serde(rename = "type")]
    type_name: Cow<'a, str>,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
    cause: Cow<'a, Cause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
    /// With a key the payload is a text: its bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

impl Stored {
    /// The bytes that travel over the bus. The payload goes along unread, so that what this program cannot read still travels.
    ///
    /// # Errors
    /// Fails when a plain payload is not JSON at all.
    pub fn carry(&self) -> Result<Vec<u8>, Decode> {
        let sealed;
        let payload = if self.key_id.is_some() {
            sealed = to_raw_value(&STANDARD.encode(&self.payload))?;
            &*sealed
        } else {
            serde_json::from_slice(&self.payload)?
        };
        let carried = Carried {
            location_id: Cow::Borrowed(&self.location_id),
            epoch: self.epoch,
            seq: self.seq,
            event_id: self.event_id,
            contact_id: self.contact_id.as_ref().map(Cow::Borrowed),
            record: self.record.as_ref().map(Cow::Borrowed),
            type_name: Cow::Borrowed(&self.type_name),
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            cause: Cow::Borrowed(&self.cause),
            traceparent: self.traceparent.as_deref().map(Cow::Borrowed),
            key_id: self.key_id.as_deref().map(Cow::Borrowed),
            payload,
        };
        Ok(serde_json::to_vec(&carried)?)
    }

    /// Takes what `carry` gave.
    ///
    /// # Errors
    /// Says where the bytes stop being an event, without quoting them.
    pub fn received(bytes: &[u8]) -> Result<Self, Decode> {
        let carried: Carried<'_> = serde_json::from_slice(bytes)?;
        let payload = match carried.key_id {
            None => carried.payload.get().as_bytes().to_vec(),
            Some(_) => {
                let text: Cow<'_, str> = serde_json::from_str(carried.payload.get())?;
                STANDARD.decode(text.as_bytes()).map_err(|_| Decode::Malformed { kind: "broken base64", line: 0, column: 0 })?
            }
        };
        Ok(Self {
            payload,
            key_id: carried.key_id.map(Cow::into_owned),
            location_id: carried.location_id.into_owned(),
            epoch: carried.epoch,
            seq: carried.seq,
            event_id: carried.event_id,
            contact_id: carried.contact_id.map(Cow::into_owned),
            record: carried.record.map(Cow::into_owned),
            type_name: carried.type_name.into_owned(),
            occurred_at: carried.occurred_at,
            recorded_at: carried.recorded_at,
            cause: carried.cause.into_owned(),
            traceparent: carried.traceparent.map(Cow::into_owned),
        })
    }

    /// Reads a payload that is plain. What may be sealed is opened by the event log.
    ///
    /// # Errors
    /// `Sealed` for what is not plain, otherwise as `Body::decode`.
    pub fn open(self) -> Result<Recorded, Decode> {
        if self.key_id.is_some() {
            return Err(Decode::Sealed);
        }
        let body = Body::decode(&self.type_name, &self.payload)?;
        Ok(self.recorded(body))
    }

    /// What is left of the event once its contact is erased: its place, its times and its cause.
    pub fn erased(mut self) -> Recorded {
        let body = Body::Erased { type_name: std::mem::take(&mut self.type_name) };
        self.recorded(body)
    }

    fn recorded(self, body: Body) -> Recorded {
        Recorded {
            body,
            location_id: self.location_id,
            epoch: self.epoch,
            seq: self.seq,
            event_id: self.event_id,
            contact_id: self.contact_id,
            record: self.record,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            cause: self.cause,
            traceparent: self.traceparent,
        }
    }
}

impl Recorded {
    pub fn revision(&self) -> Revision {
        Revision { epoch: self.epoch, seq: self.seq }
    }
}
