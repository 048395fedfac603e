//! Whether many contacts are changing at once: more than can be looked at one by one. Then they are taken from the rows of the search, and
//! those whose change no row shows are looked at later, some in each round.
//!
//! What waits is in memory only: the sweep looks at every contact whose update time has moved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::ContactId;

use crate::look::request::ListedRecord;

/// The changed contacts of one location that the watch found lately.
pub(crate) struct Bulk {
    min: usize,
    within: Duration,
    /// For how many contacts is remembered that they are looked at later.
    later_max: usize,
    found: Mutex<Option<Found>>,
    later: Mutex<BTreeMap<ContactId, ListedRecord>>,
    small_pages: AtomicBool,
}

struct Found {
    since: Instant,
    contacts: usize,
}

impl Bulk {
    pub(crate) fn new(min: usize, within: Duration, later_max: usize) -> Self {
        Self { min, within, later_max, found: Mutex::new(None), later: Mutex::default(), small_pages: AtomicBool::new(false) }
    }

    /// Notes that the watch has found a changed contact; true when there are so many that this one is not looked at.
    pub(crate) fn note(&self, now: Instant) -> bool {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let of_now = found.take().filter(|found| now.duration_since(found.since) < self.within);
        let Found { since, contacts } = of_now.unwrap_or(Found { since: now, contacts: 0 });
        let is_many = contacts >= self.min;
        // As long as changes go on, they are many.
        *found = Some(Found { since: if is_many { now } else { since }, contacts: contacts.saturating_add(1) });
        is_many
    }

    /// The contact of this row is looked at later.
    pub(crate) fn leave(&self, contact_id: ContactId, row: ListedRecord) {
        let mut later = self.later();
        if later.len() < self.later_max || later.contains_key(&contact_id) {
            later.insert(contact_id, row);
        }
    }

    /// Those that are looked at now: no more than would be looked at without many changes.
    pub(crate) fn take(&self) -> Vec<(ContactId, ListedRecord)> {
        let mut later = self.later();
        std::iter::from_fn(|| later.pop_first()).take(self.min).collect()
    }

    /// GHL gives no pages of so many rows.
    pub(crate) fn refuse_large_pages(&self) {
        self.small_pages.store(true, Ordering::Relaxed);
    }

    pub(crate) fn are_large_pages_given(&self) -> bool {
        !self.small_pages.load(Ordering::Relaxed)
    }

    fn later(&self) -> MutexGuard<'_, BTreeMap<ContactId, ListedRecord>> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_under_way(&self, now: Instant) -> bool {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.as_ref().is_some_and(|found| found.contacts > self.min && now.duration_since(found.since) < self.within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_beyond_many_within_a_while_is_bulk() {
        let (begin, within) = (Instant::now(), Duration::from_secs(300));
        let bulk = Bulk::new(3, within, 10);
        let notes: Vec<bool> = (0..5).map(|second| bulk.note(begin + Duration::from_secs(second))).collect();
        assert_eq!(notes, [false, false, false, true, true]);
        let last = begin + Duration::from_secs(4);
        assert!(bulk.is_under_way(last) && !bulk.is_under_way(last + within));
        assert!(bulk.note(last + within / 2), "it goes on");
        assert!(!bulk.note(last + within * 2), "it is over");
    }

    #[test]
    fn a_few_changes_now_and_then_are_none() {
        let (begin, bulk) = (Instant::now(), Bulk::new(3, Duration::from_secs(300), 10));
        for minute in 0..100 {
            assert!(!bulk.note(begin + Duration::from_secs(60 * 5 * minute / 3)));
        }
        assert!(!bulk.is_under_way(begin + Duration::from_secs(60 * 5 * 33)));
    }
}
