//! Answers that go wrong on demand: errors, slowness, bodies cut short, pages of a gateway.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// Answers with this status; nothing is done.
    Status { status: u16 },
    /// Does what is asked and answers this much later.
    Slow {
        #[serde(with = "humantime_serde")]
        slow: Duration,
    },
    /// Does what is asked, and the connection breaks in the middle of the answer.
    Cut,
    /// Does what is asked and answers with a page of HTML and status 200.
    Garbage,
}

/// The next `times` calls that match go wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FaultOrder {
    #[serde(flatten)]
    pub fault: Fault,
    #[serde(default = "once")]
    pub times: u32,
    /// `GET`, `POST` …; any when absent.
    #[serde(default)]
    pub method: Option<String>,
    /// A part of the path; any when absent.
    #[serde(default)]
    pub path: Option<String>,
}

fn once() -> u32 {
    1
}

impl FaultOrder {
    /// The next `times` calls whose path contains `path`.
    pub fn new(fault: Fault, times: u32, path: &str) -> Self {
        Self { fault, times, method: None, path: Some(path.to_owned()) }
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|part| path.contains(part))
    }
}

/// Shares of calls that go wrong at random, by seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerChaos {
    /// Answered with 503.
    pub failed: f64,
    pub cut: f64,
    pub slow: f64,
    #[serde(with = "humantime_serde")]
    pub slowness: Duration,
    /// Answered with 429 though the limits were kept; then everything is, for as long as a storm lasts. None of these calls counts
    /// against the limits or as a violation.
    pub throttled: f64,
    #[serde(with = "humantime_serde")]
    pub storm: Duration,
}

pub(crate) struct Faults {
    orders: VecDeque<FaultOrder>,
    chaos: AnswerChaos,
    dice: Dice,
    storm_ends: Option<Instant>,
    happened: u64,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            orders: VecDeque::new(),
            chaos: AnswerChaos::default(),
            dice: Dice::for_purpose(seed, "faults"),
            storm_ends: None,
            happened: 0,
        }
    }

    pub(crate) fn order(&mut self, order: FaultOrder) {
        self.orders.push_back(order);
    }

    pub(crate) fn clear(&mut self) {
        self.orders.clear();
        self.chaos = AnswerChaos::default();
        self.storm_ends = None;
    }

    pub(crate) fn set_chaos(&mut self, chaos: AnswerChaos) {
        self.chaos = chaos;
    }

    pub(crate) fn chaos(&self) -> AnswerChaos {
        self.chaos
    }

    pub(crate) fn happened(&self) -> u64 {
        self.happened
    }

    /// The fault that this call meets, if any.
    pub(crate) fn next(&mut self, method: &str, path: &str) -> Option<Fault> {
        let fault = self.ordered(method, path).or_else(|| self.by_chance());
        self.happened += u64::from(fault.is_some());
        fault
    }

    fn ordered(&mut self, method: &str, path: &str) -> Option<Fault> {
        self.orders.retain(|order| order.times > 0);
        let order = self.orders.iter_mut().find(|order| order.matches(method, path))?;
        order.times -= 1;
        Some(order.fault)
    }

    fn storms(&mut self) -> bool {
        if self.storm_ends.is_some_and(|end| Instant::now() < end) {
            return true;
        }
        let begins = self.dice.chance(self.chaos.throttled);
        self.storm_ends = begins.then(|| Instant::now() + self.chaos.storm);
        begins
    }

    fn by_chance(&mut self) -> Option<Fault> {
        if self.storms() {
            Some(Fault::Status { status: 429 })
        } else if self.dice.chance(self.chaos.failed) {
            Some(Fault::Status { status: 503 })
        } else if self.dice.chance(self.chaos.cut) {
            Some(Fault::Cut)
        } else if self.dice.chance(self.chaos.slow) {
            Some(Fault::Slow { slow: self.chaos.slowness })
        } else {
            None
        }
    }
}
