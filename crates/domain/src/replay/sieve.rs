//! Selects the events that a plan needs. Most events of a contact are superseded by a newer one of the same record and need not be read.

use std::collections::BTreeMap;

use super::planned::{LedgerEntry, Planned, Reason};
use crate::rules::When;
use crate::{Change, ObjectKey, ObjectKind, Policy, RecordId, RecordKind, Revision, RulesRevision};

/// Keeps those of a contact's events that a plan needs. The events come in the order of the log, in any form `T`.
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
    /// None if the event is in `starts`.
    event: Option<T>,
}

/// What a plan needs.
#[derive(Debug)]
pub struct Needed<T> {
    /// The events to read and plan.
    pub events: Vec<T>,
    /// Objects whose revision and rules in the ledger show that nothing is to be done.
    pub settled: Vec<Planned>,
    /// For objects that have to be written: the older revisions in the ledger, to show the current content.
    pub before: Vec<Revision>,
}

impl<T> Default for Sieve<T> {
    fn default() -> Self {
        Self { records: BTreeMap::new(), starts: Vec::new() }
    }
}

impl<T> Sieve<T> {
    /// Adds the next event of a record.
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

    /// What a plan by these rules needs for a workspace with this ledger. With `unsure` no object counts as settled.
    pub fn needed(self, held: &BTreeMap<ObjectKey, LedgerEntry>, rules: &RulesRevision, unsure: bool) -> Needed<T> {
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

fn is_settled<T>(held: &LedgerEntry, last: &Last<T>, rules: &RulesRevision) -> bool {
    held.applied.revision == last.revision && held.removed == last.vanished && (held.rules == *rules || held.removed)
}
