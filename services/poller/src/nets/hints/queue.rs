//! Which contact of a location is looked at next: hints with the same key are collected for a while and answered by one look, and there is
//! at most one look for a key at a time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::hint::HintKey;

/// Hints that wait, in batches of the same key.
pub(super) struct Queue<T> {
    debounce: Duration,
    in_flight_max: usize,
    batches: HashMap<HintKey, Batch<T>>,
    /// The batches whose key is not in flight.
    due: BTreeMap<Due, HintKey>,
    in_flight: HashSet<HintKey>,
    waiting: usize,
    received: u64,
}

/// When a batch is due, and a number that tells batches of the same time apart.
type Due = (Instant, u64);

struct Batch<T> {
    due: Due,
    hints: Vec<T>,
}

impl<T> Queue<T> {
    pub(super) fn new(debounce: Duration, in_flight_max: usize) -> Self {
        let (batches, due, in_flight) = (HashMap::new(), BTreeMap::new(), HashSet::new());
        Self { debounce, in_flight_max, batches, due, in_flight, waiting: 0, received: 0 }
    }

    pub(super) fn push(&mut self, key: HintKey, hint: T, now: Instant) {
        self.received += 1;
        self.waiting += 1;
        if let Some(batch) = self.batches.get_mut(&key) {
            // The first hint sets the due time, so that a contact that changes all the time is still looked at.
            batch.hints.push(hint);
            return;
        }
        let due = (now + self.debounce, self.received);
        if !self.in_flight.contains(&key) {
            self.due.insert(due, key.clone());
        }
        self.batches.insert(key, Batch { due, hints: vec![hint] });
    }

    /// Takes a batch that is due. Its key is in flight until `finish`.
    pub(super) fn start(&mut self, now: Instant) -> Option<(HintKey, Vec<T>)> {
        if self.in_flight.len() >= self.in_flight_max {
            return None;
        }
        let key = self.due.first_entry().filter(|first| first.key().0 <= now)?.remove();
        let batch = self.batches.remove(&key)?;
        self.in_flight.insert(key.clone());
        self.waiting -= batch.hints.len();
        Some((key, batch.hints))
    }

    pub(super) fn finish(&mut self, key: &HintKey) {
        self.in_flight.remove(key);
        if let Some(batch) = self.batches.get(key) {
            self.due.insert(batch.due, key.clone());
        }
    }

    /// When the next batch is due; none while there is none, or no room for one.
    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.in_flight.len() >= self.in_flight_max {
            return None;
        }
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many hints wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn hints(&self) -> impl Iterator<Item = &T> {
        self.batches.values().flat_map(|batch| &batch.hints)
    }
}

#[cfg(test)]
mod tests {
    use domain::ContactId;

    use super::*;

    const DEBOUNCE: Duration = Duration::from_millis(500);

    fn key(id: &str) -> HintKey {
        HintKey::Contact(ContactId::new(id).unwrap())
    }

    fn started(queue: &mut Queue<u32>, now: Instant) -> Vec<Vec<u32>> {
        std::iter::from_fn(|| queue.start(now)).map(|(_, hints)| hints).collect()
    }

    #[test]
    fn hints_for_one_contact_become_one_look_when_the_first_is_due() {
        let now = Instant::now();
        let mut queue = Queue::new(DEBOUNCE, 10);
        for (number, after) in [0_u64, 300, 499].into_iter().enumerate() {
            queue.push(key("c"), u32::try_from(number).unwrap(), now + Duration::from_millis(after));
        }
        assert_eq!(queue.next_due(), Some(now + DEBOUNCE));
        assert!(started(&mut queue, now + Duration::from_millis(499)).is_empty());
        assert_eq!(started(&mut queue, now + DEBOUNCE), [[0, 1, 2]]);
        assert_eq!(queue.waiting(), 0);
    }

    #[test]
    fn hints_that_arrive_during_a_look_lead_to_another_one() {
        let now = Instant::now();
        let mut queue = Queue::new(Duration::ZERO, 10);
        queue.push(key("c"), 1, now);
        assert_eq!(started(&mut queue, now), [[1]]);
        queue.push(key("c"), 2, now);
        assert!(started(&mut queue, now).is_empty(), "a key is in flight only once");
        queue.finish(&key("c"));
        assert_eq!(started(&mut queue, now), [[2]]);
        queue.finish(&key("c"));
        assert!(queue.batches.is_empty() && queue.due.is_empty() && queue.in_flight.is_empty(), "nothing is kept of what is done");
    }

    #[test]
    fn looks_in_flight_are_limited() {
        let now = Instant::now();
        let mut queue = Queue::new(Duration::ZERO, 2);
        for number in 0..5 {
            queue.push(key(&number.to_string()), number, now);
        }
        assert_eq!(started(&mut queue, now), [[0], [1]]);
        assert_eq!(queue.next_due(), None, "only the end of a look makes room");
        assert_eq!(queue.waiting(), 3);
        queue.finish(&key("0"));
        assert_eq!(started(&mut queue, now), [[2]]);
    }
}
