//! What a write does to an object: decided from what is stored and what is written alone.

use super::kind::Kind;

/// The age of a write. A later epoch beats every position of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Revision {
    pub(crate) epoch: u32,
    pub(crate) seq: u64,
}

/// Who owns an object once it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The source does: overwritten whenever it drifts.
    Mirror,
    /// The user does: created once, then left alone.
    Once,
}

impl Policy {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::Once => "once",
        }
    }

    pub(crate) fn parse(policy: &str) -> Option<Self> {
        [Self::Mirror, Self::Once].into_iter().find(|known| known.as_str() == policy)
    }
}

/// SHA-256 of an object's canonical JSON.
pub(crate) type Digest = [u8; 32];

/// A stored object, or the tombstone of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Existing {
    pub(crate) kind: Kind,
    pub(crate) policy: Policy,
    pub(crate) revision: Revision,
    /// The digest of the object; none for a tombstone.
    pub(crate) digest: Option<Digest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Put { policy: Policy, digest: Digest },
    Remove,
}

/// One write, as far as the decision needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    pub(crate) revision: Revision,
    pub(crate) action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Created,
    Updated,
    /// Stored already; the stored revision advances if this one is newer.
    Unchanged,
    /// The user's: left alone.
    Kept,
    Removed,
    /// Did not exist; the tombstone keeps older writes away.
    Absent,
    /// Something newer is stored: nothing changed.
    Stale,
    /// The key belongs to an object of another kind: nothing changed.
    OtherKind,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Kept => "kept",
            Self::Removed => "removed",
            Self::Absent => "absent",
            Self::Stale => "stale",
            Self::OtherKind => "invalid",
        }
    }

    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Created => 201,
            Self::Updated | Self::Unchanged | Self::Kept | Self::Removed | Self::Absent => 200,
            Self::Stale => 409,
            Self::OtherKind => 422,
        }
    }

    /// Whether it appears in the feed.
    pub(crate) fn is_change(self) -> bool {
        match self {
            Self::Created | Self::Updated | Self::Removed => true,
            Self::Unchanged | Self::Kept | Self::Absent | Self::Stale | Self::OtherKind => false,
        }
    }
}

/// The outcome, and what is stored afterwards when that differs from what was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) outcome: Outcome,
    pub(crate) becomes: Option<Existing>,
}

/// Judges one write. Applying any order and any repetition of writes with distinct revisions ends with the newest one.
pub(crate) fn decide(existing: Option<&Existing>, wanted: &Wanted) -> Decision {
    let refused = |outcome| Decision { outcome, becomes: None };
    let Some(existing) = existing else {
        return first(wanted);
    };
    if existing.kind != wanted.kind {
        return refused(Outcome::OtherKind);
    }
    if matches!(wanted.action, Action::Put { policy: Policy::Once, .. }) {
        // A repeated start means that its answer was lost: it must not be answered as if the user had decided.
        let is_repeated = existing.revision == wanted.revision && existing.digest.is_some();
        return refused(if is_repeated { Outcome::Unchanged } else { Outcome::Kept });
    }
    if wanted.revision < existing.revision {
        return refused(Outcome::Stale);
    }
    let outcome = match (wanted.action, existing.digest) {
        (Action::Put { .. }, None) => Outcome::Created,
        (Action::Put { digest, .. }, Some(stored)) if digest == stored => Outcome::Unchanged,
        (Action::Put { .. }, Some(_)) => Outcome::Updated,
        (Action::Remove, Some(_)) => Outcome::Removed,
        (Action::Remove, None) => Outcome::Absent,
    };
    // An object that was created once stays the user's, whatever writes come afterwards.
    let becomes = after(wanted, existing.policy);
    Decision { outcome, becomes: (becomes != *existing).then_some(becomes) }
}

fn first(wanted: &Wanted) -> Decision {
    let (outcome, policy) = match wanted.action {
        Action::Put { policy, .. } => (Outcome::Created, policy),
        Action::Remove => (Outcome::Absent, Policy::Mirror),
    };
    Decision { outcome, becomes: Some(after(wanted, policy)) }
}

fn after(wanted: &Wanted, policy: Policy) -> Existing {
    let digest = match wanted.action {
        Action::Put { digest, .. } => Some(digest),
        Action::Remove => None,
    };
    Existing { kind: wanted.kind, policy, revision: wanted.revision, digest }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(seq: u64, content: u8) -> Wanted {
        let action = Action::Put { policy: Policy::Mirror, digest: [content; 32] };
        Wanted { kind: Kind::Task, revision: Revision { epoch: 1, seq }, action }
    }

    fn once(seq: u64, content: u8) -> Wanted {
        Wanted { action: Action::Put { policy: Policy::Once, digest: [content; 32] }, ..put(seq, content) }
    }

    fn remove(seq: u64) -> Wanted {
        Wanted { action: Action::Remove, ..put(seq, 0) }
    }

    /// Applies the writes in order; answers the outcomes and what is left.
    fn run(writes: &[Wanted]) -> (Vec<Outcome>, Option<Existing>) {
        let mut stored = None;
        let outcomes = writes
            .iter()
            .map(|wanted| {
                let decision = decide(stored.as_ref(), wanted);
                if let Some(becomes) = decision.becomes {
                    stored = Some(becomes);
                }
                decision.outcome
            })
            .collect();
        (outcomes, stored)
    }

    #[test]
    fn older_writes_are_stale_and_equal_or_newer_ones_are_written() {
        use Outcome::{Created, Stale, Unchanged, Updated};
        assert_eq!(
            run(&[put(5, 1), put(4, 2), put(5, 1), put(5, 2), put(6, 2), put(7, 3)]).0,
            [Created, Stale, Unchanged, Updated, Unchanged, Updated]
        );
    }

    #[test]
    fn a_newer_revision_with_the_same_content_moves_the_revision() {
        let (_, stored) = run(&[put(5, 1), put(9, 1)]);
        assert_eq!(stored.unwrap().revision.seq, 9);
        assert_eq!(run(&[put(5, 1), put(9, 1), put(7, 2)]).0[2], Outcome::Stale);
    }

    #[test]
    fn a_later_epoch_beats_every_position() {
        let mut later = put(1, 2);
        later.revision.epoch = 2;
        assert_eq!(run(&[put(900, 1), later]).0[1], Outcome::Updated);
    }

    #[test]
    fn a_tombstone_keeps_older_writes_away_even_when_the_object_was_never_seen() {
        use Outcome::{Absent, Created, Removed, Stale};
        assert_eq!(run(&[remove(5), put(4, 1), remove(4), put(6, 1)]).0, [Absent, Stale, Stale, Created]);
        assert_eq!(run(&[put(4, 1), remove(5), remove(5), put(4, 1)]).0, [Created, Removed, Absent, Stale]);
    }

    #[test]
    fn what_was_started_once_is_left_alone_also_after_it_was_removed() {
        use Outcome::{Created, Kept, Removed};
        assert_eq!(run(&[once(1, 1), once(9, 2), remove(10), once(11, 3)]).0, [Created, Kept, Removed, Kept]);
    }

    #[test]
    fn what_was_started_once_stays_the_users_when_it_is_written_or_removed() {
        use Outcome::{Created, Kept, Removed, Unchanged, Updated};
        let (outcomes, stored) = run(&[once(1, 1), put(5, 2), put(6, 2), remove(7), put(8, 3), once(9, 4)]);
        assert_eq!(outcomes, [Created, Updated, Unchanged, Removed, Created, Kept]);
        assert_eq!(stored.unwrap().policy, Policy::Once);
    }

    #[test]
    fn a_start_that_is_repeated_is_there_already_until_it_was_removed() {
        use Outcome::{Created, Kept, Removed, Unchanged};
        assert_eq!(run(&[once(4, 1), once(4, 1), once(5, 1)]).0, [Created, Unchanged, Kept]);
        assert_eq!(run(&[once(4, 1), remove(4), once(4, 1)]).0, [Created, Removed, Kept]);
    }

    #[test]
    fn a_key_never_changes_its_kind() {
        let note = Wanted { kind: Kind::Note, ..put(9, 1) };
        assert_eq!(run(&[put(1, 1), note]).0[1], Outcome::OtherKind);
        assert_eq!(run(&[remove(1), note]).0[1], Outcome::OtherKind);
    }

    /// Writes whose content follows from their revision, as those of one log do.
    fn writes() -> impl Strategy<Value = Vec<Wanted>> {
        proptest::collection::vec((1u64..12).prop_map(|seq| if seq % 3 == 0 { remove(seq) } else { put(seq, (seq / 2) as u8) }), 1..24)
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_ends_with_the_newest(schedule in writes()) {
            let newest = schedule.iter().max_by_key(|wanted| wanted.revision).unwrap();
            let (_, stored) = run(&schedule);
            let stored = stored.unwrap();
            prop_assert_eq!(stored.revision, newest.revision);
            let wanted = match newest.action {
                Action::Put { digest, .. } => Some(digest),
                Action::Remove => None,
            };
            prop_assert_eq!(stored.digest, wanted);
        }

        #[test]
        fn repeating_a_write_changes_nothing(schedule in writes()) {
            let (_, stored) = run(&schedule);
            let newest = schedule.iter().max_by_key(|wanted| wanted.revision).unwrap();
            let again = decide(stored.as_ref(), newest);
            prop_assert_eq!(again.becomes, None);
            prop_assert!(!again.outcome.is_change());
        }

        #[test]
        fn the_stored_revision_never_goes_back(schedule in writes()) {
            let mut stored: Option<Existing> = None;
            for wanted in &schedule {
                if let Some(becomes) = decide(stored.as_ref(), wanted).becomes {
                    prop_assert!(stored.is_none_or(|before| becomes.revision >= before.revision));
                    stored = Some(becomes);
                }
            }
        }

        #[test]
        fn what_is_not_a_change_keeps_presence_and_content(schedule in writes()) {
            let mut stored: Option<Existing> = None;
            for wanted in &schedule {
                let decision = decide(stored.as_ref(), wanted);
                let before = stored.as_ref().and_then(|existing| existing.digest);
                if let Some(becomes) = decision.becomes {
                    stored = Some(becomes);
                }
                let after = stored.as_ref().and_then(|existing| existing.digest);
                prop_assert_eq!(decision.outcome.is_change(), before != after);
            }
        }
    }
}
