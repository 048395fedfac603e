//! Metrics.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::object::{Counts, Kind};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Write {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Objects {
    kind: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    requests: Family<Request, Counter>,
    writes: Family<Write, Counter>,
    write_seconds: Histogram,
    objects: Family<Objects, Gauge<i64, AtomicI64>>,
    pub(crate) followers: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let seconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
        Self {
            requests: Family::default(),
            writes: Family::default(),
            write_seconds: Histogram::new(seconds),
            objects: Family::default(),
            followers: Gauge::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("bridge_requests", "HTTP requests answered", self.requests.clone());
        registry.register("bridge_writes", "Writes judged, by outcome", self.writes.clone());
        registry.register("bridge_write_seconds", "Time of a write request in the store", self.write_seconds.clone());
        registry.register("bridge_objects", "Objects in all workspaces", self.objects.clone());
        registry.register("bridge_followers", "Pages that follow changes", self.followers.clone());
    }

    pub(crate) fn answered(&self, route: &str, method: &str, status: u16) {
        let labels = Request { route: route.to_owned(), method: method.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
    }

    pub(crate) fn judged(&self, outcome: &'static str) {
        self.writes.get_or_create(&Write { outcome }).inc();
    }

    pub(crate) fn wrote(&self, seconds: f64) {
        self.write_seconds.observe(seconds);
    }

    pub(crate) fn counted(&self, totals: &Counts) {
        for kind in Kind::ALL {
            self.objects.get_or_create(&Objects { kind: kind.as_str() }).set(i64::try_from(totals.of(kind)).unwrap_or(i64::MAX));
        }
    }
}
