//! Metrics. Labels hold location ids and fixed words, never personal data.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use domain::{LocationId, Net, RecordKind};
use eventlog::{Parity, SourceTrouble};
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLocation {
    location: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointStatus {
    endpoint: &'static str,
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NetOutcome {
    net: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLocationKind {
    location: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfNet {
    location: String,
    kind: &'static str,
    net: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfArea {
    location: String,
    area: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLane {
    location: String,
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassOutcome {
    net: &'static str,
    kind: &'static str,
    outcome: &'static str,
}

/// The metrics of this process. Cheap to clone; clones share their values.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    webhooks: Family<Outcome, Counter>,
    hints: Family<Outcome, Counter>,
    calls: Family<EndpointStatus, Counter>,
    calls_made: Counter,
    read_again: Counter,
    read_again_differed: Counter,
    call_seconds: Histogram,
    remaining: Family<OfLocation, Gauge>,
    remaining_today: Family<OfLocation, Gauge>,
    records: Family<NetOutcome, Counter>,
    unreadable: Counter,
    unreadable_fields: Counter,
    of_nobody: Family<OfKind, Counter>,
    bulk: Counter,
    passes: Family<PassOutcome, Counter>,
    broken_off: Family<OfNet, Gauge>,
    complete_since_seconds: Family<OfNet, Gauge>,
    found: Family<OfNet, Counter>,
    left_today: Family<OfLocation, Gauge>,
    day_calls_max: Family<OfLocation, Gauge>,
    pace: Family<OfLocation, Gauge<f64, AtomicU64>>,
    lane_calls: Family<OfLane, Gauge>,
    lane_waiting: Family<OfLane, Gauge>,
    events: Counter,
    hint_to_append_seconds: Histogram,
    backfill_seen: Family<OfLocation, Gauge>,
    backfill_total: Family<OfLocation, Gauge>,
    relayed: Counter,
    lag: Family<OfLocation, Gauge>,
    parked: Counter,
    token_refused: Family<OfLocation, Gauge>,
    troubles: Family<OfArea, Gauge>,
    streams_lost: Counter,
    vanishing_held: Family<OfLocation, Gauge>,
    parity_compared: Family<OfLocationKind, Counter>,
    parity_differed: Family<OfLocationKind, Counter>,
    watch_delay_seconds: Family<OfLocation, Gauge<f64, AtomicU64>>,
    restarts: Family<OfLocation, Counter>,
}

impl Metrics {
    /// Creates the metrics and registers them.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("poller");
        Self {
            calls_made: Counter::default(),
            read_again: Counter::default(),
            read_again_differed: Counter::default(),
            webhooks: added(registry, "webhooks", "Webhooks received, by outcome"),
            hints: added(registry, "hints", "Hints processed, by outcome"),
            calls: added(registry, "ghl_calls", "Calls to GHL by endpoint and status"),
            call_seconds: seconds(registry, "ghl_call_seconds", "Duration of calls to GHL in seconds"),
            remaining: added(registry, "ghl_remaining", "Calls left in GHL's burst window, as last reported by GHL"),
            remaining_today: added(registry, "ghl_remaining_today", "Calls left today, as last reported by GHL"),
            records: added(registry, "records_observed", "Records observed, by net and by whether they had changed"),
            unreadable: added(registry, "rows_unreadable", "Rows in GHL's answers without a usable id"),
            unreadable_fields: added(
                registry,
                "fields_unreadable",
                "Fields in GHL's answers in an unknown form: what is known of them stays",
            ),
            of_nobody: added(registry, "rows_of_nobody", "Rows in lists of a location that name no contact; they are not mirrored"),
            bulk: added(registry, "contacts_in_bulk", "Changed contacts that the watch found among too many to look at each"),
            passes: added(registry, "passes", "Passes over all records of a kind, by net and outcome"),
            broken_off: added(
                registry,
                "passes_broken_off",
                "How often in a row a pass that is still open could not be followed to its end",
            ),
            complete_since_seconds: added(registry, "complete_since_seconds", "Start of the last complete pass, as a Unix timestamp"),
            found: added(registry, "found", "Changes, by the net that found them first"),
            left_today: added(registry, "budget_left_today", "Calls left in today's budget"),
            day_calls_max: added(registry, "budget_day_calls_max", "Calls allowed per day"),
            pace: added(registry, "budget_pace", "Current pace as a fraction of the full rate; each 429 halves it"),
            lane_calls: added(registry, "budget_lane_calls", "Calls by lane since this replica took the lease of the location"),
            lane_waiting: added(registry, "budget_lane_waiting", "Calls waiting for their turn, by lane"),
            events: added(registry, "events_appended", "Events appended to the log"),
            hint_to_append_seconds: seconds(
                registry,
                "hint_to_append_seconds",
                "Seconds from the receipt of a webhook to the append of what it led to",
            ),
            backfill_seen: added(registry, "backfill_seen", "Contacts that the backfill has looked at"),
            backfill_total: added(registry, "backfill_total", "Contacts that the backfill has to look at, as counted by GHL"),
            relayed: added(registry, "events_relayed", "Events published to the bus"),
            lag: added(registry, "lag_events", "Events in the log that are not published yet"),
            parked: added(registry, "parked", "Looks and messages parked"),
            token_refused: added(registry, "token_refused", "1 while GHL refuses the token of a location"),
            troubles: added(
                registry,
                "source_not_answered_since_seconds",
                "Since when GHL does not answer for an area of a location (refused, failing, paused), as a Unix timestamp; gone when it does",
            ),
            vanishing_held: added(registry, "vanishing_held", "Conclusions that something vanished which are held back until a release"),
            parity_compared: added(registry, "parity_compared", "Records read again although nothing said that they had changed"),
            parity_differed: added(registry, "parity_differed", "Those of them that differed: every other net had missed a change"),
            streams_lost: added(registry, "streams_lost", "Streams found to have lost messages"),
            watch_delay_seconds: added(registry, "watch_delay_seconds", "How many seconds back the last search for changed contacts began"),
            restarts: added(registry, "location_restarts", "How often work on a location ended unexpectedly and was started again"),
        }
    }

    pub(crate) fn webhook(&self, outcome: &'static str) {
        self.webhooks.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn hints(&self, outcome: &'static str, count: usize) {
        self.hints.get_or_create(&Outcome { outcome }).inc_by(count as u64);
    }

    pub(crate) fn webhooks_accepted(&self) -> u64 {
        self.webhooks.get_or_create(&Outcome { outcome: "accepted" }).get()
    }

    pub(crate) fn call(&self, call: &ghl::Call<'_>) {
        let status = call.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.calls.get_or_create(&EndpointStatus { endpoint: call.operation.name, status }).inc();
        self.calls_made.inc();
        self.call_seconds.observe(call.elapsed.as_secs_f64());
        if let Some(remaining) = call.remaining {
            self.remaining.get_or_create(&of(call.location_id)).set(signed(remaining));
        }
        if let Some(remaining) = call.remaining_today {
            self.remaining_today.get_or_create(&of(call.location_id)).set(signed(remaining));
        }
    }

    pub(crate) fn observed(&self, net: &'static str, changed: usize, unchanged: usize) {
        self.records.get_or_create(&NetOutcome { net, outcome: "changed" }).inc_by(changed as u64);
        self.records.get_or_create(&NetOutcome { net, outcome: "unchanged" }).inc_by(unchanged as u64);
        self.events.inc_by(changed as u64);
    }

    /// Records that a list showed unchanged.
    pub(crate) fn unchanged(&self, net: &'static str, records: usize) {
        self.records.get_or_create(&NetOutcome { net, outcome: "unchanged" }).inc_by(records as u64);
    }

    pub(crate) fn of_nobody(&self, kind: RecordKind) {
        self.of_nobody.get_or_create(&OfKind { kind: kind.as_str() }).inc();
    }

    pub(crate) fn bulk(&self) {
        self.bulk.inc();
    }

    pub(crate) fn pass(&self, net: &'static str, kind: RecordKind, outcome: &'static str) {
        self.passes.get_or_create(&PassOutcome { net, kind: kind.as_str(), outcome }).inc();
    }

    pub(crate) fn broken_off(&self, location_id: &LocationId, net: &'static str, kind: RecordKind, times: u32) {
        let of = OfNet { location: location_id.to_string(), kind: kind.as_str(), net };
        self.broken_off.get_or_create(&of).set(i64::from(times));
    }

    pub(crate) fn complete(&self, location_id: &LocationId, net: &'static str, kind: RecordKind, since: Timestamp) {
        let of = OfNet { location: location_id.to_string(), kind: kind.as_str(), net };
        self.complete_since_seconds.get_or_create(&of).set(since.as_second());
    }

    pub(crate) fn found(&self, location_id: &LocationId, net: &'static str, kind: RecordKind) {
        self.found.get_or_create(&OfNet { location: location_id.to_string(), kind: kind.as_str(), net }).inc();
    }

    pub(crate) fn budget(&self, location_id: &LocationId, spending: &ghl::Spending) {
        self.left_today.get_or_create(&of(location_id)).set(signed(spending.left_today));
        self.day_calls_max.get_or_create(&of(location_id)).set(signed(spending.day_calls_max));
        self.pace.get_or_create(&of(location_id)).set(spending.pace);
        for lane in &spending.lanes {
            let of = OfLane { location: location_id.to_string(), lane: lane.lane.as_str() };
            self.lane_calls.get_or_create(&of).set(signed(lane.calls));
            self.lane_waiting.get_or_create(&of).set(signed(lane.waiting));
        }
    }

    pub(crate) fn events_appended(&self) -> u64 {
        self.events.get()
    }

    pub(crate) fn unreadable_fields(&self, fields: usize) {
        self.unreadable_fields.inc_by(fields as u64);
    }

    pub(crate) fn unreadable_rows(&self, rows: usize) {
        self.unreadable.inc_by(rows as u64);
    }

    pub(crate) fn hint_to_append(&self, took: Duration) {
        self.hint_to_append_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn backfill(&self, location_id: &LocationId, seen: u64, total: Option<u64>) {
        self.backfill_seen.get_or_create(&of(location_id)).set(signed(seen));
        if let Some(total) = total {
            self.backfill_total.get_or_create(&of(location_id)).set(signed(total));
        }
    }

    pub(crate) fn events_relayed(&self) -> u64 {
        self.relayed.get()
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls_made.get()
    }

    /// Contacts that the backfills of these locations have looked at, and those there are.
    pub(crate) fn backfills<'a>(&self, locations: impl Iterator<Item = &'a LocationId>) -> (i64, i64) {
        let gauge = |all: &Family<OfLocation, Gauge>, location_id: &LocationId| all.get(&of(location_id)).map_or(0, |gauge| gauge.get());
        locations.fold((0, 0), |(seen, total), location_id| {
            (seen + gauge(&self.backfill_seen, location_id), total + gauge(&self.backfill_total, location_id))
        })
    }

    pub(crate) fn relayed(&self, events: usize) {
        self.relayed.inc_by(events as u64);
    }

    pub(crate) fn no_lag(&self, location_id: &LocationId, is_mirrored: bool) {
        if is_mirrored {
            self.lag(location_id, 0);
        } else {
            self.lag.remove(&of(location_id));
        }
    }

    pub(crate) fn lag(&self, location_id: &LocationId, events: u64) {
        self.lag.get_or_create(&of(location_id)).set(signed(events));
    }

    pub(crate) fn parked(&self) {
        self.parked.inc();
    }

    pub(crate) fn token_refused(&self, location_id: &LocationId, refused: bool) {
        self.token_refused.get_or_create(&of(location_id)).set(i64::from(refused));
    }

    /// Takes back the gauges of a location that is not looked after here any more: what they say is another's to say, or nobody's.
    pub(crate) fn forget(&self, location_id: &LocationId) {
        let location = of(location_id);
        for gauges in [
            &self.remaining,
            &self.remaining_today,
            &self.left_today,
            &self.day_calls_max,
            &self.backfill_seen,
            &self.backfill_total,
            &self.token_refused,
            &self.vanishing_held,
        ] {
            gauges.remove(&location);
        }
        self.pace.remove(&location);
        self.watch_delay_seconds.remove(&location);
        for lane in ghl::Lane::ALL {
            let lane = OfLane { location: location_id.to_string(), lane: lane.as_str() };
            self.lane_calls.remove(&lane);
            self.lane_waiting.remove(&lane);
        }
        for (net, kind) in [Net::Backfill, Net::Sweep].iter().flat_map(|net| RecordKind::ALL.map(|kind| (net.as_str(), kind.as_str()))) {
            let of_net = OfNet { location: location_id.to_string(), kind, net };
            self.broken_off.remove(&of_net);
            self.complete_since_seconds.remove(&of_net);
        }
    }

    pub(crate) fn trouble(&self, location_id: &LocationId, trouble: &SourceTrouble) {
        self.troubles.get_or_create(&of_area(location_id, trouble)).set(trouble.since.as_second());
    }

    pub(crate) fn trouble_over(&self, location_id: &LocationId, trouble: &SourceTrouble) {
        self.troubles.remove(&of_area(location_id, trouble));
    }

    pub(crate) fn vanishing_held(&self, location_id: &LocationId, held: u64) {
        self.vanishing_held.get_or_create(&of(location_id)).set(signed(held));
    }

    pub(crate) fn parity(&self, location_id: &LocationId, kind: RecordKind, parity: &Parity) {
        let labels = OfLocationKind { location: location_id.to_string(), kind: kind.as_str() };
        self.parity_compared.get_or_create(&labels).inc_by(parity.compared);
        self.parity_differed.get_or_create(&labels).inc_by(parity.differed);
        self.read_again.inc_by(parity.compared);
        self.read_again_differed.inc_by(parity.differed);
    }

    /// Of all locations since the program began.
    pub(crate) fn read_again(&self) -> Parity {
        Parity { compared: self.read_again.get(), differed: self.read_again_differed.get() }
    }

    pub(crate) fn stream_lost(&self) {
        self.streams_lost.inc();
    }

    pub(crate) fn location_restarted(&self, location_id: &LocationId) {
        self.restarts.get_or_create(&of(location_id)).inc();
    }

    pub(crate) fn watched(&self, location_id: &LocationId, reach: Duration) {
        self.watch_delay_seconds.get_or_create(&of(location_id)).set(reach.as_secs_f64());
    }
}

fn of_area(location_id: &LocationId, trouble: &SourceTrouble) -> OfArea {
    OfArea { location: location_id.to_string(), area: trouble.area.clone(), state: trouble.state.as_str() }
}

fn of(location_id: &LocationId) -> OfLocation {
    OfLocation { location: location_id.to_string() }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn added<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn seconds(registry: &mut Registry, name: &str, help: &str) -> Histogram {
    let histogram = Histogram::new(exponential_buckets(0.001, 2.0, 18));
    registry.register(name, help, histogram.clone());
    histogram
}
