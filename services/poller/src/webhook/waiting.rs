//! How many hints of a location wait on the bus: each has its share, and nobody's hints fill up another's.
//!
//! Half of a share is for what a search finds as well: changes of contacts and tasks. Beyond that they are left to the next search of the
//! watch. All of it is for what no search finds in time: deletions, notes, appointments. The fuller the bus, the smaller the shares, so
//! that there is always one left for a location that has none yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bus::{Bus, HintsWaiting};
use domain::LocationId;

use crate::hint::Hint;

/// Counted again after this part of the share was sent, since other replicas send, too.
const COUNTED_AGAIN_AFTER: u64 = 16;
/// How long a location counts as full before it is counted again.
const FULL_FOR: Duration = Duration::from_secs(1);

/// What becomes of a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    /// None, and a search finds what it is about.
    Searched,
    /// None, and nothing else tells of it.
    Full,
}

/// Only for locations that are mirrored, so it stays small.
pub(super) struct Waiting {
    location_max: u64,
    counts: Mutex<HashMap<LocationId, Count>>,
}

#[derive(Clone, Copy)]
struct Count {
    at: Instant,
    waiting: u64,
    share: u64,
    sent: u64,
}

impl Waiting {
    pub(super) fn new(location_max: u64) -> Self {
        Self { location_max, counts: Mutex::default() }
    }

    /// Whether there is room for a hint, which then counts as sent.
    ///
    /// # Errors
    /// When the bus has to be asked and does not answer.
    pub(super) async fn room(&self, bus: &Bus, hint: &Hint) -> Result<Room, bus::Error> {
        let now = Instant::now();
        if self.begin_count(&hint.location_id, hint.is_found_by_search(), now) {
            match bus.hints_waiting(&hint.location_id).await {
                Ok(counted) => self.counts().insert(hint.location_id.clone(), self.count(counted, now)),
                Err(error) => {
                    self.counts().remove(&hint.location_id);
                    return Err(error);
                }
            };
        }
        Ok(self.take(hint))
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<LocationId, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the bus has to be asked. Meanwhile, others go on with the count before.
    fn begin_count(&self, location_id: &LocationId, is_found_by_search: bool, now: Instant) -> bool {
        let mut counts = self.counts();
        let Some(count) = counts.get_mut(location_id) else {
            counts.insert(location_id.clone(), self.count(HintsWaiting { of_location: 0, filled: 0.0 }, now));
            return true;
        };
        let is_full = !count.has_room(is_found_by_search) && now.duration_since(count.at) >= FULL_FOR;
        let is_due = is_full || count.sent > count.share / COUNTED_AGAIN_AFTER;
        if is_due {
            (count.at, count.sent) = (now, 0);
        }
        is_due
    }

    fn count(&self, HintsWaiting { of_location, filled }: HintsWaiting, at: Instant) -> Count {
        // What is left of the bus, in thousandths. The cast saturates.
        let left = ((1.0 - filled) * 1_000.0).round() as u64;
        let share = (self.location_max.saturating_mul(left) / 1_000).max(1);
        Count { at, waiting: of_location, share, sent: 0 }
    }

    fn take(&self, hint: &Hint) -> Room {
        let mut counts = self.counts();
        let is_found_by_search = hint.is_found_by_search();
        match counts.get_mut(&hint.location_id) {
            Some(count) if count.has_room(is_found_by_search) => {
                count.waiting += 1;
                count.sent += 1;
                Room::Enough
            }
            None => Room::Enough,
            Some(_) if is_found_by_search => Room::Searched,
            Some(_) => Room::Full,
        }
    }
}

impl Count {
    fn has_room(&self, is_found_by_search: bool) -> bool {
        self.waiting < if is_found_by_search { self.share.div_ceil(2) } else { self.share }
    }
}

#[cfg(test)]
mod tests {
    use domain::{ContactId, Net, RecordKind};

    use super::*;

    fn hint(deleted: bool) -> Hint {
        let net = Net::Webhook { webhook_id: None, kind: "ContactUpdate".to_owned() };
        let (location_id, contact_id) = (LocationId::new("loc").unwrap(), ContactId::new("c").unwrap());
        Hint { location_id, contact_id: Some(contact_id), record: None, deleted, net, received_at: None }
    }

    fn taken(waiting: &Waiting, deleted: bool) -> (usize, Room) {
        let mut taken = 0;
        loop {
            match waiting.take(&hint(deleted)) {
                Room::Enough => taken += 1,
                room @ (Room::Searched | Room::Full) => return (taken, room),
            }
        }
    }

    #[track_caller]
    fn check(of_location: u64, filled: f64, searched: usize, others: usize) {
        let waiting = Waiting::new(100);
        let (hint, now) = (hint(false), Instant::now());
        assert!(waiting.begin_count(&hint.location_id, true, now), "counted first");
        let counted = waiting.count(HintsWaiting { of_location, filled }, now);
        waiting.counts().insert(hint.location_id.clone(), counted);
        assert_eq!(taken(&waiting, false), (searched, Room::Searched));
        assert_eq!(taken(&waiting, true), (others, Room::Full));
        assert!(waiting.begin_count(&hint.location_id, true, now + FULL_FOR), "it may have become less");
    }

    #[test]
    fn half_of_a_share_is_kept_for_what_no_search_finds() {
        check(0, 0.0, 50, 50);
        check(49, 0.0, 1, 50);
        check(80, 0.0, 0, 20);
        check(200, 0.0, 0, 0);
    }

    #[test]
    fn shares_shrink_as_the_bus_fills_up_and_never_to_nothing() {
        check(0, 0.9, 5, 5);
        check(0, 1.0, 1, 0);
    }

    #[test]
    fn only_changes_of_contacts_and_tasks_are_found_by_a_search_in_time() {
        let of = |kind| Hint { record: Some((kind, domain::RecordId::new("r").unwrap())), ..hint(false) };
        assert!(hint(false).is_found_by_search() && of(RecordKind::Task).is_found_by_search());
        assert!(!hint(true).is_found_by_search());
        assert!(!of(RecordKind::Note).is_found_by_search() && !of(RecordKind::Appointment).is_found_by_search());
    }
}
