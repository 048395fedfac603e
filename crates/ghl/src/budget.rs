//! How often one location may be asked, and who comes first: a paced allowance that never exceeds GHL's window nor its day, gives way
//! when GHL says so and recovers slowly.

mod bucket;
mod day;
mod lanes;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use self::bucket::Bucket;
use self::day::Day;
use self::lanes::Lanes;
pub use self::lanes::{Lane, Shares};

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
    pub window_calls_max: u32,
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// Calls that GHL allows a day, until its answers say otherwise. Days are taken to begin at midnight UTC, which nobody documents.
    pub day_calls_max: u64,
    /// When less than this part of the day's calls is left, sweeps and backfills spread it over the hours that are left.
    pub spread_below: f64,
    /// The part of the allowance that only hints may use up.
    pub hints_reserve: f64,
    /// The part of the calls that each other lane gets however many hints there are.
    pub shares: Shares,
    /// The least pause after a 429, lengthened by up to a quarter at random. GHL documents no `Retry-After`.
    #[serde(with = "humantime_serde")]
    pub throttled_pause: Duration,
    /// How long it takes from the slowest pace back to the whole one; each 429 halves the pace.
    #[serde(with = "humantime_serde")]
    pub recovery: Duration,
    /// A call that has to wait longer than this for its turn is turned away instead.
    #[serde(with = "humantime_serde")]
    pub wait_max: Duration,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            calls_per_second: 8.0,
            window_calls_max: 100,
            window: Duration::from_secs(10),
            day_calls_max: 200_000,
            spread_below: 0.5,
            hints_reserve: 0.2,
            shares: Shares { watch: 0.1, sweep: 0.1, backfill: 0.05 },
            throttled_pause: Duration::from_secs(10),
            recovery: Duration::from_secs(300),
            wait_max: Duration::from_secs(60),
        }
    }
}

impl Rate {
    /// Every mistake at once, each naming its key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(self.calls_per_second > 0.0 && self.calls_per_second.is_finite()) {
            problems.push("calls_per_second must be more than 0".to_owned());
        }
        for (key, part) in [("spread_below", self.spread_below), ("hints_reserve", self.hints_reserve)] {
            if !(0.0..=1.0).contains(&part) {
                problems.push(format!("{key} must be between 0 and 1"));
            }
        }
        let Shares { watch, sweep, backfill } = self.shares;
        if [watch, sweep, backfill].iter().any(|share| !(0.0..1.0).contains(share)) || watch + sweep + backfill >= 1.0 {
            problems.push("shares must be at least 0 each and less than 1 together".to_owned());
        }
        if self.day_calls_max == 0 || self.window_calls_max == 0 || self.window.is_zero() || self.recovery.is_zero() {
            problems.push("day_calls_max, window_calls_max, window and recovery must be more than nothing".to_owned());
        }
        problems
    }
}

/// What an answer's headers said of the allowance that is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) remaining: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) interval: Option<Duration>,
    pub(crate) remaining_today: Option<u64>,
    pub(crate) limit_a_day: Option<u64>,
}

/// Where a budget stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Spending {
    /// Calls a second now, after what GHL asked for.
    pub calls_per_second: f64,
    /// Calls that may be made at once.
    pub at_once: u64,
    /// 1 at full pace; each 429 halves it.
    pub pace: f64,
    /// How much longer nothing is asked, because GHL asked to slow down.
    pub held_for: Duration,
    pub left_today: u64,
    pub day_calls_max: u64,
    pub throttled: u64,
    /// By lane, the first before all others.
    pub lanes: Vec<LaneSpending>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSpending {
    pub lane: Lane,
    /// Calls since this process began to spend.
    pub calls: u64,
    pub waiting: u64,
}

/// The allowance of one location, shared by everything that asks for it.
///
/// It lives in memory and begins empty: whoever spent it before, at the worst up to this moment, left nothing.
#[derive(Debug)]
pub(crate) struct Budget {
    rate: Rate,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    day: Day,
    lanes: Lanes,
    throttled: u64,
}

/// Both clocks: what is paced runs on the one that never jumps, days are counted on the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) steady: Instant,
    pub(crate) wall: Timestamp,
}

impl Now {
    fn read() -> Self {
        Self { steady: Instant::now(), wall: Timestamp::now() }
    }
}

/// How often a waiting call looks whether something has changed: shorter than anything that is configured.
const LOOK_LEAST: Duration = Duration::from_millis(2);
const LOOK_MOST: Duration = Duration::from_secs(1);

impl Budget {
    pub(crate) fn new(rate: Rate) -> Self {
        let state = State::new(&rate, Now::read());
        Self { rate, state: Mutex::new(state) }
    }

    /// Waits for this call's turn. Dropping the future gives the place in the queue up.
    ///
    /// # Errors
    /// Gives the wait that would still be needed when all of it is longer than `wait_max`.
    pub(crate) async fn admit(&self, lane: Lane) -> Result<(), Duration> {
        let since = Instant::now();
        let (turn, mut granted) = oneshot::channel();
        let mut wait = self.with(|state, now| {
            state.lanes.queue(lane, turn);
            state.grant(&self.rate, now);
            state.wait(&self.rate, lane, now)
        });
        loop {
            if granted.try_recv().is_ok() {
                return Ok(());
            }
            if since.elapsed() + wait > self.rate.wait_max {
                granted.close();
                // The turn may have come just now.
                return granted.try_recv().map_err(|_| wait.max(LOOK_MOST));
            }
            tokio::select! {
                turn = &mut granted => return turn.map_err(|_| LOOK_MOST),
                () = tokio::time::sleep(wait.clamp(LOOK_LEAST, LOOK_MOST)) => {}
            }
            wait = self.with(|state, now| {
                state.grant(&self.rate, now);
                state.wait(&self.rate, lane, now)
            });
        }
    }

    pub(crate) fn answered(&self, left: Left) {
        self.with(|state, now| {
            state.bucket.answered(&self.rate, left, now);
            state.day.answered(left, now);
        });
    }

    /// Everything of the location pauses; gives the pause.
    pub(crate) fn throttled(&self, retry_after: Option<Duration>, jitter: f64) -> Duration {
        let pause = self.rate.throttled_pause.max(retry_after.unwrap_or_default()).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0);
        self.with(|state, now| {
            state.throttled += 1;
            state.bucket.throttled(&self.rate, pause, now);
        });
        pause
    }

    pub(crate) fn spending(&self) -> Spending {
        self.with(|state, now| {
            state.grant(&self.rate, now);
            Spending {
                calls_per_second: state.bucket.per_second(&self.rate),
                at_once: state.bucket.whole_tokens(),
                pace: state.bucket.pace(),
                held_for: state.bucket.held(now),
                left_today: state.day.left(),
                day_calls_max: state.day.limit(),
                throttled: state.throttled,
                lanes: state.lanes.spending(),
            }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State, Now) -> T) -> T {
        // The state holds numbers and queues only, so one left by a panicking thread is as good as any.
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), Now::read())
    }
}

impl State {
    fn new(rate: &Rate, now: Now) -> Self {
        Self { bucket: Bucket::new(now), day: Day::new(rate, now), lanes: Lanes::default(), throttled: 0 }
    }

    /// Gives turns to whoever may have one now.
    fn grant(&mut self, rate: &Rate, now: Now) {
        self.bucket.refill(rate, now);
        self.day.turn_over(now);
        while self.bucket.has(1.0, now) {
            let (bucket, day) = (&self.bucket, &self.day);
            let may = |lane: Lane, owed: bool| {
                day.may_spend(rate, lane, now) && (lane == Lane::Hints || owed || bucket.has(1.0 + bucket.reserve(rate), now))
            };
            let Some(lane) = self.lanes.next(may) else { return };
            if self.lanes.grant(lane, rate.shares) {
                self.bucket.take();
                self.day.spend(rate, lane, now);
            }
        }
    }

    /// How long at least until a call of this lane can get its turn.
    fn wait(&self, rate: &Rate, lane: Lane, now: Now) -> Duration {
        let wanted = if lane == Lane::Hints || self.lanes.is_owed(lane) { 1.0 } else { 1.0 + self.bucket.reserve(rate) };
        self.bucket.wait(rate, wanted, now).max(self.day.wait(rate, lane, now))
    }
}

#[cfg(test)]
mod tests;
