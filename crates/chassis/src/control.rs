//! Pausing, draining and status.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use proto::control::v1 as api;
use tokio::sync::watch;

use crate::Shutdown;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Paused,
    Draining,
}

/// The switch of a service and its status.
pub struct Control {
    pub(crate) service: &'static str,
    started: Instant,
    pub(crate) state: watch::Sender<State>,
    pub(crate) in_hand: watch::Sender<u64>,
    figures: Mutex<BTreeMap<&'static str, String>>,
    parts: Mutex<BTreeMap<&'static str, Result<(), String>>>,
    refusals: AtomicU64,
}

/// A piece of work in hand until it is dropped.
pub struct InHand<'a> {
    control: &'a Control,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.control.in_hand.send_modify(|in_hand| *in_hand = in_hand.saturating_sub(1));
    }
}

impl Control {
    pub(crate) fn new(service: &'static str) -> Self {
        Self {
            service,
            started: Instant::now(),
            state: watch::Sender::new(State::Running),
            in_hand: watch::Sender::new(0),
            figures: Mutex::default(),
            parts: Mutex::default(),
            refusals: AtomicU64::new(0),
        }
    }

    /// Returns when work may be taken, or when the service stops. A draining service takes no more work. Cancel-safe.
    pub async fn wait_while_paused(&self, shutdown: &Shutdown) {
        let mut state = self.state.subscribe();
        tokio::select! {
            () = shutdown.cancelled() => {}
            running = state.wait_for(|state| *state == State::Running) => {
                if running.is_err() {
                    tracing::debug!("the control of a service was dropped before the service");
                }
            }
        }
    }

    /// True while no work is to be taken: paused or draining.
    pub fn is_paused(&self) -> bool {
        *self.state.borrow() != State::Running
    }

    pub fn is_draining(&self) -> bool {
        *self.state.borrow() == State::Draining
    }

    /// Counts a piece of work until the guard is dropped.
    pub fn in_hand(&self) -> InHand<'_> {
        self.in_hand.send_modify(|in_hand| *in_hand += 1);
        InHand { control: self }
    }

    /// Sets a figure of the service's status.
    pub fn set_figure(&self, name: &'static str, value: impl ToString) {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value.to_string());
    }

    pub(crate) fn set_part(&self, name: &'static str, state: Result<(), String>) -> bool {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(name, state.clone()) != Some(state)
    }

    /// The parts that the service needs and that are not ready.
    pub(crate) fn problems(&self) -> Vec<String> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().filter_map(|(name, state)| state.as_ref().err().map(|problem| format!("{name}: {problem}"))).collect()
    }

    pub(crate) fn refused(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    fn state(&self) -> api::State {
        match *self.state.borrow() {
            State::Running => api::State::Running,
            State::Paused => api::State::Paused,
            State::Draining => api::State::Draining,
        }
    }

    pub(crate) fn status(&self) -> api::StatusResponse {
        let mut figures: BTreeMap<_, _> = self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        figures.insert("calls_without_token", self.refusals.load(Ordering::Relaxed).to_string());
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        api::StatusResponse {
            service: self.service.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: self.state().into(),
            in_hand: *self.in_hand.borrow(),
            uptime_seconds: self.started.elapsed().as_secs(),
            parts: parts
                .into_iter()
                .map(|(name, state)| api::Part { name: name.to_owned(), ready: state.is_ok(), problem: state.err().unwrap_or_default() })
                .collect(),
            figures: figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }
}
