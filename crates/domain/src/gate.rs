//! What may still be written.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use crate::{Action, Intent, LocationId, ObjectKey, Policy, Revision, Workspace};

/// What the ledger knows of an object in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    pub revision: Revision,
    /// The edition of the workspace's rules that made it.
    pub edition: u32,
    pub policy: Policy,
}

/// Whether an intent goes on to Pagico.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Apply,
    /// Something as new or newer is there already, or the object belongs to the user now.
    Skip,
}

/// Lets an intent pass only if it is newer than what was applied, or of the same age by newer rules; what belongs to the user is never written twice, and never removed.
pub fn gate(applied: Option<Applied>, intent: &Intent) -> Gate {
    match applied {
        _ if intent.policy == Policy::Once && intent.action == Action::Remove => Gate::Skip,
        None => Gate::Apply,
        Some(applied) if applied.policy == Policy::Once => Gate::Skip,
        Some(applied) if age(intent) > (applied.revision, applied.edition) => Gate::Apply,
        Some(_) => Gate::Skip,
    }
}

/// What is newer beats what is older; of the same age, what newer rules made.
fn age(intent: &Intent) -> (Revision, u32) {
    (intent.revision, intent.edition)
}

/// Of several intents for one object only one decides: the newest of a mirrored object, the oldest start of one that is
/// written once. Gives for each intent the index of the one that decides in its place, which may be its own. Keys are
/// unique within a workspace only, so intents of different locations or workspaces never decide for each other.
pub fn coalesce<I: Borrow<Intent>>(intents: &[I]) -> Vec<usize> {
    let mut deciding: BTreeMap<Place<'_>, (usize, &Intent)> = BTreeMap::new();
    for (index, intent) in intents.iter().map(Borrow::borrow).enumerate() {
        deciding
            .entry(place(intent))
            .and_modify(|(chosen, best)| {
                if beats(intent, best) {
                    (*chosen, *best) = (index, intent);
                }
            })
            .or_insert((index, intent));
    }
    let decides = |intent: &Intent| deciding.get(&place(intent)).map(|(index, _)| *index);
    intents.iter().enumerate().map(|(index, intent)| decides(intent.borrow()).unwrap_or(index)).collect()
}

type Place<'a> = (&'a LocationId, &'a Workspace, &'a ObjectKey);

fn place(intent: &Intent) -> Place<'_> {
    (&intent.location_id, &intent.workspace, &intent.object)
}

/// Whether an intent decides in the place of another one for the same object.
pub(crate) fn beats(intent: &Intent, best: &Intent) -> bool {
    match intent.policy {
        Policy::Mirror => age(intent) > age(best),
        Policy::Once => {
            let rank = |intent: &Intent| (intent.action == Action::Remove, intent.revision);
            rank(intent) < rank(best)
        }
    }
}
