//! The law of replays: planned at any moment, concurrently with live delivery, they end in the state that the log describes, and then
//! have nothing more to do.

use std::collections::{BTreeMap, BTreeSet};

use domain::replay::{LedgerEntry, Needed, Planned, Present, Sieve, Tally, Target, Terms, fold, plan};
use domain::{Action, Body, Change, Intent, Names, ObjectKey, Policy, Record, RecordKind, Recorded, Rules, RulesRevision, Workspace, map};
use proptest::prelude::*;

use crate::converge::{self, World, step};
use crate::support::{contact_id, location, named, recorded, task};

fn rules(text: &str) -> Rules {
    Rules::parse(text).unwrap()
}

fn builtin() -> Rules {
    Rules::builtin().unwrap()
}

/// Contacts without e-mail and company, tasks without a title.
fn others() -> Rules {
    let text = include_str!("../../src/default_rules.toml");
    rules(
        &text
            .replace("\"name\", \"email\", \"phone\", \"company\",", "\"phone\",")
            .replace("[\"title\", \"notes\", \"due\"", "[\"notes\", \"due\""),
    )
}

/// What happens to one of a few records: the contact and three tasks.
#[derive(Clone, Debug)]
enum Act {
    Write(usize, u8),
    Vanish(usize),
}

const RECORDS: [&str; 4] = ["ann", "t1", "t2", "t3"];

/// The events that these acts would have left in the log.
fn events(acts: &[Act]) -> Vec<Recorded> {
    let mut there: BTreeMap<usize, bool> = BTreeMap::new();
    let mut events = Vec::new();
    for act in acts {
        let (which, n, change) = match (
            act,
            there.get(match act {
                Act::Write(which, _) | Act::Vanish(which) => which,
            }),
        ) {
            (Act::Write(which, n), None) => (*which, *n, Change::Appeared),
            (Act::Write(which, n), Some(true)) => (*which, *n, Change::Changed),
            (Act::Write(which, n), Some(false)) => (*which, *n, Change::Returned),
            (Act::Vanish(which), Some(true)) => (*which, 0, Change::Vanished),
            (Act::Vanish(_), _) => continue,
        };
        there.insert(which, change != Change::Vanished);
        let record = if which == 0 { Record::Contact(Box::new(named(&format!("Ann {n}")))) } else { task(&format!("Task {n}")) };
        let seq = events.len() as u64 + 1;
        events.push(recorded(seq, RECORDS[which], change, record, Names::default(), change == Change::Appeared && which == 0));
    }
    events
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0..RECORDS.len(), 0_u8..3).prop_map(|(which, n)| Act::Write(which, n)),
        1 => (0..RECORDS.len()).prop_map(Act::Vanish),
    ];
    prop::collection::vec(act, 1..24)
}

/// A log, the rules and the workspace that it is mirrored into.
struct Mirror {
    world: World,
    log: Vec<Recorded>,
    workspace: Workspace,
    rules: Rules,
    edition: u32,
    earlier: BTreeMap<RulesRevision, Rules>,
}

impl Mirror {
    fn new() -> Self {
        let earlier = [builtin(), others()].map(|rules| (rules.revision().clone(), rules)).into();
        let workspace = Workspace::new("somewhere").unwrap();
        Self { world: World::default(), log: Vec::new(), workspace, rules: builtin(), edition: 0, earlier }
    }

    fn target(&self) -> Target<'_> {
        Target { workspace: &self.workspace, edition: self.edition, rules: &self.rules, earlier: &self.earlier }
    }

    fn mapped(&self, events: &[Recorded]) -> Vec<Intent> {
        let intents = events.iter().flat_map(|event| map(event, &self.rules));
        intents.map(|intent| intent.bound_for(&self.workspace, self.edition)).collect()
    }

    /// The live path: records an event and publishes its intents.
    fn append(&mut self, event: Recorded) {
        for intent in self.mapped(std::slice::from_ref(&event)) {
            self.world.publish(intent);
        }
        self.log.push(event);
    }

    fn held(&self) -> BTreeMap<ObjectKey, LedgerEntry> {
        self.world.ledger.iter().map(|((_, object), held)| (object.clone(), held.clone())).collect()
    }

    fn present(&self) -> BTreeMap<ObjectKey, Present> {
        let present = self.world.workspace.iter().filter_map(|((_, object), kept)| match &kept.action {
            Action::Put(content) => Some((object.clone(), Present { revision: kept.revision, content: content.to_json().unwrap() })),
            Action::Remove => None,
        });
        present.collect()
    }

    fn plan(&self, present: Option<&BTreeMap<ObjectKey, Present>>) -> Vec<Planned> {
        plan(&self.log, &self.held(), present, &BTreeSet::new(), self.target())
    }

    fn apply(&mut self, planned: Vec<Planned>) {
        for one in planned {
            if one.forget.is_some() {
                self.world.ledger.remove(&(self.workspace.clone(), one.object));
            }
            if let Some(intent) = one.intent {
                self.world.publish(intent);
            }
        }
    }

    /// Plans and applies until there is nothing to do.
    fn converge(&mut self) -> usize {
        for rounds in 0.. {
            let planned = self.plan(None);
            if !planned.iter().any(Planned::acts) {
                return rounds;
            }
            assert!(rounds < 3, "still to do: {planned:?}");
            self.apply(planned);
            self.world.come_to_rest();
        }
        0
    }

    fn wanted(&self) -> BTreeMap<converge::Object, Action> {
        converge::wanted(&self.mapped(&self.log))
    }
}

#[derive(Clone, Debug)]
enum Moment {
    Append,
    Work(Vec<converge::Step>),
    Replay,
}

fn moments() -> impl Strategy<Value = Vec<Moment>> {
    let moment = prop_oneof![
        4 => Just(Moment::Append),
        4 => prop::collection::vec(step(), 1..12).prop_map(Moment::Work),
        1 => Just(Moment::Replay),
    ];
    prop::collection::vec(moment, 0..40)
}

fn lived(mirror: &mut Mirror, coming: &mut impl Iterator<Item = Recorded>, moments: &[Moment]) {
    for moment in moments {
        match moment {
            Moment::Append => coming.next().into_iter().for_each(|event| mirror.append(event)),
            Moment::Work(steps) => mirror.world.run(steps, 3),
            Moment::Replay => mirror.apply(mirror.plan(None)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn replays_beside_live_delivery_end_in_what_the_log_says(acts in acts(), moments in moments()) {
        let mut mirror = Mirror::new();
        let mut coming = events(&acts).into_iter();
        lived(&mut mirror, &mut coming, &moments);
        coming.for_each(|event| mirror.append(event));
        mirror.world.come_to_rest();
        prop_assert_eq!(mirror.converge(), 0, "the live path alone brings everything");
        prop_assert_eq!(mirror.world.holds(), mirror.wanted());
        // A replay into an up-to-date workspace writes nothing, even if every intent is sent again.
        let writes = mirror.world.writes;
        for intent in mirror.mapped(&mirror.log) {
            mirror.world.publish(intent);
        }
        mirror.world.come_to_rest();
        prop_assert_eq!(mirror.world.writes, writes);
    }

    #[test]
    fn what_the_transport_lost_a_replay_brings(acts in acts(), moments in moments()) {
        let mut mirror = Mirror::new();
        let mut coming = events(&acts).into_iter();
        lived(&mut mirror, &mut coming, &moments);
        coming.for_each(|event| mirror.log.push(event));
        // Messages that were not lost arrive first: no removal is planned for an absent object, and it would stay if it arrived later.
        mirror.world.come_to_rest();
        mirror.converge();
        prop_assert_eq!(mirror.world.holds(), mirror.wanted());
        prop_assert_eq!(mirror.converge(), 0);
    }

    #[test]
    fn other_rules_reach_every_object_whatever_is_under_way(acts in acts(), before in moments(), after in moments()) {
        let mut mirror = Mirror::new();
        let mut coming = events(&acts).into_iter();
        lived(&mut mirror, &mut coming, &before);
        (mirror.rules, mirror.edition) = (others(), 1);
        lived(&mut mirror, &mut coming, &after);
        coming.for_each(|event| mirror.append(event));
        mirror.world.come_to_rest();
        mirror.converge();
        let mirrored = |all: BTreeMap<converge::Object, Action>| -> BTreeMap<converge::Object, Action> {
            all.into_iter().filter(|((_, object), _)| object.as_str().starts_with("ghl:")).collect()
        };
        prop_assert_eq!(mirrored(mirror.world.holds()), mirrored(mirror.wanted()));
        let started = |all: BTreeMap<converge::Object, Action>| -> Vec<converge::Object> { all.into_keys().collect() };
        prop_assert_eq!(started(mirror.world.holds()), started(mirror.wanted()), "nothing is started twice or lost");
    }

    #[test]
    fn what_was_dropped_or_changed_in_the_workspace_is_put_right(acts in acts(), drop in any::<u8>(), change in any::<u8>()) {
        let mut mirror = Mirror::new();
        events(&acts).into_iter().for_each(|event| mirror.append(event));
        mirror.world.come_to_rest();
        let wanted = mirror.world.holds();
        let picked = |mask: u8, index: usize| mask & (1 << (index % 8)) != 0;
        for (index, key) in wanted.keys().enumerate() {
            if picked(drop, index) {
                mirror.world.workspace.remove(key);
            } else if picked(change, index) && key.1.as_str().starts_with("ghl:task") {
                let content = domain::Content::Task(domain::TaskContent { title: "drifted".to_owned(), ..Default::default() });
                mirror.world.workspace.get_mut(key).unwrap().action = Action::Put(Box::new(content));
            }
        }
        let planned = mirror.plan(Some(&mirror.present()));
        let touched = planned.iter().filter(|one| one.acts()).count();
        mirror.apply(planned);
        mirror.world.come_to_rest();
        prop_assert_eq!(mirror.world.holds(), wanted);
        prop_assert!(!mirror.plan(Some(&mirror.present())).iter().any(Planned::acts));
        prop_assert_eq!(mirror.converge(), 0);
        prop_assert!(touched <= mirror.world.holds().len());
    }

    #[test]
    fn only_what_comes_through_the_sieve_is_needed(acts in acts(), moments in moments(), other in any::<bool>()) {
        let mut mirror = Mirror::new();
        let mut coming = events(&acts).into_iter();
        lived(&mut mirror, &mut coming, &moments);
        if other {
            (mirror.rules, mirror.edition) = (others(), 1);
        }
        let whole = mirror.plan(None);
        let mut sieve = Sieve::default();
        for event in &mirror.log {
            let (Body::Record(fact), Some((kind, id))) = (&event.body, &event.record) else { continue };
            sieve.take(*kind, id.clone(), event.revision(), fact.change, event.clone());
        }
        let Needed { mut events, settled, before } = sieve.needed(&mirror.held(), mirror.rules.revision(), false);
        events.extend(mirror.log.iter().filter(|event| before.contains(&event.revision())).cloned());
        events.sort_by_key(Recorded::revision);
        events.dedup_by_key(|event| event.revision());
        let done: BTreeSet<ObjectKey> = settled.iter().map(|one| one.object.clone()).collect();
        let mut little = plan(&events, &mirror.held(), None, &done, mirror.target());
        let acting = |all: &[Planned]| all.iter().filter(|one| one.acts()).cloned().collect::<Vec<_>>();
        prop_assert_eq!(acting(&little), acting(&whole));
        little.extend(settled);
        prop_assert_eq!(little.len(), whole.len(), "every object is accounted for");
    }

    #[test]
    fn a_plan_has_the_same_hash_in_any_order_and_another_when_it_does_another_thing(acts in acts(), split in any::<usize>()) {
        let mut mirror = Mirror::new();
        mirror.log = events(&acts);
        let planned = mirror.plan(None);
        let contacts = ["a", "b", "c"].map(|id| domain::ContactId::new(id).unwrap());
        let location_id = location();
        let revision = mirror.rules.revision().clone();
        let terms = Terms { location_id: &location_id, workspace: &mirror.workspace, rules: &revision, head: (9, [7; 32]), selection: "all" };
        let (mut forwards, mut left, mut right) = (Tally::default(), Tally::default(), Tally::default());
        for (index, contact) in contacts.iter().enumerate() {
            forwards.add(contact, &planned);
            let half = if (index + split).is_multiple_of(2) { &mut left } else { &mut right };
            half.add(contact, &planned);
        }
        right.merge(&left);
        prop_assert_eq!(&right, &forwards);
        let mut less = Tally::default();
        contacts.iter().take(2).for_each(|contact| less.add(contact, &planned));
        prop_assert_eq!(less.hash(terms) == forwards.hash(terms), forwards.actions() == 0);
        prop_assert_ne!(forwards.hash(terms), forwards.hash(Terms { selection: "one", ..terms }));
    }
}

#[test]
fn a_plan_says_why_and_which_fields_change() {
    let mut mirror = Mirror::new();
    mirror.log = events(&[Act::Write(0, 1), Act::Write(1, 1)]);
    let described = |planned: Vec<Planned>| -> Vec<String> {
        let line = |one: Planned| {
            let changes: Vec<String> = one
                .changes
                .iter()
                .filter(|change| change.field != "container")
                .map(|change| format!(" {}:{}→{}", change.field, change.before, change.after))
                .collect();
            format!("{:?} {} {}{}", one.step, one.object, one.reason.as_str(), changes.concat())
        };
        planned.into_iter().filter(|one| one.policy == Policy::Mirror).map(line).collect()
    };
    assert_eq!(
        described(mirror.plan(None)),
        ["Put ghl:contact/ann missing name:null→\"Ann 1\"", "Put ghl:task/t1 missing done:null→false title:null→\"Task 1\"",]
    );
    mirror.converge();
    mirror.log = events(&[Act::Write(0, 1), Act::Write(1, 1), Act::Write(1, 2), Act::Vanish(0)]);
    assert_eq!(
        described(mirror.plan(None)),
        ["Remove ghl:contact/ann vanished name:\"Ann 1\"→null", "Put ghl:task/t1 behind title:\"Task 1\"→\"Task 2\"",]
    );
    mirror.converge();
    (mirror.rules, mirror.edition) = (others(), 1);
    assert_eq!(described(mirror.plan(None)), ["Skip ghl:contact/ann absent", "Put ghl:task/t1 rules title:\"Task 2\"→\"Task\""]);
}

#[test]
fn what_the_user_finished_or_removed_stays_so() {
    let mut mirror = Mirror::new();
    events(&[Act::Write(0, 1)]).into_iter().for_each(|event| mirror.append(event));
    mirror.world.come_to_rest();
    let started: Vec<converge::Object> =
        mirror.world.holds().into_keys().filter(|(_, object)| object.as_str().starts_with("rule:")).collect();
    let mut present = mirror.present();
    present.remove(&started[0].1);
    present.get_mut(&started[1].1).unwrap().content = serde_json::json!({"title": "mine"});
    let mut planned = mirror.plan(Some(&present));
    let acting: Vec<&ObjectKey> = planned.iter().filter(|one| one.acts()).map(|one| &one.object).collect();
    assert_eq!(acting, [&started[0].1], "whether it was lost or removed, the workspace itself knows");
    assert!(planned.iter().filter(|one| one.acts()).all(|one| one.starts() && one.forget.is_some()));
    // The workspace remembers it.
    planned.iter_mut().filter(|one| one.starts()).for_each(Planned::leave);
    assert!(planned.iter().all(|one| !one.acts() && one.intent.is_none() && one.forget.is_none()));
    mirror.apply(planned);
    assert!(mirror.world.ledger.contains_key(&started[0]), "nothing is forgotten");
}

#[test]
fn folding_leaves_one_intent_for_each_object() {
    let mirror = Mirror::new();
    let folded = fold(mirror.mapped(&events(&[Act::Write(0, 1), Act::Write(1, 1), Act::Write(0, 2)])));
    let contact = folded.get(&ObjectKey::of_record(RecordKind::Contact, &domain::RecordId::from(&contact_id()))).unwrap();
    assert_eq!((contact.revision.seq, folded.len()), (3, 7));
    assert!(mirror.plan(None).is_empty(), "nothing is recorded yet");
}
