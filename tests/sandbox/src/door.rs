//! What stands before a resource of the API, be it a location or the agency: limits, things that go wrong, a count of who came.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use crate::{
    faults::{AnswerChaos, Fault, FaultOrder, Faults},
    limits::{Limiter, Standing, Violation},
    settings::Limits,
};

pub(crate) struct Door {
    limiter: Mutex<Limiter>,
    faults: Mutex<Faults>,
    calls: Mutex<BTreeMap<String, u64>>,
    /// Parts of paths that the token may not use, and the status that says so.
    withheld: Mutex<BTreeMap<String, u16>>,
}

/// What came through so far.
pub(crate) struct Passed {
    pub(crate) calls: BTreeMap<String, u64>,
    pub(crate) limits: Limits,
    pub(crate) most_seen: usize,
    pub(crate) refused: u64,
    pub(crate) day_used: u32,
    pub(crate) faults: u64,
}

impl Door {
    pub(crate) fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limiter: Mutex::new(Limiter::new(limits)),
            faults: Mutex::new(Faults::new(seed)),
            calls: Mutex::default(),
            withheld: Mutex::default(),
        }
    }

    pub(crate) fn count(&self, endpoint: &str) {
        let mut calls = lock(&self.calls);
        match calls.get_mut(endpoint) {
            Some(count) => *count += 1,
            None => drop(calls.insert(endpoint.to_owned(), 1)),
        }
    }

    pub(crate) fn admit(&self) -> Standing {
        lock(&self.limiter).call(Instant::now())
    }

    pub(crate) fn turn_away(&self) -> Standing {
        lock(&self.limiter).turn_away(Instant::now())
    }

    pub(crate) fn fault(&self, method: &str, path: &str) -> Option<Fault> {
        lock(&self.faults).next(method, path)
    }

    pub(crate) fn withhold(&self, part: &str, status: u16) {
        lock(&self.withheld).insert(part.to_owned(), status);
    }

    pub(crate) fn give_back(&self) {
        lock(&self.withheld).clear();
    }

    /// The status by which a path is refused for want of a scope.
    pub(crate) fn withheld(&self, path: &str) -> Option<u16> {
        lock(&self.withheld).iter().find(|(part, _)| path.contains(part.as_str())).map(|(_, status)| *status)
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        lock(&self.limiter).set_limits(limits);
    }

    pub(crate) fn limits(&self) -> Limits {
        lock(&self.limiter).limits()
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        lock(&self.limiter).violations()
    }

    pub(crate) fn order_fault(&self, order: FaultOrder) {
        lock(&self.faults).order(order);
    }

    pub(crate) fn set_answer_chaos(&self, chaos: AnswerChaos) {
        lock(&self.faults).set_chaos(chaos);
    }

    pub(crate) fn answer_chaos(&self) -> AnswerChaos {
        lock(&self.faults).chaos()
    }

    pub(crate) fn clear_faults(&self) {
        lock(&self.faults).clear();
    }

    pub(crate) fn passed(&self) -> Passed {
        let calls = lock(&self.calls).clone();
        let faults = lock(&self.faults).happened();
        let limiter = lock(&self.limiter);
        Passed {
            calls,
            limits: limiter.limits(),
            most_seen: limiter.most_seen(),
            refused: limiter.refused(),
            day_used: limiter.day_used(),
            faults,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
