//! The allowance of a location: as configured, and as GHL's answers say.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems};

/// The allowance of one location.
///
/// GHL's documented limit is 100 calls in 10 s and 200,000 a day for each app and location; private tokens have been seen to be
/// throttled earlier, hence a default below it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls a second in the long run.
    pub calls_per_second: f64,
    /// Calls that GHL allows in any `window`, bursts included. A tenth of them is kept for calls that arrive late.
    pub window_calls_max: NonZeroU32,
    pub window: Period,
    /// Calls that GHL allows a day, until its answers say otherwise. Days are assumed to begin at midnight UTC, which GHL does not document.
    pub day_calls_max: NonZeroU64,
    /// When less than this part of the day's calls is left, sweeps and backfills are spread over the rest of the day.
    pub spread_below: f64,
    /// The part of the allowance that only hints may use up.
    pub hints_reserve: f64,
    /// The part of the calls that each other lane gets however many hints there are.
    pub shares: Shares,
    /// The least pause after a 429, lengthened by up to a quarter at random. GHL documents no `Retry-After`.
    #[serde(with = "humantime_serde")]
    pub throttled_pause: Duration,
    /// How long it takes from the slowest pace back to full pace; each 429 halves the pace.
    pub recovery: Period,
    /// A call that has to wait longer than this for its turn is turned away instead.
    #[serde(with = "humantime_serde")]
    pub wait_max: Duration,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            calls_per_second: 8.0,
            window_calls_max: const { NonZeroU32::new(100).unwrap() },
            window: Period::from_secs(10),
            day_calls_max: const { NonZeroU64::new(200_000).unwrap() },
            spread_below: 0.5,
            hints_reserve: 0.2,
            shares: Shares { watch: 0.1, sweep: 0.1, backfill: 0.05 },
            throttled_pause: Duration::from_secs(10),
            recovery: Period::from_secs(300),
            wait_max: Duration::from_secs(60),
        }
    }
}

impl Check for Rate {
    fn check(&self, problems: &mut Problems) {
        let is_rate = self.calls_per_second > 0.0 && self.calls_per_second.is_finite();
        problems.check(is_rate, "calls_per_second", "must be greater than zero");
        for (key, part) in [("spread_below", self.spread_below), ("hints_reserve", self.hints_reserve)] {
            problems.check((0.0..=1.0).contains(&part), key, "must be from 0 to 1");
        }
        let Shares { watch, sweep, backfill } = self.shares;
        let are_parts = [watch, sweep, backfill].iter().all(|share| (0.0..1.0).contains(share)) && watch + sweep + backfill < 1.0;
        problems.check(are_parts, "shares", "must be at least 0 each and less than 1 together");
    }
}

/// On whose behalf GHL is asked, the most urgent first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// A webhook said that something has changed, or a person asks.
    #[default]
    Hints,
    Watch,
    Sweep,
    Backfill,
}

impl Lane {
    pub const ALL: [Self; 4] = [Self::Hints, Self::Watch, Self::Sweep, Self::Backfill];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hints => "hints",
            Self::Watch => "watch",
            Self::Sweep => "sweep",
            Self::Backfill => "backfill",
        }
    }
}

/// The part of the calls that a lane gets at least while it has any to make.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    pub watch: f64,
    pub sweep: f64,
    pub backfill: f64,
}

impl Shares {
    pub(super) fn of(&self, lane: Lane) -> f64 {
        match lane {
            Lane::Hints => 0.0,
            Lane::Watch => self.watch,
            Lane::Sweep => self.sweep,
            Lane::Backfill => self.backfill,
        }
    }
}

/// What an answer's headers say about the allowance that is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) remaining: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) interval: Option<Duration>,
    pub(crate) remaining_today: Option<u64>,
    pub(crate) limit_a_day: Option<u64>,
}
