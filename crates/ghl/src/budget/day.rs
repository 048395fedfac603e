//! The day's allowance: how much is left, and how it is spread so that it lasts.

use std::time::{Duration, Instant};

use super::now::Now;
use super::rate::{Lane, Left, Rate};

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// How often a call is tried while nothing is left: GHL does not document when its day begins.
const PROBE: Duration = Duration::from_secs(15 * 60);

#[derive(Debug)]
pub(super) struct Day {
    /// Days since 1970.
    number: i64,
    left: u64,
    limit: u64,
    /// When the next of the calls that are spread over the day may be made.
    spread_at: Instant,
    /// When a call may be tried although nothing is left.
    probe_at: Instant,
}

impl Day {
    pub(super) fn new(rate: &Rate, now: Now) -> Self {
        let (number, limit) = (number_of(now), rate.day_calls_max.get());
        Self { number, left: limit, limit, spread_at: now.steady, probe_at: now.steady }
    }

    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn turn_over(&mut self, now: Now) {
        if number_of(now) != self.number {
            (self.number, self.left) = (number_of(now), self.limit);
        }
    }

    /// GHL counts better than we do.
    pub(super) fn answered(&mut self, left: Left, now: Now) {
        self.limit = left.limit_a_day.filter(|limit| *limit > 0).unwrap_or(self.limit);
        self.left = left.remaining_today.unwrap_or(self.left).min(self.limit);
        if self.left == 0 {
            self.probe_at = self.probe_at.max(now.steady + PROBE);
        }
    }

    pub(super) fn may_spend(&self, rate: &Rate, lane: Lane, now: Now) -> bool {
        self.wait(rate, lane, now).is_zero()
    }

    pub(super) fn spend(&mut self, rate: &Rate, lane: Lane, now: Now) {
        if let Some(gap) = self.gap(rate, lane, now) {
            self.spread_at = self.spread_at.max(now.steady) + gap;
        }
        if self.left == 0 {
            self.probe_at = now.steady + PROBE;
        }
        self.left = self.left.saturating_sub(1);
    }

    /// How long until a call of this lane fits into the day.
    pub(super) fn wait(&self, rate: &Rate, lane: Lane, now: Now) -> Duration {
        let until_tomorrow = Duration::from_secs(seconds_left(now));
        if self.left == 0 {
            return until_tomorrow.min(self.probe_at.saturating_duration_since(now.steady));
        }
        if lane == Lane::Hints {
            return Duration::ZERO;
        }
        if self.left <= self.reserve(rate, now) {
            return until_tomorrow;
        }
        match self.gap(rate, lane, now) {
            Some(_) => self.spread_at.saturating_duration_since(now.steady),
            None => Duration::ZERO,
        }
    }

    /// The part that only hints may use; it shrinks as the day passes.
    fn reserve(&self, rate: &Rate, now: Now) -> u64 {
        fraction(self.limit, rate.hints_reserve * seconds(seconds_left(now)) / seconds(DAY_SECONDS.unsigned_abs()))
    }

    /// How far apart calls of sweeps and backfills have to be, so that what is left lasts; none while plenty is left.
    fn gap(&self, rate: &Rate, lane: Lane, now: Now) -> Option<Duration> {
        if matches!(lane, Lane::Hints | Lane::Watch) || self.left >= fraction(self.limit, rate.spread_below) {
            return None;
        }
        let spendable = self.left.saturating_sub(self.reserve(rate, now)).max(1);
        Some(Duration::from_secs_f64(seconds(seconds_left(now)) / seconds(spendable)))
    }
}

fn number_of(now: Now) -> i64 {
    now.wall.as_second().div_euclid(DAY_SECONDS)
}

fn seconds_left(now: Now) -> u64 {
    (DAY_SECONDS - now.wall.as_second().rem_euclid(DAY_SECONDS)).unsigned_abs()
}

fn seconds(count: u64) -> f64 {
    u32::try_from(count).map_or(4_294_967_295.0, f64::from)
}

fn fraction(of: u64, fraction: f64) -> u64 {
    // A saturating cast of a number that is never greater than `of`.
    (seconds(of) * fraction) as u64
}
