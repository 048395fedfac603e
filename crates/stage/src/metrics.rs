//! What is counted of every stage.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Figures of this process. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    batch_messages: Histogram,
    batch_seconds: Histogram,
    backlog: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            batch_messages: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            batch_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            backlog: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Adds them to a service's own; `backlog` is called and described as what is given.
    pub fn register(&self, registry: &mut Registry, (backlog, help): (&'static str, &'static str)) {
        registry.register("batch_messages", "Messages in a batch", self.batch_messages.clone());
        registry.register("batch_seconds", "From taking a batch to having settled it", self.batch_seconds.clone());
        registry.register(backlog, help, self.backlog.clone());
    }

    pub(crate) fn taken(&self, messages: usize) {
        self.batch_messages.observe(messages as f64);
    }

    pub(crate) fn settled(&self, took: Duration) {
        self.batch_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn backlog(&self, messages: u64) {
        self.backlog.set(i64::try_from(messages).unwrap_or(i64::MAX));
    }
}
