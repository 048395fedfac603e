//! Most events of a contact decide nothing: something newer of the same record does. They need not even be read.

use std::collections::BTreeMap;

use super::planned::{Held, Planned, Reason};
use crate::rules::When;
use crate::{Change, ObjectKey, ObjectKind, Policy, RecordId, RecordKind, Revision, RulesRevision};

/// Keeps of a contact's events, given in the order of the log, those that a plan needs, in whatever form they come.
#[derive(Debug)]
pub struct Sieve<T> {
    records: BTreeMap<(RecordKind, RecordId), Last<T>>,
    /// Events that may fire a trigger.
    starts: Vec<T>,
}

#[derive(Debug)]
struct Last<T> {
    revision: Revision,
    vanished: bool,
    /// None where it is among the starts.
    event: Option<T>,
}

/// What came through.
#[derive(Debug)]
pub struct Needed<T> {
    /// To be read and planned.
    pub events: Vec<T>,
    /// What is there as it should be, by revision and rules alone.
    pub settled: Vec<Planned>,
    /// The older revisions that the ledger holds of something that needs to be written: what is there now, to be shown.
    pub before: Vec<Revision>,
}

impl<T> Default for Sieve<T> {
    fn default() -> Self {
        Self { records: BTreeMap::new(), starts: Vec::new() }
    }
}

impl<T> Sieve<T> {
    /// Takes the next event of a record.
    pub fn take(&mut self, kind: RecordKind, record_id: RecordId, revision: Revision, change: Change, event: T) {
        let event = if When::any_may_fire(kind, change) {
            self.starts.push(event);
            None
        } else {
            Some(event)
        };
        self.records.insert((kind, record_id), Last { revision, vanished: change == Change::Vanished, event });
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What a plan by these rules needs, where the workspace holds this. `unsure` takes nothing for settled.
    pub fn needed(self, held: &BTreeMap<ObjectKey, Held>, rules: &RulesRevision, unsure: bool) -> Needed<T> {
        let mut needed = Needed { events: self.starts, settled: Vec::new(), before: Vec::new() };
        for ((kind, id), last) in self.records {
            let object = ObjectKey::of_record(kind, &id);
            let held = held.get(&object).filter(|held| held.applied.policy == Policy::Mirror);
            match held {
                Some(held) if !unsure && is_settled(held, &last, rules) => {
                    needed.settled.push(Planned::skipped(object, ObjectKind::mirroring(kind), Reason::Equal, last.revision));
                    continue;
                }
                Some(held) if held.applied.revision < last.revision => needed.before.push(held.applied.revision),
                Some(_) | None => {}
            }
            needed.events.extend(last.event);
        }
        needed
    }
}

fn is_settled<T>(held: &Held, last: &Last<T>, rules: &RulesRevision) -> bool {
    held.applied.revision == last.revision && held.removed == last.vanished && (held.rules == *rules || held.removed)
}
