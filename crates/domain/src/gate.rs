//! What may still be written.

use std::collections::BTreeMap;

use crate::{Intent, ObjectKey, Policy, Revision};

/// What the ledger knows of an object in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    pub revision: Revision,
    pub policy: Policy,
}

/// Whether an intent goes on to Pagico.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Apply,
    /// Something as new or newer is there already, or the object belongs to the user now.
    Skip,
}

/// Lets an intent pass only if it is newer than what was applied; what belongs to the user is never written twice.
pub fn gate(applied: Option<Applied>, intent: &Intent) -> Gate {
    match applied {
        None => Gate::Apply,
        Some(applied) if applied.policy == Policy::Once => Gate::Skip,
        Some(applied) if intent.revision > applied.revision => Gate::Apply,
        Some(_) => Gate::Skip,
    }
}

/// Of several intents for one object only the one that decides: the newest of a mirrored object, the oldest of one
/// that is written once. Gives the deciding index for each object.
pub fn coalesce<'a>(intents: impl IntoIterator<Item = &'a Intent>) -> BTreeMap<&'a ObjectKey, usize> {
    let mut deciding: BTreeMap<&ObjectKey, (usize, &Intent)> = BTreeMap::new();
    for (index, intent) in intents.into_iter().enumerate() {
        deciding
            .entry(&intent.object)
            .and_modify(|(chosen, best)| {
                let better = match intent.policy {
                    Policy::Mirror => intent.revision > best.revision,
                    Policy::Once => intent.revision < best.revision,
                };
                if better {
                    (*chosen, *best) = (index, intent);
                }
            })
            .or_insert((index, intent));
    }
    deciding.into_iter().map(|(object, (index, _))| (object, index)).collect()
}
