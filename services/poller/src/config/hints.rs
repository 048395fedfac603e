//! The settings of hints, explained in `config.default.toml`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HintSettings {
    #[serde(with = "humantime_serde")]
    pub debounce: Duration,
    pub waiting_max: NonZeroUsize,
    pub batch_max: NonZeroUsize,
    pub contacts_in_flight_max: NonZeroUsize,
    pub task_search_rows: u32,
    pub again_first: Period,
    pub again_longest: Period,
    #[serde(with = "humantime_serde")]
    pub again_within: Duration,
    pub again_looks_max: NonZeroU32,
}

impl HintSettings {
    /// How long to wait before what a hint said is looked for again; none when it is not looked for any longer. The wait is as long as
    /// the hint is old, so that it doubles each time, whatever else held the hint up.
    pub(crate) fn again(&self, age: Duration, looks: u32) -> Option<Duration> {
        let is_over = age >= self.again_within || looks >= self.again_looks_max.get();
        (!is_over).then(|| age.min(*self.again_longest).max(*self.again_first))
    }
}

impl Check for HintSettings {
    fn check(&self, problems: &mut Problems) {
        problems.check(*self.again_first <= *self.again_longest, "again_first", "must not be longer than hints.again_longest");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_is_looked_for_after_growing_pauses_until_it_is_too_old() {
        let some = |count| NonZeroUsize::new(count).unwrap();
        let settings = HintSettings {
            debounce: Duration::ZERO,
            waiting_max: some(1),
            batch_max: some(1),
            contacts_in_flight_max: some(1),
            task_search_rows: 1,
            again_first: Period::from_secs(5),
            again_longest: Period::from_secs(60),
            again_within: Duration::from_secs(600),
            again_looks_max: NonZeroU32::new(30).unwrap(),
        };
        let (mut age, mut looks, mut pauses) = (Duration::from_secs(1), 1, Vec::new());
        while let Some(pause) = settings.again(age, looks) {
            pauses.push(pause.as_secs());
            age += pause;
            looks += 1;
        }
        assert_eq!(pauses[..5], [5, 6, 12, 24, 48]);
        assert!(pauses[5..].iter().all(|pause| *pause == 60) && pauses.len() < 20, "{pauses:?}");
        assert!(age >= settings.again_within);
        assert_eq!(settings.again(Duration::ZERO, 30), None, "nor more often than is allowed");
    }
}
