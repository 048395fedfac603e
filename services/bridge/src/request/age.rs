//! Requests about the age of objects, and erasures.

use serde::Deserialize;

use super::names::check_key;
use super::refusal::Refusal;
use super::revision::GivenRevision;
use crate::config::Limits;
use crate::object::Revision;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenAge {
    key: String,
    revision: GivenRevision,
    #[serde(default)]
    stored: Option<GivenRevision>,
}

/// A question about the age of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    pub(crate) key: String,
    /// The stored revision is expected to be no newer.
    pub(crate) revision: Revision,
    /// The newer revision that is known to be stored.
    pub(crate) stored: Option<Revision>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ages {
    items: Vec<GivenAge>,
}

impl Ages {
    pub(crate) fn read(self, limits: &Limits) -> Result<Vec<Age>, Refusal> {
        if self.items.len() > limits.batch_items_max {
            let message = format!("there are at most {} items, here are {}", limits.batch_items_max, self.items.len());
            return Err(Refusal { code: "too_many_items", message, key: None });
        }
        let read = |item: GivenAge| {
            check_key("key", &item.key, limits).map_err(Refusal::item)?;
            let stored = item.stored.map(GivenRevision::read).transpose()?;
            Ok(Age { key: item.key, revision: item.revision.read()?, stored })
        };
        self.items.into_iter().map(read).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    revision: GivenRevision,
}

impl Erasure {
    pub(crate) fn read(&self) -> Result<Revision, Refusal> {
        self.revision.read()
    }
}
