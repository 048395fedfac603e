//! Which intents may still be written.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use crate::{Action, Intent, LocationId, ObjectKey, Policy, Revision, Workspace};

/// The last write of an object in a workspace, from the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    pub revision: Revision,
    /// The edition of the workspace's rules that made it.
    pub edition: u32,
    pub policy: Policy,
}

/// Whether an intent is sent to Pagico.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Apply,
    /// The workspace already holds the same or a newer revision, or the object belongs to the user now.
    Skip,
}

/// Lets an intent pass only if it has a newer revision than what was applied, or the same revision and a later edition of the rules. What
/// belongs to the user is never written twice and never removed.
pub fn gate(applied: Option<Applied>, intent: &Intent) -> Gate {
    match applied {
        _ if intent.policy == Policy::Once && intent.action == Action::Remove => Gate::Skip,
        None => Gate::Apply,
        Some(applied) if applied.policy == Policy::Once => Gate::Skip,
        Some(applied) if age(intent) > (applied.revision, applied.edition) => Gate::Apply,
        Some(_) => Gate::Skip,
    }
}

/// A newer revision beats an older one; of one revision, the later edition of the rules decides.
fn age(intent: &Intent) -> (Revision, u32) {
    (intent.revision, intent.edition)
}

/// Of several intents for one object only one decides: the newest for a mirrored object, the oldest start for an object that is
/// written once. Gives for each intent the index of the one that decides for it, which may be its own. Keys are unique only within
/// a workspace, so intents of different locations or workspaces never decide for each other.
pub fn coalesce<I: Borrow<Intent>>(intents: &[I]) -> Vec<usize> {
    let mut deciding: BTreeMap<FullKey<'_>, (usize, &Intent)> = BTreeMap::new();
    for (index, intent) in intents.iter().map(Borrow::borrow).enumerate() {
        deciding
            .entry(full_key(intent))
            .and_modify(|(chosen, best)| {
                if beats(intent, best) {
                    (*chosen, *best) = (index, intent);
                }
            })
            .or_insert((index, intent));
    }
    let decides = |intent: &Intent| deciding.get(&full_key(intent)).map(|(index, _)| *index);
    intents.iter().enumerate().map(|(index, intent)| decides(intent.borrow()).unwrap_or(index)).collect()
}

/// A key that is unique across workspaces.
type FullKey<'a> = (&'a LocationId, &'a Workspace, &'a ObjectKey);

fn full_key(intent: &Intent) -> FullKey<'_> {
    (&intent.location_id, &intent.workspace, &intent.object)
}

/// Whether an intent decides instead of `best`, which is for the same object.
pub(crate) fn beats(intent: &Intent, best: &Intent) -> bool {
    match intent.policy {
        Policy::Mirror => age(intent) > age(best),
        Policy::Once => {
            let rank = |intent: &Intent| (intent.action == Action::Remove, intent.revision);
            rank(intent) < rank(best)
        }
    }
}
