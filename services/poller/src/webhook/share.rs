//! How many webhooks of a location are taken: a flood of one is asked to come again, and the others do not notice.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::LocationId;

/// For each location that sent one lately, when it has made up for all it sent. Only for locations that are mirrored, so it stays small.
pub(super) struct Shares {
    interval: Duration,
    burst: Duration,
    due: Mutex<HashMap<LocationId, Instant>>,
}

impl Shares {
    pub(super) fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let interval = Duration::from_secs(1) / per_second.get();
        Self { interval, burst: interval * burst.get(), due: Mutex::default() }
    }

    /// Whether one more is taken of this location now.
    pub(super) fn take(&self, location_id: &LocationId, now: Instant) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = due.get_mut(location_id) else {
            due.insert(location_id.clone(), now + self.interval);
            return true;
        };
        let next = (*at).max(now) + self.interval;
        let is_within = next <= now + self.burst;
        if is_within {
            *at = next;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_location_is_held_back_and_no_other() {
        let (one, other) = (LocationId::new("one").unwrap(), LocationId::new("other").unwrap());
        let count = |count| NonZeroU32::new(count).unwrap();
        let (shares, now) = (Shares::new(count(10), count(5)), Instant::now());
        let taken = |location: &LocationId, at: Instant| (0..100).filter(|_| shares.take(location, at)).count();
        assert_eq!(taken(&one, now), 5);
        assert!(shares.take(&other, now));
        assert_eq!(taken(&one, now + Duration::from_millis(100)), 1, "ten a second");
        assert_eq!(taken(&one, now + Duration::from_secs(60)), 5, "and no more than a burst after a rest");
    }
}
