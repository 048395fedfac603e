//! Which intents may still be written, and which of several intents decides.

use domain::{Applied, Gate, Intent, LocationId, Policy, Revision, Workspace, coalesce, gate};

use crate::support::intent;

const TASK: &str = "ghl:task/1";
const STARTED: &str = "rule:onboarding/1";

fn mirror(seq: u64, put: bool) -> Intent {
    intent("loc", TASK, seq, Policy::Mirror, put)
}

fn once(seq: u64, put: bool) -> Intent {
    intent("loc", STARTED, seq, Policy::Once, put)
}

#[track_caller]
fn check(applied: Option<(u32, u64, Policy)>, intent: &Intent, then: Gate) {
    let applied = applied.map(|(epoch, seq, policy)| Applied { revision: Revision { epoch, seq }, edition: 1, policy });
    assert_eq!(gate(applied, intent), then);
}

#[test]
fn only_what_is_newer_passes() {
    check(None, &mirror(1, true), Gate::Apply);
    check(None, &mirror(1, false), Gate::Apply);
    check(Some((1, 4, Policy::Mirror)), &mirror(5, true), Gate::Apply);
    check(Some((1, 4, Policy::Mirror)), &mirror(5, false), Gate::Apply);
    check(Some((1, 5, Policy::Mirror)), &mirror(5, true), Gate::Skip);
    check(Some((1, 6, Policy::Mirror)), &mirror(5, false), Gate::Skip);
}

#[test]
fn of_the_same_age_only_newer_rules_pass() {
    let by = |edition, seq| mirror(seq, true).bound_for(&Workspace::live_of(&LocationId::new("loc").unwrap()), edition);
    check(Some((1, 5, Policy::Mirror)), &by(2, 5), Gate::Apply);
    check(Some((1, 5, Policy::Mirror)), &by(1, 5), Gate::Skip);
    check(Some((1, 5, Policy::Mirror)), &by(0, 5), Gate::Skip);
    check(Some((1, 5, Policy::Mirror)), &by(2, 4), Gate::Skip);
    check(Some((1, 5, Policy::Mirror)), &by(0, 6), Gate::Apply);
    check(Some((1, 5, Policy::Once)), &by(2, 5), Gate::Skip);
    decides(&[by(0, 5), by(1, 5), by(2, 4)], &[1, 1, 1]);
}

#[test]
fn workspaces_decide_for_themselves() {
    let shadow = Workspace::new("shadow").unwrap();
    decides(&[mirror(2, true), mirror(1, true).bound_for(&shadow, 0), mirror(3, true)], &[2, 1, 2]);
}

#[test]
fn a_later_epoch_beats_every_position() {
    check(Some((0, 999, Policy::Mirror)), &mirror(5, true), Gate::Apply);
    check(Some((2, 1, Policy::Mirror)), &mirror(5, true), Gate::Skip);
}

#[test]
fn what_belongs_to_the_user_is_started_once_and_never_removed() {
    check(None, &once(5, true), Gate::Apply);
    check(Some((1, 1, Policy::Once)), &once(5, true), Gate::Skip);
    check(Some((1, 1, Policy::Once)), &once(5, false), Gate::Skip);
    check(None, &once(5, false), Gate::Skip);
}

#[track_caller]
fn decides(intents: &[Intent], deciding: &[usize]) {
    assert_eq!(coalesce(intents), deciding);
}

#[test]
fn the_newest_intent_for_a_mirrored_object_decides() {
    decides(&[mirror(2, true), mirror(3, false), mirror(1, true)], &[1, 1, 1]);
    decides(&[mirror(2, true), mirror(2, true)], &[0, 0]);
    decides(&[], &[]);
}

#[test]
fn the_oldest_start_of_an_object_decides_and_a_removal_never_does() {
    decides(&[once(3, true), once(2, true)], &[1, 1]);
    decides(&[once(1, false), once(2, true)], &[1, 1]);
    decides(&[once(2, true), once(1, false)], &[0, 0]);
}

#[test]
fn objects_decide_for_themselves_also_when_two_locations_use_one_key() {
    let other = intent("other", TASK, 9, Policy::Mirror, true);
    decides(&[mirror(2, true), other, once(1, true), mirror(4, true)], &[3, 1, 2, 3]);
}
