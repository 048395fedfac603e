//! Metrics. Labels are fixed words, never personal data.

use std::time::Duration;

use domain::{Intent, ObjectKind, Policy};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeOutcome {
    r#type: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindPolicy {
    kind: &'static str,
    policy: &'static str,
}

/// Counters of this process. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    events: Family<TypeOutcome, Counter>,
    mapped: Counter,
    intents: Family<KindPolicy, Counter>,
    published: Counter,
    parked: Counter,
    event_to_intent_seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            events: Family::default(),
            mapped: Counter::default(),
            intents: Family::default(),
            published: Counter::default(),
            parked: Counter::default(),
            event_to_intent_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("events", "Events by type and outcome", self.events.clone());
        registry.register("intents", "Intents published by kind of object and policy", self.intents.clone());
        registry.register("parked", "Events that were parked for a person", self.parked.clone());
        registry.register("event_to_intent_seconds", "From the log to the published intents", self.event_to_intent_seconds.clone());
    }

    pub(crate) fn event(&self, type_name: String) {
        self.events.get_or_create(&TypeOutcome { r#type: type_name, outcome: "mapped" }).inc();
        self.mapped.inc();
    }

    /// An event whose contact was erased: nothing is left to map.
    pub(crate) fn erased(&self, type_name: String) {
        self.events.get_or_create(&TypeOutcome { r#type: type_name, outcome: "erased" }).inc();
        self.mapped.inc();
    }

    pub(crate) fn parked(&self) {
        self.events.get_or_create(&TypeOutcome { r#type: "unknown".to_owned(), outcome: "parked" }).inc();
        self.parked.inc();
    }

    pub(crate) fn intent(&self, intent: &Intent) {
        self.intent_of(intent.kind, intent.policy);
        self.published.inc();
    }

    fn intent_of(&self, kind: ObjectKind, policy: Policy) {
        let policy = match policy {
            Policy::Mirror => "mirror",
            Policy::Once => "once",
        };
        self.intents.get_or_create(&KindPolicy { kind: kind.as_str(), policy }).inc();
    }

    pub(crate) fn published_after(&self, took: Duration) {
        self.event_to_intent_seconds.observe(took.as_secs_f64());
    }

    /// What people see in the service's status.
    pub(crate) fn figures(&self) -> Vec<(&'static str, u64)> {
        vec![("events", self.mapped.get()), ("intents", self.published.get()), ("parked", self.parked.get())]
    }
}
