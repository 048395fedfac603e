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

/// One line of the log: every column but the hash, with the body in whatever form it is at hand. Serialized it is what travels over the
/// bus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event<B> {
    pub location_id: LocationId,
    pub epoch: u32,
    pub seq: u64,
    pub event_id: EventId,
    /// Whom it concerns; none for what concerns the location as a whole.
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
    /// The key that the payload is sealed with in the log; none where it is plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    #[serde(rename = "payload")]
    pub body: B,
}

/// An event that was read.
pub type Recorded = Event<Body>;

/// An event as it is stored: the payload is JSON, or what that was sealed to.
pub type Stored = Event<Vec<u8>>;

/// An event as it was opened: read, or why it cannot be.
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

    /// As `with`, and gives the body that it had.
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

/// About what the columns take beside the payload, in bytes.
const COLUMNS_BYTES: usize = 1_024;

impl Stored {
    /// The bytes that travel over the bus. The payload goes along unread, so that what this program cannot read still travels. What is
    /// sealed is a text: its bytes in base64.
    ///
    /// # Errors
    /// Fails when a plain payload is not JSON at all.
    pub fn carry(&self) -> Result<Vec<u8>, Decode> {
        let payload: Cow<'_, RawValue> = match self.key_id {
            None => Cow::Borrowed(serde_json::from_slice(&self.body)?),
            Some(_) => Cow::Owned(to_raw_value(&STANDARD.encode(&self.body))?),
        };
        let mut bytes = Vec::with_capacity(COLUMNS_BYTES + payload.get().len());
        serde_json::to_writer(&mut bytes, &self.clone().with(&*payload))?;
        Ok(bytes)
    }

    /// Takes what `carry` gave.
    ///
    /// # Errors
    /// Says where the bytes stop being an event, without quoting them.
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

    /// Reads a payload that is plain. What may be sealed is opened by the event log.
    ///
    /// # Errors
    /// `Sealed` for what is not plain, otherwise as `Body::decode`.
    pub fn read(&self) -> Result<Body, Decode> {
        match self.key_id {
            None => Body::decode(&self.type_name, &self.body),
            Some(_) => Err(Decode::Sealed),
        }
    }
}
