//! An event: its columns in the log, and what it says.

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

/// One event of the log: every column except the hash, and the body in one of its forms. The bus carries its JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event<B> {
    pub location_id: LocationId,
    pub epoch: u32,
    pub seq: u64,
    pub event_id: EventId,
    /// The contact that it concerns; none where it concerns the whole location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_id: Option<ContactId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<(RecordKind, RecordId)>,
    /// The event's type, for instance `task.changed`.
    #[serde(rename = "type")]
    pub type_name: String,
    pub occurred_at: Timestamp,
    pub recorded_at: Timestamp,
    pub cause: Cause,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The key that seals the payload in the log; none for a plain payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    #[serde(rename = "payload")]
    pub body: B,
}

/// An event whose payload has been read.
pub type Recorded = Event<Body>;

/// An event as it is stored: the payload is JSON, or sealed JSON.
pub type Stored = Event<Vec<u8>>;

/// An event after its payload was opened: the body, or why it cannot be read.
pub type Opened = Event<Result<Body, Decode>>;

/// The id of the event at a position of the log. The epoch is part of it: after a restore the same position may hold another fact.
pub fn event_id(location_id: &LocationId, epoch: u32, seq: u64) -> EventId {
    const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x6d1f_0c52_7a3e_4b0e_9f5d_2c8a_41b7_e960);
    EventId(uuid::Uuid::new_v5(&NAMESPACE, format!("{location_id}\n{epoch}\n{seq}").as_bytes()))
}

impl<B> Event<B> {
    pub fn revision(&self) -> Revision {
        Revision { epoch: self.epoch, seq: self.seq }
    }

    /// The same event with another body.
    pub fn with<C>(self, body: C) -> Event<C> {
        self.replace(body).0
    }

    /// As `with`, and also gives the old body.
    fn replace<C>(self, body: C) -> (Event<C>, B) {
        let event = Event {
            location_id: self.location_id,
            epoch: self.epoch,
            seq: self.seq,
            event_id: self.event_id,
            contact_id: self.contact_id,
            record: self.record,
            type_name: self.type_name,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            cause: self.cause,
            traceparent: self.traceparent,
            key_id: self.key_id,
            body,
        };
        (event, self.body)
    }
}

impl<B, E> Event<Result<B, E>> {
    /// # Errors
    /// Why the body was not read.
    pub fn transpose(self) -> Result<Event<B>, E> {
        let (event, body) = self.replace(());
        Ok(event.with(body?))
    }
}

/// About how many bytes the columns take without the payload.
const COLUMNS_BYTES: usize = 1_024;

impl Stored {
    /// The bytes that the bus carries. The payload is not parsed, so that a payload which this program cannot read is still carried. A
    /// sealed payload is carried as base64.
    ///
    /// # Errors
    /// A plain payload that is not JSON.
    pub fn carry(&self) -> Result<Vec<u8>, Decode> {
        let payload: Cow<'_, RawValue> = match self.key_id {
            None => Cow::Borrowed(serde_json::from_slice(&self.body)?),
            Some(_) => Cow::Owned(to_raw_value(&STANDARD.encode(&self.body))?),
        };
        let mut bytes = Vec::with_capacity(COLUMNS_BYTES + payload.get().len());
        serde_json::to_writer(&mut bytes, &self.clone().with(&*payload))?;
        Ok(bytes)
    }

    /// Reads what `carry` wrote.
    ///
    /// # Errors
    /// The position of the first byte that does not fit, without quoting it.
    pub fn received(bytes: &[u8]) -> Result<Self, Decode> {
        let carried: Event<&RawValue> = serde_json::from_slice(bytes)?;
        let payload = match carried.key_id {
            None => carried.body.get().as_bytes().to_vec(),
            Some(_) => {
                let text: Cow<'_, str> = serde_json::from_str(carried.body.get())?;
                STANDARD.decode(text.as_bytes()).map_err(|_| Decode::Malformed { kind: "broken base64", line: 0, column: 0 })?
            }
        };
        Ok(carried.with(payload))
    }

    /// Reads a plain payload. The event log opens sealed ones.
    ///
    /// # Errors
    /// `Sealed` for a sealed payload, otherwise as `Body::decode`.
    pub fn read(&self) -> Result<Body, Decode> {
        match self.key_id {
            None => Body::decode(&self.type_name, &self.body),
            Some(_) => Err(Decode::Sealed),
        }
    }
}
