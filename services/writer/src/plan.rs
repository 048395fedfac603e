//! What to do about a batch of messages: pure, by index, so that the messages themselves keep one owner.

use std::collections::BTreeMap;

use domain::{Applied, Decode, Gate, Intent, LocationId, ObjectKey, Workspace, coalesce, gate};

/// What to do about a batch.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// By location, which has a log of its own, and by workspace, which a request is for.
    pub(crate) work: BTreeMap<(LocationId, Workspace), Vec<Item>>,
    pub(crate) unreadable: Vec<(usize, Decode)>,
    /// Messages about contacts that were erased: they need no work.
    pub(crate) erased: Vec<usize>,
    /// How many intents were displaced by another one for the same object.
    pub(crate) displaced: usize,
}

/// An intent that decides for its object, and the messages whose fate depends on it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) intent: Intent,
    /// The message that carried it.
    pub(crate) message: usize,
    /// Messages whose intents it displaced: they share its fate.
    pub(crate) displaced: Vec<usize>,
}

impl Item {
    /// Its own message and the displaced ones.
    pub(crate) fn messages(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.message).chain(self.displaced.iter().copied())
    }
}

/// The intent in a message; `None` when its contact was erased.
pub(crate) type Read = Result<Option<Intent>, Decode>;

/// Plans a batch from what its messages hold, in their order.
pub(crate) fn plan(read: Vec<Read>) -> Plan {
    let mut plan = Plan::default();
    let (mut messages, mut intents) = (Vec::new(), Vec::new());
    for (message, read) in read.into_iter().enumerate() {
        match read {
            Ok(None) => plan.erased.push(message),
            Ok(Some(intent)) => {
                messages.push(message);
                intents.push(intent);
            }
            Err(error) => plan.unreadable.push((message, error)),
        }
    }
    let deciding = coalesce(&intents);
    let mut displaced: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for ((index, decides), message) in deciding.iter().enumerate().zip(&messages) {
        if index != *decides {
            displaced.entry(*decides).or_default().push(*message);
            plan.displaced += 1;
        }
    }
    for (index, (intent, message)) in intents.into_iter().zip(messages).enumerate() {
        if deciding.get(index) == Some(&index) {
            let displaced = displaced.remove(&index).unwrap_or_default();
            plan.work.entry((intent.location_id.clone(), intent.workspace.clone())).or_default().push(Item { intent, message, displaced });
        }
    }
    plan
}

/// Separates what still has to be written from what the ledger already has.
pub(crate) fn gated(items: Vec<Item>, applied: &BTreeMap<ObjectKey, Applied>) -> (Vec<Item>, Vec<Item>) {
    items.into_iter().partition(|item| gate(applied.get(&item.intent.object).copied(), &item.intent) == Gate::Apply)
}

/// Splits a list into pieces that fit one request. An item that is too large by itself goes alone.
pub(crate) fn pieces<T>(items: Vec<T>, bytes_of: impl Fn(&T) -> usize, items_max: usize, bytes_max: usize) -> Vec<Vec<T>> {
    let mut pieces: Vec<Vec<T>> = Vec::new();
    let (mut piece, mut bytes) = (Vec::new(), 0_usize);
    for item in items {
        let more = bytes_of(&item);
        if !piece.is_empty() && (piece.len() >= items_max || bytes.saturating_add(more) > bytes_max) {
            pieces.push(std::mem::take(&mut piece));
            bytes = 0;
        }
        bytes = bytes.saturating_add(more);
        piece.push(item);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// The two halves of a piece that was refused as a whole; the error is the one item of a piece that cannot be halved.
pub(crate) fn halves<T>(mut piece: Vec<T>) -> Result<(Vec<T>, Vec<T>), Option<T>> {
    if piece.len() < 2 {
        return Err(piece.pop());
    }
    let second = piece.split_off(piece.len().div_ceil(2));
    Ok((piece, second))
}

#[cfg(test)]
mod tests {
    use domain::{Action, ContactId, ObjectKind, Policy, Revision, Rules, event_id};

    use super::*;

    fn intent(location: &str, object: &str, seq: u64) -> Intent {
        let location_id = LocationId::new(location).unwrap();
        Intent {
            workspace: Workspace::live_of(&location_id),
            edition: 0,
            event_id: event_id(&location_id, 1, seq),
            location_id,
            contact_id: ContactId::new("ann").unwrap(),
            kind: ObjectKind::Task,
            object: ObjectKey::from(object.to_owned()),
            revision: Revision { epoch: 1, seq },
            policy: Policy::Mirror,
            rules: Rules::builtin().unwrap().revision().clone(),
            action: Action::Remove,
        }
    }

    fn told(plan: &Plan) -> String {
        let items = plan.work.iter().flat_map(|((location, _), items)| {
            items.iter().map(move |item| {
                format!("{location} {} {} {:?}", item.intent.object, item.intent.revision, item.messages().collect::<Vec<_>>())
            })
        });
        let unreadable = plan.unreadable.iter().map(|(message, _)| format!("unreadable {message}"));
        items.chain(unreadable).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn displaced_messages_are_settled_with_the_one_that_decides() {
        let broken = || Intent::decode(b"{").unwrap_err();
        let plan = plan(vec![
            Ok(Some(intent("one", "a", 1))),
            Err(broken()),
            Ok(Some(intent("one", "a", 3))),
            Ok(Some(intent("two", "a", 2))),
            Ok(Some(intent("one", "b", 2))),
            Ok(Some(intent("one", "a", 2))),
            Ok(Some(intent("one", "a", 3))),
        ]);
        assert_eq!(told(&plan), "one a 1.3 [2, 0, 5, 6]\none b 1.2 [4]\ntwo a 1.2 [3]\nunreadable 1");
        assert_eq!(plan.displaced, 3);
    }

    #[test]
    fn every_message_of_a_batch_has_one_fate() {
        let read = (0..50_u64).map(|n| {
            if n % 7 == 0 {
                Intent::decode(b"").map(Some)
            } else if n % 11 == 0 {
                Ok(None)
            } else {
                Ok(Some(intent("one", &(n % 5).to_string(), n)))
            }
        });
        let plan = plan(read.collect());
        let mut all: Vec<usize> = plan.work.values().flatten().flat_map(|item| item.messages().collect::<Vec<_>>()).collect();
        all.extend(plan.unreadable.iter().map(|(message, _)| *message));
        all.extend(plan.erased);
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn workspaces_of_one_location_are_worked_on_apart() {
        let shadow = Workspace::new("shadow").unwrap();
        let plan = plan(vec![Ok(Some(intent("one", "a", 1))), Ok(Some(intent("one", "a", 1).bound_for(&shadow, 0)))]);
        assert_eq!(told(&plan), "one a 1.1 [0]\none a 1.1 [1]");
    }

    #[test]
    fn what_the_ledger_has_is_not_written_again() {
        let items = plan(vec![Ok(Some(intent("one", "a", 5))), Ok(Some(intent("one", "b", 5)))]).work.pop_first().unwrap().1;
        let applied = Applied { revision: Revision { epoch: 1, seq: 5 }, edition: 0, policy: Policy::Mirror };
        let (apply, skip) = gated(items, &BTreeMap::from([(ObjectKey::from("a".to_owned()), applied)]));
        assert_eq!(apply.iter().map(|item| item.message).collect::<Vec<_>>(), [1]);
        assert_eq!(skip.iter().map(|item| item.message).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn pieces_respect_both_limits_and_what_is_too_large_goes_alone() {
        let pieces_of = |sizes: &[usize]| pieces(sizes.to_vec(), |size| *size, 3, 10);
        assert_eq!(pieces_of(&[1, 1, 1, 1]), [vec![1, 1, 1], vec![1]]);
        assert_eq!(pieces_of(&[5, 5, 1, 20, 1]), [vec![5, 5], vec![1], vec![20], vec![1]]);
        assert_eq!(pieces_of(&[]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn halving_finds_the_culprit() {
        assert_eq!(halves(vec![1, 2, 3]), Ok((vec![1, 2], vec![3])));
        assert_eq!(halves(vec![1, 2]), Ok((vec![1], vec![2])));
        assert_eq!(halves(vec![1]), Err(Some(1)));
        assert_eq!(halves(Vec::<u8>::new()), Err(None));
    }
}
