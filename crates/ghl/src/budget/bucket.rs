//! The short interval: a token bucket filled at the pace that GHL tolerates.

use std::time::{Duration, Instant};

use super::now::Now;
use super::rate::{Left, Rate};

/// The part of GHL's window that is used: calls may arrive closer together than they were granted.
const USED: f64 = 0.9;
/// The part of the window that the steady rate takes at most; the rest is the burst.
const STEADY: f64 = 0.8;
const PACE_MIN: f64 = 0.125;
/// A contact, its tasks, notes and appointments.
const LOOK_CALLS: f64 = 4.0;

#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    at: Instant,
    held_until: Instant,
    /// The part of the rate that is used.
    pace: f64,
    /// GHL's limit and its window, where its headers gave them.
    reported: Option<(f64, Duration)>,
}

impl Bucket {
    pub(super) fn new(now: Now) -> Self {
        Self { tokens: 0.0, at: now.steady, held_until: now.steady, pace: 1.0, reported: None }
    }

    /// GHL's limit counts where it is lower than the configured one.
    fn window(&self, rate: &Rate) -> (f64, Duration) {
        let configured = (f64::from(rate.window_calls_max.get()), *rate.window);
        match self.reported {
            Some((calls, window)) if calls / window.as_secs_f64() < configured.0 / configured.1.as_secs_f64() => (calls, window),
            Some(_) | None => configured,
        }
    }

    fn steady(&self, rate: &Rate) -> f64 {
        let (calls, window) = self.window(rate);
        rate.calls_per_second.min(calls * STEADY / window.as_secs_f64())
    }

    pub(super) fn per_second(&self, rate: &Rate) -> f64 {
        (self.steady(rate) * self.pace).max(0.001)
    }

    /// Calls that may be made at once after a quiet time: what the steady rate leaves of the window.
    fn burst(&self, rate: &Rate) -> f64 {
        let (calls, window) = self.window(rate);
        (calls * USED - self.steady(rate) * window.as_secs_f64()).max(1.0)
    }

    /// The part of the burst that is kept for hints: more than one look needs would only keep other lanes waiting.
    pub(super) fn reserve(&self, rate: &Rate) -> f64 {
        (self.burst(rate) * rate.hints_reserve).min(self.burst(rate) - 1.0).clamp(0.0, LOOK_CALLS)
    }

    pub(super) fn refill(&mut self, rate: &Rate, now: Now) {
        let elapsed = now.steady.saturating_duration_since(self.at);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.per_second(rate)).min(self.burst(rate));
        self.pace = (self.pace + elapsed.as_secs_f64() / rate.recovery.as_secs_f64() * (1.0 - PACE_MIN)).min(1.0);
        self.at = self.at.max(now.steady);
    }

    pub(super) fn has(&self, tokens: f64, now: Now) -> bool {
        // A sum of fractions may fall short of a whole by rounding.
        self.held(now).is_zero() && self.tokens + 1e-9 >= tokens
    }

    pub(super) fn take(&mut self) {
        self.tokens -= 1.0;
    }

    pub(super) fn wait(&self, rate: &Rate, tokens: f64, now: Now) -> Duration {
        self.held(now) + Duration::from_secs_f64((tokens - self.tokens).max(0.0) / self.per_second(rate))
    }

    pub(super) fn held(&self, now: Now) -> Duration {
        self.held_until.saturating_duration_since(now.steady)
    }

    pub(super) fn pace(&self) -> f64 {
        self.pace
    }

    pub(super) fn whole_tokens(&self) -> u64 {
        // A saturating cast: a negative number becomes zero.
        self.tokens.floor() as u64
    }

    /// Never assumes more than GHL says is left; spreads the last tenth over the rest of its interval.
    pub(super) fn answered(&mut self, rate: &Rate, left: Left, now: Now) {
        if let Some(limit) = left.limit.filter(|limit| *limit > 0) {
            let interval = left.interval.filter(|interval| !interval.is_zero()).unwrap_or(*rate.window);
            self.reported = Some((u32::try_from(limit).map_or(4_294_967_295.0, f64::from), interval));
        }
        let Some(remaining) = left.remaining else { return };
        self.tokens = self.tokens.min(u32::try_from(remaining).map_or(4_294_967_295.0, f64::from));
        let (limit, interval) = (left.limit.unwrap_or_else(|| rate.window_calls_max.get().into()), left.interval.unwrap_or(*rate.window));
        if remaining.saturating_mul(10) < limit {
            let gap = interval / u32::try_from(remaining + 1).unwrap_or(u32::MAX);
            self.held_until = self.held_until.max(now.steady + gap);
        }
    }

    pub(super) fn throttled(&mut self, rate: &Rate, pause: Duration, now: Now) {
        self.refill(rate, now);
        // The bucket is not filled during the pause, so that it does not end in a burst.
        self.tokens = self.tokens.min(0.0);
        self.held_until = self.held_until.max(now.steady + pause);
        self.at = self.held_until;
        self.pace = (self.pace / 2.0).max(PACE_MIN);
    }
}
