//! GHL's rate limit: so many calls in any interval, so many a day; a record of how close the callers came, and of every instant
//! at which they asked for more.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde::Serialize;

use crate::settings::Limits;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Limiter {
    limits: Limits,
    /// Calls that were let through within the interval.
    admitted: VecDeque<Instant>,
    /// All calls within the interval, refused ones too.
    seen: VecDeque<Instant>,
    most_seen: usize,
    refused: u64,
    violations: Vec<Violation>,
    day_began: Instant,
    day_used: u32,
}

/// So many are kept; [`crate::Stats::limited`] counts on.
const VIOLATIONS_KEPT: usize = 10_000;

/// A call that came when the allowance was spent. It was answered with 429.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    pub at: Timestamp,
    pub limit: Limit,
    /// Calls let through before it, within the interval or the day.
    pub used: u32,
    pub allowed: u32,
}

/// Which of the two limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    Burst,
    Day,
}

/// How a caller stands after a call.
pub(crate) struct Standing {
    pub(crate) admitted: bool,
    limits: Limits,
    remaining: u32,
    daily_remaining: u32,
}

impl Limiter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            admitted: VecDeque::new(),
            seen: VecDeque::new(),
            most_seen: 0,
            refused: 0,
            violations: Vec::new(),
            day_began: Instant::now(),
            day_used: 0,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// How a caller stands who is turned away whatever it has left.
    pub(crate) fn turn_away(&mut self, now: Instant) -> Standing {
        forget(&mut self.admitted, now, self.limits.interval);
        self.standing(false)
    }

    pub(crate) fn call(&mut self, now: Instant) -> Standing {
        forget(&mut self.seen, now, self.limits.interval);
        forget(&mut self.admitted, now, self.limits.interval);
        self.seen.push_back(now);
        self.most_seen = self.most_seen.max(self.seen.len());
        if now.duration_since(self.day_began) >= DAY {
            self.day_began = now;
            self.day_used = 0;
        }
        let used = u32::try_from(self.admitted.len()).unwrap_or(u32::MAX);
        let passed = if used >= self.limits.burst {
            Some((Limit::Burst, used, self.limits.burst))
        } else if self.day_used >= self.limits.day {
            Some((Limit::Day, self.day_used, self.limits.day))
        } else {
            None
        };
        match passed {
            None => {
                self.admitted.push_back(now);
                self.day_used += 1;
            }
            Some((limit, used, allowed)) => {
                self.refused += 1;
                if self.violations.len() < VIOLATIONS_KEPT {
                    self.violations.push(Violation { at: Timestamp::now(), limit, used, allowed });
                }
            }
        }
        self.standing(passed.is_none())
    }

    fn standing(&self, admitted: bool) -> Standing {
        let used = u32::try_from(self.admitted.len()).unwrap_or(u32::MAX);
        Standing {
            admitted,
            limits: self.limits,
            remaining: self.limits.burst.saturating_sub(used),
            daily_remaining: self.limits.day.saturating_sub(self.day_used),
        }
    }

    /// The most calls seen in any one interval, refused ones included.
    pub(crate) fn most_seen(&self) -> usize {
        self.most_seen
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.violations.clone()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    pub(crate) fn day_used(&self) -> u32 {
        self.day_used
    }
}

fn forget(calls: &mut VecDeque<Instant>, now: Instant, interval: Duration) {
    while calls.pop_front_if(|at| now.duration_since(*at) >= interval).is_some() {}
}

impl Standing {
    /// The five headers GHL documents. There is none that says when to come back.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let interval = self.limits.interval.as_millis();
        headers.insert("x-ratelimit-limit-daily", self.limits.day.into());
        headers.insert("x-ratelimit-daily-remaining", self.daily_remaining.into());
        headers.insert("x-ratelimit-interval-milliseconds", u64::try_from(interval).unwrap_or(u64::MAX).into());
        headers.insert("x-ratelimit-max", self.limits.burst.into());
        headers.insert("x-ratelimit-remaining", self.remaining.into());
        if let (false, Some(after)) = (self.admitted, self.limits.retry_after) {
            headers.insert("retry-after", HeaderValue::from(after.as_secs().max(1)));
        }
    }
}
