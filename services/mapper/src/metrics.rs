//! What is counted. Labels hold fixed words, never anything of a person.

use std::time::Duration;

use domain::{Intent, ObjectKind, Policy};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
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
    batch_messages: Histogram,
    event_to_intent_seconds: Histogram,
    batch_seconds: Histogram,
    backlog: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let latency = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        Self {
            events: Family::default(),
            mapped: Counter::default(),
            intents: Family::default(),
            published: Counter::default(),
            parked: Counter::default(),
            batch_messages: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            event_to_intent_seconds: latency(),
            batch_seconds: latency(),
            backlog: Gauge::default(),
        }
    }

    pub(crate) fn register(&self, all: &mut Registry) {
        let registry = all.sub_registry_with_prefix("mapper");
        registry.register("events", "Events by type and outcome", self.events.clone());
        registry.register("intents", "Intents published by kind of object and policy", self.intents.clone());
        registry.register("parked", "Events that were parked for a person", self.parked.clone());
        registry.register("batch_messages", "Messages in a batch", self.batch_messages.clone());
        registry.register("event_to_intent_seconds", "From the log to the published intents", self.event_to_intent_seconds.clone());
        registry.register("batch_seconds", "From taking a batch to having settled it", self.batch_seconds.clone());
        registry.register("lag_events", "Events on the bus that are not settled", self.backlog.clone());
    }

    pub(crate) fn batch(&self, messages: usize) {
        self.batch_messages.observe(messages as f64);
    }

    pub(crate) fn batch_took(&self, took: Duration) {
        self.batch_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn event(&self, type_name: String) {
        self.events.get_or_create(&TypeOutcome { r#type: type_name, outcome: "mapped" }).inc();
        self.mapped.inc();
    }

    /// An event whose contact was erased: there was nothing to map.
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

    pub(crate) fn backlog(&self, messages: u64) {
        self.backlog.set(i64::try_from(messages).unwrap_or(i64::MAX));
    }

    pub(crate) fn events_mapped(&self) -> u64 {
        self.mapped.get()
    }

    pub(crate) fn intents_published(&self) -> u64 {
        self.published.get()
    }

    pub(crate) fn events_parked(&self) -> u64 {
        self.parked.get()
    }
}
