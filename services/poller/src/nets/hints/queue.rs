//! Which contact is looked at next: hints for one contact are collected for a while, no contact is looked at twice at a time, and no
//! location takes the place of the others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use domain::LocationId;
use tokio::time::Instant;

use crate::hint::Whom;

/// Hints that wait, in piles of those about the same.
pub(super) struct Desk<T> {
    debounce: Duration,
    busy_max: usize,
    locations: HashMap<LocationId, Drawer<T>>,
    waiting: usize,
    taken: u64,
}

/// One location's piles. A pile is in `due` unless one about the same is busy.
struct Drawer<T> {
    piles: HashMap<Whom, Pile<T>>,
    due: BTreeMap<(Instant, u64), Whom>,
    busy: HashSet<Whom>,
}

struct Pile<T> {
    /// The time, and a number that tells piles of the same time apart.
    due: (Instant, u64),
    hints: Vec<T>,
}

impl<T> Desk<T> {
    pub(super) fn new(debounce: Duration, busy_max: usize) -> Self {
        Self { debounce, busy_max, locations: HashMap::new(), waiting: 0, taken: 0 }
    }

    pub(super) fn put(&mut self, location_id: LocationId, whom: Whom, hint: T, now: Instant) {
        self.taken += 1;
        self.waiting += 1;
        let drawer = self.locations.entry(location_id).or_insert_with(Drawer::new);
        if let Some(pile) = drawer.piles.get_mut(&whom) {
            // The first hint sets the time, so that a contact that never rests is looked at all the same.
            pile.hints.push(hint);
            return;
        }
        let due = (now + self.debounce, self.taken);
        if !drawer.busy.contains(&whom) {
            drawer.due.insert(due, whom.clone());
        }
        drawer.piles.insert(whom, Pile { due, hints: vec![hint] });
    }

    /// Takes a pile that is due; it is busy until `finish`.
    pub(super) fn start(&mut self, now: Instant) -> Option<(LocationId, Whom, Vec<T>)> {
        for (location_id, drawer) in &mut self.locations {
            if drawer.busy.len() >= self.busy_max {
                continue;
            }
            let Some(first) = drawer.due.first_entry().filter(|first| first.key().0 <= now) else { continue };
            let whom = first.remove();
            let Some(pile) = drawer.piles.remove(&whom) else { continue };
            drawer.busy.insert(whom.clone());
            self.waiting -= pile.hints.len();
            return Some((location_id.clone(), whom, pile.hints));
        }
        None
    }

    pub(super) fn finish(&mut self, location_id: &LocationId, whom: &Whom) {
        let Some(drawer) = self.locations.get_mut(location_id) else { return };
        drawer.busy.remove(whom);
        if let Some(pile) = drawer.piles.get(whom) {
            drawer.due.insert(pile.due, whom.clone());
        }
        if drawer.piles.is_empty() && drawer.busy.is_empty() {
            self.locations.remove(location_id);
        }
    }

    /// When `start` is worth another try, if nothing else happens.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let free = self.locations.values().filter(|drawer| drawer.busy.len() < self.busy_max);
        free.filter_map(|drawer| drawer.due.first_key_value()).map(|((at, _), _)| *at).min()
    }

    /// How many hints wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn hints(&self) -> impl Iterator<Item = &T> {
        self.locations.values().flat_map(|drawer| drawer.piles.values()).flat_map(|pile| &pile.hints)
    }
}

impl<T> Drawer<T> {
    fn new() -> Self {
        Self { piles: HashMap::new(), due: BTreeMap::new(), busy: HashSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use domain::ContactId;

    use super::*;

    const DEBOUNCE: Duration = Duration::from_millis(500);

    fn location(id: &str) -> LocationId {
        LocationId::new(id).unwrap()
    }

    fn whom(id: &str) -> Whom {
        Whom::Contact(ContactId::new(id).unwrap())
    }

    fn started(desk: &mut Desk<u32>, now: Instant) -> Vec<Vec<u32>> {
        std::iter::from_fn(|| desk.start(now)).map(|(_, _, hints)| hints).collect()
    }

    #[test]
    fn hints_for_one_contact_become_one_look_after_the_first_has_waited() {
        let now = Instant::now();
        let mut desk = Desk::new(DEBOUNCE, 10);
        for (number, after) in [0_u64, 300, 499].into_iter().enumerate() {
            desk.put(location("l"), whom("c"), u32::try_from(number).unwrap(), now + Duration::from_millis(after));
        }
        assert_eq!(desk.next_due(), Some(now + DEBOUNCE));
        assert!(started(&mut desk, now + Duration::from_millis(499)).is_empty());
        assert_eq!(started(&mut desk, now + DEBOUNCE), [[0, 1, 2]]);
        assert_eq!(desk.waiting(), 0);
    }

    #[test]
    fn a_contact_that_is_being_looked_at_is_looked_at_again_afterwards() {
        let now = Instant::now();
        let mut desk = Desk::new(Duration::ZERO, 10);
        desk.put(location("l"), whom("c"), 1, now);
        assert_eq!(started(&mut desk, now), [[1]]);
        desk.put(location("l"), whom("c"), 2, now);
        assert!(started(&mut desk, now).is_empty(), "never twice at a time");
        desk.finish(&location("l"), &whom("c"));
        assert_eq!(started(&mut desk, now), [[2]]);
        desk.finish(&location("l"), &whom("c"));
        assert!(desk.locations.is_empty(), "nothing is kept of what is done");
    }

    #[test]
    fn a_busy_location_leaves_room_for_others() {
        let now = Instant::now();
        let mut desk = Desk::new(Duration::ZERO, 2);
        for number in 0..5 {
            desk.put(location("busy"), whom(&number.to_string()), number, now);
        }
        desk.put(location("other"), whom("c"), 100, now);
        let hints: Vec<u32> = started(&mut desk, now).concat();
        assert_eq!(hints.len(), 3);
        assert!(hints.contains(&100));
        assert_eq!(desk.next_due(), None, "only the end of a look makes room");
        assert_eq!(desk.waiting(), 3);
    }
}
