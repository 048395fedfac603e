//! What a batch of writes changes: decided without IO, object by object, in the order of the batch.

use std::collections::{BTreeMap, HashMap};

use crate::object::{Decision, Digest, Existing, Kind, Outcome, Revision, decide};
use crate::request::Item;

/// An object as stored before the batch.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) existing: Existing,
    pub(super) contact: Option<String>,
    pub(super) position: u64,
}

/// The answer to one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) outcome: Outcome,
    /// As stored after the write.
    pub(crate) revision: Revision,
    /// Of what is stored after the write; none when nothing is there.
    pub(crate) digest: Option<Digest>,
}

/// A row of the objects as it will be: what the item says, at this position of the feed.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) item: &'a Item,
    pub(super) becomes: Existing,
    pub(super) contact: Option<String>,
    pub(super) position: u64,
}

/// A row of the feed.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) position: u64,
    pub(super) item: &'a Item,
    pub(super) contact: Option<String>,
    pub(super) digest: Option<Digest>,
}

#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) applied: Vec<Applied>,
    pub(super) rows: Vec<Row<'a>>,
    pub(super) steps: Vec<Step<'a>>,
    pub(super) position: u64,
    /// By how much the number of objects changes, by kind; kinds that do not change are left out.
    pub(super) more: BTreeMap<Kind, i64>,
}

/// `erased`: contacts, with the revision that a write about them must exceed.
pub(super) fn plan<'a>(mut stored: HashMap<String, Stored>, erased: &HashMap<String, Revision>, head: u64, items: &'a [Item]) -> Plan<'a> {
    let mut plan =
        Plan { applied: Vec::with_capacity(items.len()), rows: Vec::new(), steps: Vec::new(), position: head, more: BTreeMap::new() };
    let mut written: BTreeMap<&'a str, Row<'a>> = BTreeMap::new();
    for item in items {
        let before = stored.get(&item.key);
        let contact = item.contact.clone().or_else(|| before.and_then(|stored| stored.contact.clone()));
        if contact.as_ref().and_then(|contact| erased.get(contact)).is_some_and(|at| item.revision <= *at) {
            plan.applied.push(untouched(Outcome::Stale, before, item));
            continue;
        }
        let Decision { outcome, becomes } = decide(before.map(|stored| &stored.existing), &item.wanted());
        let Some(becomes) = becomes else {
            plan.applied.push(untouched(outcome, before, item));
            continue;
        };
        let mut position = before.map_or(0, |stored| stored.position);
        if outcome.is_change() {
            plan.position += 1;
            position = plan.position;
            plan.steps.push(Step { position, item, contact: contact.clone(), digest: becomes.digest });
        }
        let there = before.is_some_and(|stored| stored.existing.digest.is_some());
        *plan.more.entry(item.kind).or_default() += i64::from(becomes.digest.is_some()) - i64::from(there);
        plan.applied.push(Applied { outcome, revision: becomes.revision, digest: becomes.digest });
        stored.insert(item.key.clone(), Stored { existing: becomes.clone(), contact: contact.clone(), position });
        written.insert(&item.key, Row { item, becomes, contact, position });
    }
    plan.more.retain(|_, more| *more != 0);
    plan.rows = written.into_values().collect();
    plan
}

fn untouched(outcome: Outcome, before: Option<&Stored>, item: &Item) -> Applied {
    let revision = before.map_or(item.revision, |stored| stored.existing.revision);
    Applied { outcome, revision, digest: before.and_then(|stored| stored.existing.digest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::put_body;

    fn put(key: &str, seq: u64, title: &str) -> Item {
        let body = format!(r#"{{"contact":"c","revision":{{"epoch":1,"seq":{seq}}},"policy":"mirror","content":{{"title":"{title}"}}}}"#);
        put_body(Kind::Task, key.to_owned(), body.as_bytes(), None, &crate::config::test_limits()).unwrap()
    }

    fn remove(key: &str, seq: u64) -> Item {
        Item { put: None, contact: None, ..put(key, seq, "gone") }
    }

    #[test]
    fn positions_are_given_to_changes_alone_and_without_gaps() {
        let items =
            [put("a", 1, "x"), put("b", 2, "x"), put("a", 1, "x"), put("a", 3, "y"), remove("c", 4), remove("b", 5), put("b", 4, "z")];
        let plan = plan(HashMap::new(), &HashMap::new(), 10, &items);
        let outcomes: Vec<&str> = plan.applied.iter().map(|applied| applied.outcome.as_str()).collect();
        assert_eq!(outcomes, ["created", "created", "unchanged", "updated", "absent", "removed", "stale"]);
        let positions: Vec<u64> = plan.steps.iter().map(|step| step.position).collect();
        assert_eq!((positions, plan.position), (vec![11, 12, 13, 14], 14));
        assert_eq!(plan.more.get(&Kind::Task), Some(&1));
    }

    #[test]
    fn what_is_older_than_an_erasure_is_refused() {
        let erased = HashMap::from([("c".to_owned(), Revision { epoch: 1, seq: 5 })]);
        let items = [put("a", 4, "x"), put("a", 5, "x"), put("a", 6, "x")];
        let outcomes = plan(HashMap::new(), &erased, 0, &items).applied.into_iter().map(|applied| applied.outcome);
        assert_eq!(outcomes.collect::<Vec<_>>(), [Outcome::Stale, Outcome::Stale, Outcome::Created]);
    }

    #[test]
    fn each_object_is_written_once_as_it_is_at_the_end() {
        let items = [put("a", 1, "x"), put("a", 2, "y"), remove("a", 3)];
        let plan = plan(HashMap::new(), &HashMap::new(), 0, &items);
        assert_eq!(plan.rows.len(), 1);
        assert!(plan.rows[0].becomes.digest.is_none());
        assert_eq!((plan.rows[0].position, plan.rows[0].contact.as_deref()), (3, Some("c")));
    }
}
