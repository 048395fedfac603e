//! The short interval: tokens that are earned at the pace GHL stands.

use std::time::{Duration, Instant};

use super::now::Now;
use super::rate::{Left, Rate};

/// What of GHL's window is used: calls that are granted apart may arrive closer together.
const USED: f64 = 0.9;
/// What of the window is earned steadily at most; the rest is the burst.
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
    /// GHL's own word on its window, where it gave one.
    said: Option<(f64, Duration)>,
}

impl Bucket {
    pub(super) fn new(now: Now) -> Self {
        Self { tokens: 0.0, at: now.steady, held_until: now.steady, pace: 1.0, said: None }
    }

    /// GHL's word counts where it allows less than is configured.
    fn window(&self, rate: &Rate) -> (f64, Duration) {
        let configured = (f64::from(rate.window_calls_max.get()), *rate.window);
        match self.said {
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

    /// Calls that may be made at once after a quiet time: what the window leaves beside the steady rate.
    fn burst(&self, rate: &Rate) -> f64 {
        let (calls, window) = self.window(rate);
        (calls * USED - self.steady(rate) * window.as_secs_f64()).max(1.0)
    }

    /// What of the burst is kept for hints: more than one look needs would only keep the others waiting.
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
        // What is earned in parts may lack the last bit of a whole.
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
        // A saturating cast: less than nothing is nothing.
        self.tokens.floor() as u64
    }

    /// Never assumes more than GHL says is left; spreads the last tenth over the rest of its interval.
    pub(super) fn answered(&mut self, rate: &Rate, left: Left, now: Now) {
        if let Some(limit) = left.limit.filter(|limit| *limit > 0) {
            let interval = left.interval.filter(|interval| !interval.is_zero()).unwrap_or(*rate.window);
            self.said = Some((u32::try_from(limit).map_or(4_294_967_295.0, f64::from), interval));
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
        // Nothing is earned during the pause, so that it does not end in a burst.
        self.tokens = self.tokens.min(0.0);
        self.held_until = self.held_until.max(now.steady + pause);
        self.at = self.held_until;
        self.pace = (self.pace / 2.0).max(PACE_MIN);
    }
}
