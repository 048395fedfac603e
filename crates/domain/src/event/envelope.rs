//! An event with its place in the log, read or as it is stored, and how it travels.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::cause::Cause;
use super::decode::Decode;
use super::fact::Body;
use crate::{ContactId, EventId, LocationId, RecordId, RecordKind, Revision};

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

/// The id of the event at a place in the log. The epoch is part of it: after a restore the same place may hold another fact.
pub fn event_id(location_id: &LocationId, epoch: u32, seq: u64) -> EventId {
    const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x6d1f_0c52_7a3e_4b0e_9f5d_2c8a_41b7_e960);
    EventId(uuid::Uuid::new_v5(&NAMESPACE, format!("{location_id}\n{epoch}\n{seq}").as_bytes()))
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
