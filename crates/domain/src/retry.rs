//! When to try again, and when not to.

use std::time::Duration;

/// What becomes of a piece of work after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Done,
    /// Try again after this delay.
    Retry(Duration),
    /// Do not try again until a person decides. The reason contains no personal data.
    Park(String),
}

/// Exponential backoff from a first delay to a longest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

impl Backoff {
    /// The delay before attempt `attempt + 1`: between 50 and 100 % of `first * 2^(attempt - 1)`, at most `longest`.
    /// `jitter` in `0.0..=1.0`, a random number of the caller, chooses within that range. A longer `retry_after` replaces the result, but
    /// never exceeds `longest`.
    pub fn delay(&self, attempt: u32, jitter: f64, retry_after: Option<Duration>) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1_u32 << doublings).min(self.longest);
        let jittered = whole.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        jittered.max(retry_after.unwrap_or_default()).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn delays_stay_in_their_range(attempt in 0_u32..100, jitter in -1.0_f64..2.0, after in proptest::option::of(0_u64..10_000)) {
            let backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(5) };
            let delay = backoff.delay(attempt, jitter, after.map(Duration::from_millis));
            prop_assert!(delay >= Duration::from_millis(25) && delay <= Duration::from_secs(5));
            if let Some(after) = after {
                prop_assert!(delay >= Duration::from_millis(after).min(Duration::from_secs(5)));
            }
        }
    }
}
