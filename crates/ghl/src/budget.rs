//! How often one location may be asked, and which calls come first: a paced allowance that never exceeds GHL's window or its day, slows
//! down when GHL asks for it and recovers gradually.

mod bucket;
mod day;
mod lanes;
mod now;
mod rate;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::bucket::Bucket;
use self::day::Day;
pub use self::lanes::LaneSpending;
use self::lanes::Lanes;
use self::now::Now;
pub(crate) use self::rate::Left;
pub use self::rate::{Lane, Rate, Shares};

/// The current state of a budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Spending {
    /// Calls a second now, reduced as GHL asked.
    pub calls_per_second: f64,
    /// Calls that may be made at once.
    pub at_once: u64,
    /// 1 at full pace; each 429 halves it.
    pub pace: f64,
    /// How much longer no call is made, because GHL asked to slow down.
    pub held_for: Duration,
    pub left_today: u64,
    pub day_calls_max: u64,
    pub throttled: u64,
    /// By lane, the most urgent first.
    pub lanes: Vec<LaneSpending>,
}

/// The allowance of one location, shared by everything that asks for it.
///
/// It lives in memory and begins empty: an earlier process may have spent all of it up to this moment.
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

/// How often a waiting call checks whether something has changed: less than any configured interval.
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

    /// Pauses all calls of the location; gives the pause.
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

    /// Gives a turn to every waiting call that may have one now.
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

    /// The least time until a call of this lane can get its turn.
    fn wait(&self, rate: &Rate, lane: Lane, now: Now) -> Duration {
        let wanted = if lane == Lane::Hints || self.lanes.is_owed(lane) { 1.0 } else { 1.0 + self.bucket.reserve(rate) };
        self.bucket.wait(rate, wanted, now).max(self.day.wait(rate, lane, now))
    }
}

#[cfg(test)]
mod tests;
