//! How often one location may be asked: a paced allowance that never exceeds GHL's window, gives way when GHL says so and recovers.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The allowance of one location.
///
/// GHL's documented limit is 100 calls in 10 s and 200,000 a day for each app and location; private tokens have been seen to be
/// throttled earlier, hence a default below it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls a second in the long run.
    pub calls_per_second: f64,
    /// Calls in any `window`, bursts included.
    pub window_calls_max: u32,
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// The least pause after a 429, lengthened by up to a quarter at random. GHL documents no `Retry-After`.
    #[serde(with = "humantime_serde")]
    pub throttled_pause: Duration,
    /// A call that would have to wait longer than this for its turn is turned away instead.
    #[serde(with = "humantime_serde")]
    pub wait_max: Duration,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            calls_per_second: 8.0,
            window_calls_max: 100,
            window: Duration::from_secs(10),
            throttled_pause: Duration::from_secs(10),
            wait_max: Duration::from_secs(60),
        }
    }
}

impl Rate {
    /// Calls that may be made at once after a quiet time: what the window leaves beside the steady rate.
    fn burst(&self) -> f64 {
        (f64::from(self.window_calls_max) - self.calls_per_second * self.window.as_secs_f64()).max(1.0)
    }
}

/// What an answer's headers said of the allowance that is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) remaining: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) interval: Option<Duration>,
}

/// The allowance of one location, shared by everything that asks for it. It lives in memory: a restart begins with a full burst.
#[derive(Debug)]
pub(crate) struct Budget {
    rate: Rate,
    bucket: Mutex<Bucket>,
}

impl Budget {
    pub(crate) fn new(rate: Rate) -> Self {
        let bucket = Bucket::new(&rate, Instant::now());
        Self { rate, bucket: Mutex::new(bucket) }
    }

    /// Waits for this call's turn. Dropping the future forfeits the turn.
    ///
    /// # Errors
    /// Gives the wait that would be needed when it is longer than `wait_max`.
    pub(crate) async fn admit(&self) -> Result<(), Duration> {
        let mut wait = self.with(|bucket, now| bucket.reserve(&self.rate, now))?;
        while wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
            // A pause that was ordered while this call waited holds for it too.
            wait = self.with(|bucket, now| bucket.held(now));
            if wait > self.rate.wait_max {
                return Err(wait);
            }
        }
        Ok(())
    }

    pub(crate) fn answered(&self, left: Left) {
        self.with(|bucket, now| bucket.answered(left, now));
    }

    /// Everything of the location pauses; gives the pause.
    pub(crate) fn throttled(&self, retry_after: Option<Duration>, jitter: f64) -> Duration {
        let pause = self.rate.throttled_pause.max(retry_after.unwrap_or_default()).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0);
        self.with(|bucket, now| bucket.throttled(pause, now));
        pause
    }

    fn with<T>(&self, act: impl FnOnce(&mut Bucket, Instant) -> T) -> T {
        // The bucket holds numbers only, so one left by a panicking thread is as good as any.
        act(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }
}

/// A token bucket that may go into debt: the debt is the queue, first come, first served.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
    held_until: Instant,
    /// The part of the rate that is used: halved by each 429, whole again after `RECOVERY` without one.
    pace: f64,
}

const RECOVERY: Duration = Duration::from_secs(60);
const PACE_MIN: f64 = 0.125;

impl Bucket {
    fn new(rate: &Rate, now: Instant) -> Self {
        Self { tokens: rate.burst(), at: now, held_until: now, pace: 1.0 }
    }

    fn reserve(&mut self, rate: &Rate, now: Instant) -> Result<Duration, Duration> {
        let elapsed = now.saturating_duration_since(self.at);
        let per_second = (rate.calls_per_second * self.pace).max(0.001);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * per_second).min(rate.burst());
        self.pace = (self.pace + elapsed.as_secs_f64() / RECOVERY.as_secs_f64()).min(1.0);
        self.at = self.at.max(now);
        let debt = Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / per_second);
        let wait = self.held(now) + debt;
        if wait > rate.wait_max {
            return Err(wait);
        }
        self.tokens -= 1.0;
        Ok(wait)
    }

    fn held(&self, now: Instant) -> Duration {
        self.held_until.saturating_duration_since(now)
    }

    /// Never assumes more than GHL says is left; spreads the last tenth over the rest of its interval.
    fn answered(&mut self, left: Left, now: Instant) {
        let Some(remaining) = left.remaining else { return };
        self.tokens = self.tokens.min(f64::from(u32::try_from(remaining).unwrap_or(u32::MAX)));
        let (limit, interval) = (left.limit.unwrap_or(100), left.interval.unwrap_or(Duration::from_secs(10)));
        if remaining.saturating_mul(10) < limit {
            let gap = interval / u32::try_from(remaining + 1).unwrap_or(u32::MAX);
            self.held_until = self.held_until.max(now + gap);
        }
    }

    fn throttled(&mut self, pause: Duration, now: Instant) {
        // Nothing is earned during the pause, so that it does not end in a burst.
        self.tokens = self.tokens.min(0.0);
        self.held_until = self.held_until.max(now + pause);
        self.at = self.held_until;
        self.pace = (self.pace / 2.0).max(PACE_MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate() -> Rate {
        Rate { wait_max: Duration::from_secs(600), ..Rate::default() }
    }

    /// The moments at which `calls` calls get their turn when all ask at once.
    fn turns(bucket: &mut Bucket, calls: usize, now: Instant) -> Vec<Duration> {
        (0..calls).map(|_| bucket.reserve(&rate(), now).unwrap()).collect()
    }

    #[test]
    fn no_window_holds_more_calls_than_allowed() {
        let now = Instant::now();
        let turns = turns(&mut Bucket::new(&rate(), now), 500, now);
        for start in &turns {
            let within = turns.iter().filter(|turn| *turn >= start && **turn < *start + Duration::from_millis(9_999)).count();
            assert!(within <= 100, "{within} calls within 10 s of {start:?}");
        }
        assert!(*turns.last().unwrap() < Duration::from_secs(61), "the steady rate is used");
    }

    #[test]
    fn after_a_429_everything_waits_and_then_starts_slowly() {
        let now = Instant::now();
        let mut bucket = Bucket::new(&rate(), now);
        bucket.throttled(Duration::from_secs(12), now);
        let turns = turns(&mut bucket, 2, now);
        assert!(turns[0] >= Duration::from_secs(12));
        assert!(turns[1] - turns[0] >= Duration::from_millis(240), "half the rate of 8 a second");
    }

    #[test]
    fn the_pace_recovers() {
        let now = Instant::now();
        let mut bucket = Bucket::new(&rate(), now);
        bucket.throttled(Duration::ZERO, now);
        bucket.reserve(&rate(), now + RECOVERY).unwrap();
        assert!((bucket.pace - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_ghl_says_is_left_is_spread_over_its_interval() {
        let now = Instant::now();
        let mut bucket = Bucket::new(&rate(), now);
        bucket.answered(Left { remaining: Some(1), limit: Some(100), interval: Some(Duration::from_secs(10)) }, now);
        assert_eq!(bucket.reserve(&rate(), now), Ok(Duration::from_secs(5)));
        let mut untouched = Bucket::new(&rate(), now);
        untouched.answered(Left { remaining: Some(50), limit: Some(100), interval: None }, now);
        assert_eq!(untouched.reserve(&rate(), now), Ok(Duration::ZERO));
    }

    #[test]
    fn a_turn_too_far_away_is_turned_down_and_costs_nothing() {
        let now = Instant::now();
        let hasty = Rate { wait_max: Duration::from_secs(1), ..Rate::default() };
        let mut bucket = Bucket::new(&hasty, now);
        bucket.throttled(Duration::from_secs(30), now);
        let tokens = bucket.tokens;
        assert!(bucket.reserve(&hasty, now).is_err());
        assert!((bucket.tokens - tokens).abs() < 1e-9);
    }

    #[test]
    fn a_pause_lasts_at_least_what_was_configured_and_what_was_asked() {
        let budget = Budget::new(Rate::default());
        assert!(budget.throttled(None, 0.0) >= Duration::from_secs(10));
        assert!(budget.throttled(Some(Duration::from_secs(20)), 1.0) >= Duration::from_secs(20));
    }
}
