//! How payloads of every version become the current facts.
//!
//! The facts themselves do not implement `Deserialize`: `read` is the only way to get one from bytes. A new version gets a module of its
//! own here that describes its payloads, an upgrade to the next version, and a directory in the corpus.

use serde::Deserialize;

use super::decode::Decode;
use super::encode::VERSION;
use super::fact::Body;

#[derive(Deserialize)]
struct VersionOnly {
    v: u64,
}

/// How a payload of version 1 begins as this program writes it. Such a payload is parsed once, without looking for its version first.
const FIRST: &[u8] = br#"{"v":1,"#;

impl Body {
    /// Reads a stored payload of any version ever written: the only way from bytes to facts.
    ///
    /// # Errors
    /// Says whether the payload is newer than this program, of an unknown type, or broken.
    pub fn decode(type_name: &str, payload: &[u8]) -> Result<Self, Decode> {
        read(type_name, payload)
    }
}

/// Reads a payload by the version that it carries.
fn read(type_name: &str, payload: &[u8]) -> Result<Body, Decode> {
    if payload.starts_with(FIRST) {
        return v1::read(type_name, payload);
    }
    let VersionOnly { v } = serde_json::from_slice(payload)?;
    match v {
        1 => v1::read(type_name, payload),
        v if v > VERSION => Err(Decode::NewerVersion(v)),
        v => Err(Decode::UnknownVersion(v)),
    }
}

/// Payloads of version 1.
mod v1 {
    use serde::Deserialize;
    use serde_json::Value;

    use crate::RecordKind;
    use crate::event::decode::Decode;
    use crate::event::fact::{Body, Change, Delivery, DeliveryFact, DeliveryOutcome, FieldChange, Names, OperatorFact, RecordFact};
    use crate::record::Record;

    #[derive(Deserialize)]
    struct RecordPayload {
        change: Change,
        record: Record,
        #[serde(default)]
        changes: Vec<FieldChange>,
        #[serde(default)]
        names: Names,
        #[serde(default)]
        new_in_ghl: bool,
    }

    #[derive(Deserialize)]
    struct DeliveryPayload {
        outcome: DeliveryOutcome,
        deliveries: Vec<Delivery>,
    }

    #[derive(Deserialize)]
    struct OperatorPayload {
        verb: String,
        #[serde(default)]
        detail: Value,
    }

    pub(super) fn read(type_name: &str, payload: &[u8]) -> Result<Body, Decode> {
        match type_name.split_once('.') {
            Some((kind, _)) if RecordKind::parse(kind).is_some() => {
                let RecordPayload { change, record, changes, names, new_in_ghl } = serde_json::from_slice(payload)?;
                Ok(Body::Record(Box::new(RecordFact { change, record, changes, names, new_in_ghl })))
            }
            Some(("delivery", _)) => {
                let DeliveryPayload { outcome, deliveries } = serde_json::from_slice(payload)?;
                Ok(Body::Delivery(DeliveryFact { outcome, deliveries }))
            }
            Some(("operator", _)) => {
                let OperatorPayload { verb, detail } = serde_json::from_slice(payload)?;
                Ok(Body::Operator(OperatorFact { verb, detail }))
            }
            _ => Err(Decode::UnknownType(type_name.to_owned())),
        }
    }
}
