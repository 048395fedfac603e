//! What may still be written.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use crate::{Action, Intent, LocationId, ObjectKey, Policy, Revision};

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

/// Lets an intent pass only if it is newer than what was applied; what belongs to the user is never written twice, and never removed.
pub fn gate(applied: Option<Applied>, intent: &Intent) -> Gate {
    match applied {
        _ if intent.policy == Policy::Once && intent.action == Action::Remove => Gate::Skip,
        None => Gate::Apply,
        Some(applied) if applied.policy == Policy::Once => Gate::Skip,
        Some(applied) if intent.revision > applied.revision => Gate::Apply,
        Some(_) => Gate::Skip,
    }
}

/// Of several intents for one object only one decides: the newest of a mirrored object, the oldest start of one that is
/// written once. Gives for each intent the index of the one that decides in its place, which may be its own. Keys are
/// unique within a workspace only, so intents of different locations never decide for each other.
pub fn coalesce<I: Borrow<Intent>>(intents: &[I]) -> Vec<usize> {
    let mut deciding: BTreeMap<(&LocationId, &ObjectKey), (usize, &Intent)> = BTreeMap::new();
    for (index, intent) in intents.iter().map(Borrow::borrow).enumerate() {
        deciding
            .entry((&intent.location_id, &intent.object))
            .and_modify(|(chosen, best)| {
                if beats(intent, best) {
                    (*chosen, *best) = (index, intent);
                }
            })
            .or_insert((index, intent));
    }
    let decides = |intent: &Intent| deciding.get(&(&intent.location_id, &intent.object)).map(|(index, _)| *index);
    intents.iter().enumerate().map(|(index, intent)| decides(intent.borrow()).unwrap_or(index)).collect()
}

fn beats(intent: &Intent, best: &Intent) -> bool {
    match intent.policy {
        Policy::Mirror => intent.revision > best.revision,
        Policy::Once => {
            let rank = |intent: &Intent| (intent.action == Action::Remove, intent.revision);
            rank(intent) < rank(best)
        }
    }
}
