//! Metrics of alerts. Labels hold ids and fixed words.

use std::collections::BTreeSet;

use eventlog::Alert;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct OfAlert {
    condition: String,
    location: String,
    subject: String,
}

/// No labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Here {}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Told {
    channel: &'static str,
    outcome: &'static str,
}

/// Shown by the replica that finds out and tells, and by no other. Cheap to clone; clones share their values.
#[derive(Clone)]
pub(crate) struct Metrics {
    since_seconds: Family<OfAlert, Gauge>,
    found_at_seconds: Family<Here, Gauge>,
    told: Family<Told, Counter>,
}

impl Metrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self { since_seconds: Family::default(), found_at_seconds: Family::default(), told: Family::default() };
        let registry = registry.sub_registry_with_prefix("admin");
        let since = "Since when an open alert's condition holds, as a Unix timestamp; resolved alerts have none";
        registry.register("alert_since_seconds", since, metrics.since_seconds.clone());
        let found_at = "When conditions were last asked for, as a Unix timestamp; only where this replica does";
        registry.register("alerts_found_at_seconds", found_at, metrics.found_at_seconds.clone());
        registry.register("alert_messages", "Messages about alerts, by channel and outcome", metrics.told.clone());
        metrics
    }

    /// Shows the open alerts and no others.
    pub(crate) fn show(&self, open: &[Alert], shown: &mut Shown, now: Timestamp) {
        let mut labels = BTreeSet::new();
        for alert in open {
            let location = alert.location_id.as_ref().map(ToString::to_string).unwrap_or_default();
            let of = OfAlert { condition: alert.condition.clone(), location, subject: alert.subject.clone() };
            self.since_seconds.get_or_create(&of).set(alert.since.as_second());
            labels.insert(of);
        }
        for gone in shown.0.difference(&labels) {
            self.since_seconds.remove(gone);
        }
        shown.0 = labels;
        self.found_at_seconds.get_or_create(&Here {}).set(now.as_second());
    }

    /// Shows nothing any more: another replica does.
    pub(crate) fn clear(&self, shown: &mut Shown) {
        shown.0.clear();
        self.since_seconds.clear();
        self.found_at_seconds.clear();
    }

    pub(crate) fn told(&self, channel: &'static str, arrived: bool) {
        let outcome = if arrived { "arrived" } else { "failed" };
        self.told.get_or_create(&Told { channel, outcome }).inc();
    }
}

/// The alerts that are shown now.
#[derive(Default)]
pub(crate) struct Shown(BTreeSet<OfAlert>);
