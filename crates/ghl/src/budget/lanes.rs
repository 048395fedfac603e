//! The order of lanes: hints before the watch before the sweep before the backfill; none waits for ever.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::rate::{Lane, Shares};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSpending {
    pub lane: Lane,
    /// Calls since this process started.
    pub calls: u64,
    pub waiting: u64,
}

/// A sum of shares may fall short of a whole by rounding.
const ROUNDING: f64 = 1e-9;
/// A lane that may not spend for a while does not accumulate credit without end.
const CREDIT_MAX: f64 = 2.0;

/// The waiting calls, by lane.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    hints: Queue,
    watch: Queue,
    sweep: Queue,
    backfill: Queue,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<oneshot::Sender<()>>,
    /// The calls that the lane is owed, of those that were made while it waited.
    credit: f64,
    calls: u64,
}

impl Lanes {
    fn lane(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Hints => &mut self.hints,
            Lane::Watch => &mut self.watch,
            Lane::Sweep => &mut self.sweep,
            Lane::Backfill => &mut self.backfill,
        }
    }

    fn all(&self) -> [(Lane, &Queue); 4] {
        [(Lane::Hints, &self.hints), (Lane::Watch, &self.watch), (Lane::Sweep, &self.sweep), (Lane::Backfill, &self.backfill)]
    }

    pub(super) fn queue(&mut self, lane: Lane, turn: oneshot::Sender<()>) {
        self.lane(lane).waiting.push_back(turn);
    }

    /// The lane whose turn is next: the one that is owed most if any is owed a call, otherwise the most urgent. `may` says whether a lane
    /// may have the turn, given whether it is owed.
    pub(super) fn next(&mut self, may: impl Fn(Lane, bool) -> bool) -> Option<Lane> {
        for lane in Lane::ALL {
            let queue = self.lane(lane);
            while queue.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                queue.waiting.pop_front();
            }
            if queue.waiting.is_empty() {
                // A lane without waiting calls is owed nothing.
                queue.credit = 0.0;
            }
        }
        let waiting = || self.all().into_iter().filter(|(_, queue)| !queue.waiting.is_empty());
        let owed = waiting().filter(|(lane, queue)| queue.credit + ROUNDING >= 1.0 && may(*lane, true));
        let owed = owed.max_by(|(_, left), (_, right)| left.credit.total_cmp(&right.credit)).map(|(lane, _)| lane);
        owed.or_else(|| waiting().map(|(lane, _)| lane).find(|lane| may(*lane, false)))
    }

    /// Gives the lane its turn; false when the waiting call was cancelled, which costs nothing.
    pub(super) fn grant(&mut self, lane: Lane, shares: Shares) -> bool {
        let Some(turn) = self.lane(lane).waiting.pop_front() else { return false };
        if turn.send(()).is_err() {
            return false;
        }
        for any in Lane::ALL {
            let queue = self.lane(any);
            if any == lane || !queue.waiting.is_empty() {
                queue.credit = (queue.credit + shares.of(any)).min(CREDIT_MAX);
            }
        }
        let queue = self.lane(lane);
        queue.calls += 1;
        queue.credit = (queue.credit - 1.0).max(0.0);
        true
    }

    pub(super) fn is_owed(&self, lane: Lane) -> bool {
        self.all().into_iter().any(|(any, queue)| any == lane && queue.credit + ROUNDING >= 1.0)
    }

    pub(super) fn spending(&self) -> Vec<LaneSpending> {
        let all = self.all().into_iter();
        all.map(|(lane, queue)| LaneSpending { lane, calls: queue.calls, waiting: queue.waiting.len() as u64 }).collect()
    }
}
