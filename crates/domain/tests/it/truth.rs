//! The law of observations: observations of a changing GHL, applied in any order and repeated, end in the true state, and a repeated
//! observation appends nothing.

use std::collections::BTreeMap;

use domain::{
    Action, Body, Change, Contact, KnownContact, Listing, Names, ObjectKey, Observation, Record, RecordId, RecordKind, Recorded, Rules,
    Shown, Sighting, map, observe,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::{contact_id, look, minute, named, present, record_id, recorded, task};

const TASKS: [&str; 3] = ["t1", "t2", "t3"];

/// What GHL holds.
#[derive(Clone, Debug, Default)]
struct Truth {
    contact: Option<Contact>,
    tasks: BTreeMap<&'static str, Record>,
}

#[derive(Clone, Debug)]
enum Act {
    Name(u8),
    Delete,
    Task(usize, u8),
    Drop(usize),
    /// GHL is observed; the observation may be applied much later.
    Look(Sight),
}

#[derive(Clone, Debug)]
enum Sight {
    Whole,
    ContactOnly,
    AllTasks,
    OneTask(usize),
}

impl Truth {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Name(n) => self.contact = Some(named(&format!("Ann {n}"))),
            Act::Delete => *self = Self::default(),
            Act::Task(which, n) if self.contact.is_some() => {
                self.tasks.insert(TASKS[*which], task(&format!("Task {n}")));
            }
            Act::Drop(which) => {
                self.tasks.remove(TASKS[*which]);
            }
            Act::Task(..) | Act::Look(_) => {}
        }
    }

    fn seen(&self, at: i64, sight: &Sight) -> Observation {
        let contact = self.contact.clone().map_or(Sighting::Gone, present);
        let of_tasks = |listing| [(RecordKind::Task, listing)].into();
        let all = || of_tasks(Listing::Complete(self.tasks.iter().map(|(id, record)| (record_id(id), record.clone().into())).collect()));
        let one = |id: &str| of_tasks(Listing::Partial(vec![(record_id(id), self.tasks.get(id).cloned().map(Shown::from))]));
        match sight {
            Sight::Whole => Observation { contact, listings: all(), ..look(at) },
            Sight::ContactOnly => Observation { contact, ..look(at) },
            Sight::AllTasks => Observation { listings: all(), ..look(at) },
            Sight::OneTask(which) => Observation { listings: one(TASKS[*which]), ..look(at) },
        }
    }

    fn records(&self) -> BTreeMap<(RecordKind, RecordId), Record> {
        let tasks = self.tasks.iter().map(|(id, record)| ((RecordKind::Task, record_id(id)), record.clone()));
        let contact = self
            .contact
            .iter()
            .map(|contact| ((RecordKind::Contact, RecordId::from(&contact_id())), Record::Contact(Box::new(contact.clone()))));
        contact.chain(tasks).collect()
    }
}

/// Applies observations as the event log does, and keeps the events that it would append.
#[derive(Default)]
struct Log {
    known: KnownContact,
    events: Vec<Recorded>,
}

impl Log {
    fn take(&mut self, seen: &Observation) {
        let observed = observe(&self.known, seen);
        self.known.apply(seen, &observed);
        for draft in observed.drafts {
            let seq = self.events.len() as u64 + 1;
            let fact = draft.fact;
            self.events.push(recorded(seq, draft.record_id.as_str(), fact.change, fact.record, Names::default(), false));
        }
    }

    fn present(&self) -> BTreeMap<(RecordKind, RecordId), Record> {
        let present = self.known.records.iter().filter(|(_, record)| record.present);
        present.map(|(key, record)| (key.clone(), record.record.clone())).collect()
    }

    /// What Pagico holds after every event, by the newest intent of each object.
    fn workspace(&self) -> BTreeMap<ObjectKey, Action> {
        let rules = Rules::builtin().unwrap();
        let mut workspace = BTreeMap::new();
        for intent in self.events.iter().flat_map(|event| map(event, &rules)) {
            workspace.insert(intent.object, intent.action);
        }
        workspace.retain(|_, action| *action != Action::Remove);
        workspace
    }

    /// Each record appears first, and vanishes only while it is present.
    fn changes_are_consistent(&self) -> bool {
        let mut last: BTreeMap<_, Change> = BTreeMap::new();
        self.events.iter().all(|event| {
            let (Some(record), Body::Record(fact)) = (&event.record, &event.body) else { return false };
            let before = last.insert(record.clone(), fact.change);
            match fact.change {
                Change::Appeared => before.is_none(),
                Change::Returned => before == Some(Change::Vanished),
                Change::Changed | Change::Remained | Change::Vanished => before.is_some_and(|before| before != Change::Vanished),
            }
        })
    }
}

fn act() -> impl Strategy<Value = Act> {
    let sight = prop_oneof![
        2 => Just(Sight::Whole),
        1 => Just(Sight::ContactOnly),
        1 => Just(Sight::AllTasks),
        2 => (0..TASKS.len()).prop_map(Sight::OneTask),
    ];
    prop_oneof![
        2 => (0_u8..3).prop_map(Act::Name),
        1 => Just(Act::Delete),
        4 => (0..TASKS.len(), 0_u8..3).prop_map(|(which, n)| Act::Task(which, n)),
        2 => (0..TASKS.len()).prop_map(Act::Drop),
        8 => sight.prop_map(Act::Look),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn looks_in_any_order_end_in_what_is_true(
        acts in prop::collection::vec(act(), 1..40),
        order in prop::collection::vec(any::<Index>(), 0..60),
    ) {
        let mut truth = Truth::default();
        let mut looks = Vec::new();
        for (at, act) in acts.iter().enumerate() {
            truth.act(act);
            if let Act::Look(sight) = act {
                looks.push(truth.seen(at as i64, sight));
            }
        }
        let last = truth.seen(acts.len() as i64, &Sight::Whole);
        let mut log = Log::default();
        if !looks.is_empty() {
            for index in &order {
                log.take(index.get(&looks));
            }
        }
        log.take(&last);
        prop_assert_eq!(log.present(), truth.records());

        // Repeating earlier observations, or the last one at a later time, appends nothing.
        let events = log.events.len();
        for seen in looks.iter().chain([&last, &Observation { asked_at: minute(999), ..last.clone() }]) {
            log.take(seen);
        }
        prop_assert_eq!(log.events.len(), events);
        prop_assert_eq!(log.present(), truth.records());
        prop_assert!(log.changes_are_consistent());

        let held: Vec<ObjectKey> = log.workspace().into_keys().collect();
        let wanted: Vec<ObjectKey> = truth.records().keys().map(|(kind, id)| ObjectKey::of_record(*kind, id)).collect();
        prop_assert_eq!(held, wanted);
    }
}
