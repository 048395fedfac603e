//! Metrics. Labels are fixed words, never personal data.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: String,
}

/// Counters of this process. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    messages: Counter,
    intents: Family<Outcome, Counter>,
    delivered: Counter,
    parked: Counter,
    requests: Family<Status, Counter>,
    request_seconds: Histogram,
    splits: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            messages: Counter::default(),
            intents: Family::default(),
            delivered: Counter::default(),
            parked: Counter::default(),
            requests: Family::default(),
            request_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            splits: Counter::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("messages", "Messages received", self.messages.clone());
        registry.register(
            "intents",
            "Intents by outcome: what the bridge did, or coalesced, skipped, refused, parked",
            self.intents.clone(),
        );
        registry.register("delivered", "Intents that the workspace now holds", self.delivered.clone());
        registry.register("parked", "Intents that were parked for a person", self.parked.clone());
        registry.register("bridge_requests", "Requests to the bridge by status", self.requests.clone());
        registry.register("bridge_request_seconds", "How long requests to the bridge took", self.request_seconds.clone());
        registry.register("bridge_splits", "Requests that were refused as a whole and halved", self.splits.clone());
    }

    pub(crate) fn received(&self, messages: usize) {
        self.messages.inc_by(messages as u64);
    }

    pub(crate) fn intents(&self, outcome: &'static str, count: usize) {
        if count > 0 {
            self.intents.get_or_create(&Outcome { outcome }).inc_by(count as u64);
        }
    }

    pub(crate) fn delivered(&self, outcome: &'static str) {
        self.intents(outcome, 1);
        self.delivered.inc();
    }

    pub(crate) fn parked(&self) {
        self.intents("parked", 1);
        self.parked.inc();
    }

    pub(crate) fn request(&self, status: Option<u16>, took: Duration) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.requests.get_or_create(&Status { status }).inc();
        self.request_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn split(&self) {
        self.splits.inc();
    }

    /// What people see in the service's status.
    pub(crate) fn figures(&self) -> Vec<(&'static str, u64)> {
        vec![("messages", self.messages.get()), ("delivered", self.delivered.get()), ("parked", self.parked.get())]
    }
}
