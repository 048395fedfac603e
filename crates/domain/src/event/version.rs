//! How payloads of every version become facts of today.
//!
//! The facts themselves cannot be deserialized: whoever wants one from bytes has to come through `read`. A new version gets a module of
//! its own here that says what its payloads looked like, an upgrade to the next version, and a directory of the corpus.

use serde::Deserialize;

use super::decode::Decode;
use super::encode::VERSION;
use super::fact::Body;

#[derive(Deserialize)]
struct VersionOnly {
    v: u64,
}

/// How a payload of the first version begins as it is written: it need not be gone through for its version first.
const FIRST: &[u8] = br#"{"v":1,"#;

impl Body {
    /// Reads a stored payload of any version ever written: the only door from bytes to facts.
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
        v if v > VERSION => Err(Decode::Newer(v)),
        v => Err(Decode::Never(v)),
    }
}

/// Version 1, as it was written.
mod v1 {
    use serde::Deserialize;
    use serde_json::Value;

    use crate::RecordKind;
    use crate::event::decode::Decode;
    use crate::event::fact::{Body, Change, Delivery, DeliveryFact, DeliveryOutcome, FieldChange, Names, OperatorFact, RecordFact};
    use crate::record::Record;

    #[derive(Deserialize)]
    struct OfRecord {
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
    struct OfDelivery {
        outcome: DeliveryOutcome,
        deliveries: Vec<Delivery>,
    }

    #[derive(Deserialize)]
    struct OfOperator {
        verb: String,
        #[serde(default)]
        detail: Value,
    }

    pub(super) fn read(type_name: &str, payload: &[u8]) -> Result<Body, Decode> {
        match type_name.split_once('.') {
            Some((kind, _)) if RecordKind::parse(kind).is_some() => {
                let OfRecord { change, record, changes, names, new_in_ghl } = serde_json::from_slice(payload)?;
                Ok(Body::Record(Box::new(RecordFact { change, record, changes, names, new_in_ghl })))
            }
            Some(("delivery", _)) => {
                let OfDelivery { outcome, deliveries } = serde_json::from_slice(payload)?;
                Ok(Body::Delivery(DeliveryFact { outcome, deliveries }))
            }
            Some(("operator", _)) => {
                let OfOperator { verb, detail } = serde_json::from_slice(payload)?;
                Ok(Body::Operator(OperatorFact { verb, detail }))
            }
            _ => Err(Decode::UnknownType(type_name.to_owned())),
        }
    }
}
