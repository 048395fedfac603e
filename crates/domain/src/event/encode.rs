//! How facts become the payloads that are stored.

use serde::Serialize;

use super::fact::Body;

/// The version that this program writes.
pub(super) const VERSION: u64 = 1;

#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u64,
    #[serde(flatten)]
    fact: &'a T,
}

impl Body {
    /// The event's type as the log names it, for instance `task.changed`. An erased body has lost it; its event keeps it.
    pub fn type_name(&self) -> String {
        match self {
            Self::Record(fact) => format!("{}.{}", fact.record.kind(), fact.change.as_str()),
            Self::Delivery(fact) => format!("delivery.{}", fact.outcome.as_str()),
            Self::Operator(fact) => format!("operator.{}", fact.verb),
            Self::Erased => "erased".to_owned(),
        }
    }

    /// The bytes that are stored.
    ///
    /// # Errors
    /// Refuses an erased body. The others always serialize; an error of theirs is passed on rather than hidden.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Erased => Err(serde::ser::Error::custom("an erased event cannot be encoded")),
            Self::Record(fact) => serde_json::to_vec(&Versioned { v: VERSION, fact }),
            Self::Delivery(fact) => serde_json::to_vec(&Versioned { v: VERSION, fact }),
            Self::Operator(fact) => serde_json::to_vec(&Versioned { v: VERSION, fact }),
        }
    }
}
