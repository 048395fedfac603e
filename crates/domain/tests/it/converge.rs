//! The law of the writer: intents in any order, repeated, handled concurrently, parked and redriven, with a crash between any two steps,
//! end in the same workspace.

use std::collections::{BTreeMap, BTreeSet};

use domain::replay::LedgerEntry;
use domain::{Action, Applied, Gate, Intent, ObjectKey, Policy, Revision, Workspace, coalesce, gate};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::intent;

pub(crate) type Object = (Workspace, ObjectKey);

/// A workspace as the bridge keeps it, the ledger, and the waiting messages.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) workspace: BTreeMap<Object, Kept>,
    pub(crate) ledger: BTreeMap<Object, LedgerEntry>,
    waiting: BTreeMap<usize, Intent>,
    parked: Vec<Intent>,
    messages: usize,
    pub(crate) writes: usize,
}

/// What the workspace remembers of an object: its last write or removal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) revision: Revision,
    edition: u32,
    pub(crate) action: Action,
}

pub(crate) enum Answer {
    Delivered,
    Stale,
    Refused,
}

/// The batch of one handler, by the step that it has reached.
pub(crate) enum Work {
    Took(Vec<(usize, Intent)>),
    Gated { taken: Vec<(usize, Intent)>, apply: Vec<usize> },
    Wrote { taken: Vec<(usize, Intent)>, answers: Vec<(usize, Answer)> },
    Settled(Vec<(usize, Intent)>),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A handler takes some waiting messages, even if another handler has them, or continues its batch.
    Go { handler: usize, pick: Vec<Index>, refuse: bool },
    /// A handler crashes; its messages are delivered again.
    Crash { handler: usize },
    /// A person redrives a parked intent.
    Redrive { which: Index },
    /// A message is delivered a second time.
    Repeat { which: Index },
}

pub(crate) fn object(intent: &Intent) -> Object {
    (intent.workspace.clone(), intent.object.clone())
}

impl World {
    pub(crate) fn publish(&mut self, intent: Intent) {
        self.waiting.insert(self.messages, intent);
        self.messages += 1;
    }

    /// How the bridge handles one item of a batch.
    fn write(&mut self, intent: &Intent, refuse: bool) -> Answer {
        if refuse {
            return Answer::Refused;
        }
        let held = self.workspace.get(&object(intent));
        match (held, intent.policy) {
            (Some(_), Policy::Once) => return Answer::Delivered,
            (Some(held), Policy::Mirror) if (intent.revision, intent.edition) < (held.revision, held.edition) => return Answer::Stale,
            (Some(_) | None, _) => {}
        }
        let holds = Kept { revision: intent.revision, edition: intent.edition, action: intent.action.clone() };
        if held != Some(&holds) {
            self.writes += 1;
        }
        self.workspace.insert(object(intent), holds);
        Answer::Delivered
    }

    fn settle(&mut self, intent: &Intent, answer: &Answer) {
        match answer {
            Answer::Delivered => {
                let applied = Applied { revision: intent.revision, edition: intent.edition, policy: intent.policy };
                let removed = intent.action == Action::Remove;
                let held = LedgerEntry { applied, rules: intent.rules.clone(), removed };
                let row = self.ledger.entry(object(intent)).or_insert_with(|| held.clone());
                if (applied.revision, applied.edition) > (row.applied.revision, row.applied.edition) {
                    *row = held;
                }
            }
            Answer::Stale => {}
            Answer::Refused => self.parked.push(intent.clone()),
        }
    }

    fn step(&mut self, work: Work, refuse: bool) -> Option<Work> {
        match work {
            Work::Took(taken) => {
                let intents: Vec<&Intent> = taken.iter().map(|(_, intent)| intent).collect();
                let deciding: BTreeSet<usize> = coalesce(&intents).into_iter().collect();
                let passes = |index: &usize| {
                    gate(self.ledger.get(&object(intents[*index])).map(|held| held.applied), intents[*index]) == Gate::Apply
                };
                let apply = deciding.into_iter().filter(passes).collect();
                Some(Work::Gated { taken, apply })
            }
            Work::Gated { taken, apply } => {
                let answers = apply.into_iter().map(|index| (index, self.write(&taken[index].1, refuse))).collect();
                Some(Work::Wrote { taken, answers })
            }
            Work::Wrote { taken, answers } => {
                for (index, answer) in answers {
                    self.settle(&taken[index].1, &answer);
                }
                Some(Work::Settled(taken))
            }
            Work::Settled(taken) => {
                for (message, _) in taken {
                    self.waiting.remove(&message);
                }
                None
            }
        }
    }

    fn take(&self, pick: &[Index]) -> Option<Work> {
        let waiting: Vec<(&usize, &Intent)> = self.waiting.iter().collect();
        if waiting.is_empty() || pick.is_empty() {
            return None;
        }
        let taken = pick.iter().map(|index| *index.get(&waiting)).map(|(message, intent)| (*message, intent.clone())).collect();
        Some(Work::Took(taken))
    }

    pub(crate) fn run(&mut self, schedule: &[Step], handlers: usize) {
        let mut hands: Vec<Option<Work>> = (0..handlers).map(|_| None).collect();
        for step in schedule {
            match step {
                Step::Go { handler, pick, refuse } => {
                    let hand = &mut hands[handler % handlers];
                    *hand = match hand.take() {
                        Some(work) => self.step(work, *refuse),
                        None => self.take(pick),
                    };
                }
                Step::Crash { handler } => hands[handler % handlers] = None,
                Step::Redrive { which } if !self.parked.is_empty() => {
                    let again = self.parked.remove(which.index(self.parked.len()));
                    self.publish(again);
                }
                Step::Repeat { which } if !self.waiting.is_empty() => {
                    let again = self.waiting.values().nth(which.index(self.waiting.len())).unwrap().clone();
                    self.publish(again);
                }
                Step::Redrive { .. } | Step::Repeat { .. } => {}
            }
        }
    }

    /// Restarts every handler, redrives everything parked and processes all messages without failures.
    pub(crate) fn come_to_rest(&mut self) {
        for intent in std::mem::take(&mut self.parked) {
            self.publish(intent);
        }
        while let Some((message, intent)) = self.waiting.first_key_value() {
            let mut work = Some(Work::Took(vec![(*message, intent.clone())]));
            while let Some(doing) = work {
                work = self.step(doing, false);
            }
        }
    }

    pub(crate) fn holds(&self) -> BTreeMap<Object, Action> {
        let held = self.workspace.iter().filter(|(_, held)| held.action != Action::Remove);
        held.map(|(object, held)| (object.clone(), held.action.clone())).collect()
    }
}

/// The final content: the newest intent of each mirrored object, and every object that was started for the user.
pub(crate) fn wanted(intents: &[Intent]) -> BTreeMap<Object, Action> {
    let mut deciding: BTreeMap<Object, &Intent> = BTreeMap::new();
    for intent in intents {
        let best = deciding.entry(object(intent)).or_insert(intent);
        let better = match intent.policy {
            Policy::Mirror => (intent.revision, intent.edition) > (best.revision, best.edition),
            Policy::Once => intent.action != Action::Remove,
        };
        if better {
            *best = intent;
        }
    }
    deciding.retain(|_, intent| intent.action != Action::Remove);
    deciding.into_iter().map(|(object, intent)| (object, intent.action.clone())).collect()
}

fn revised(mut intent: Intent, epoch: u32) -> Intent {
    intent.revision.epoch = epoch;
    intent
}

/// Mirrored objects with a history of puts and removals, and started ones, which a rule might one day also want removed.
fn intents() -> impl Strategy<Value = Vec<Intent>> {
    let location = prop_oneof![Just("one"), Just("two")];
    let mirrored = (location.clone(), prop_oneof![Just("ghl:contact/a"), Just("ghl:task/b")], 1_u32..3, 1_u64..9)
        .prop_map(|(location, object, epoch, seq)| revised(intent(location, object, seq, Policy::Mirror, seq % 3 != 0), epoch));
    let started = (location, 1_u64..4, any::<bool>())
        .prop_map(|(location, seq, put)| intent(location, &format!("rule:onboarding/{seq}"), seq, Policy::Once, put));
    prop::collection::vec(prop_oneof![3 => mirrored, 1 => started], 1..24)
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let go = (0_usize..4, prop::collection::vec(any::<Index>(), 1..6), prop::bool::weighted(0.15))
        .prop_map(|(handler, pick, refuse)| Step::Go { handler, pick, refuse });
    prop_oneof![
        12 => go,
        1 => (0_usize..4).prop_map(|handler| Step::Crash { handler }),
        1 => any::<Index>().prop_map(|which| Step::Redrive { which }),
        1 => any::<Index>().prop_map(|which| Step::Repeat { which }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_order_repetition_and_crash_ends_in_the_same_workspace(
        intents in intents(),
        schedule in prop::collection::vec(step(), 0..120),
        handlers in 1_usize..5,
    ) {
        let mut world = World::default();
        for intent in &intents {
            world.publish(intent.clone());
        }
        world.run(&schedule, handlers);
        world.come_to_rest();
        prop_assert_eq!(world.holds(), wanted(&intents));
        for (object, held) in &world.workspace {
            prop_assert_eq!(world.ledger.get(object).map(|row| row.applied.revision), Some(held.revision), "the ledger knows {:?}", object);
        }
        // Replaying the same intents, in another order, writes nothing.
        let writes = world.writes;
        for intent in intents.iter().rev() {
            world.publish(intent.clone());
        }
        world.come_to_rest();
        prop_assert_eq!(world.writes, writes);
    }
}
