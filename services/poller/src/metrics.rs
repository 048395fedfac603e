//! What is counted. Labels hold ids of locations and fixed words, never anything of a person.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use domain::{LocationId, RecordKind};
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

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
struct OfNet {
    location: String,
    kind: &'static str,
    net: &'static str,
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

/// Counters of this process. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    webhooks: Family<Outcome, Counter>,
    hints: Family<Outcome, Counter>,
    calls: Family<EndpointStatus, Counter>,
    calls_made: Counter,
    call_seconds: Histogram,
    remaining: Family<OfLocation, Gauge>,
    remaining_today: Family<OfLocation, Gauge>,
    records: Family<NetOutcome, Counter>,
    unreadable: Counter,
    of_nobody: Family<OfKind, Counter>,
    passes: Family<PassOutcome, Counter>,
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
    streams_lost: Counter,
    watch_delay_seconds: Family<OfLocation, Gauge<f64, AtomicU64>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let latency = || Histogram::new(exponential_buckets(0.001, 2.0, 18));
        Self {
            webhooks: Family::default(),
            hints: Family::default(),
            calls: Family::default(),
            calls_made: Counter::default(),
            call_seconds: latency(),
            remaining: Family::default(),
            remaining_today: Family::default(),
            records: Family::default(),
            unreadable: Counter::default(),
            of_nobody: Family::default(),
            passes: Family::default(),
            complete_since_seconds: Family::default(),
            found: Family::default(),
            left_today: Family::default(),
            day_calls_max: Family::default(),
            pace: Family::default(),
            lane_calls: Family::default(),
            lane_waiting: Family::default(),
            events: Counter::default(),
            hint_to_append_seconds: latency(),
            backfill_seen: Family::default(),
            backfill_total: Family::default(),
            relayed: Counter::default(),
            lag: Family::default(),
            parked: Counter::default(),
            token_refused: Family::default(),
            streams_lost: Counter::default(),
            watch_delay_seconds: Family::default(),
        }
    }

    pub(crate) fn register(&self, all: &mut Registry) {
        let registry = all.sub_registry_with_prefix("poller");
        registry.register("webhooks", "Webhooks by outcome", self.webhooks.clone());
        registry.register("hints", "Hints by outcome", self.hints.clone());
        registry.register("ghl_calls", "Calls to GHL by endpoint and status", self.calls.clone());
        registry.register("ghl_call_seconds", "How long calls to GHL took", self.call_seconds.clone());
        registry.register("ghl_remaining", "Calls left in GHL's short interval, as it last said", self.remaining.clone());
        registry.register("ghl_remaining_today", "Calls left today, as GHL last said", self.remaining_today.clone());
        registry.register("records_observed", "Records looked at, by net and whether they had changed", self.records.clone());
        registry.register("rows_unreadable", "Rows in GHL's answers without a usable id", self.unreadable.clone());
        registry.register(
            "rows_of_nobody",
            "Rows of lists over a location that name no contact: they are not mirrored",
            self.of_nobody.clone(),
        );
        registry.register("passes", "Passes over all records of a kind, by net and how they ended", self.passes.clone());
        let since = "When the last complete pass began, in seconds since 1970";
        registry.register("complete_since_seconds", since, self.complete_since_seconds.clone());
        registry.register("found", "Changes by the net that found them first", self.found.clone());
        registry.register("budget_left_today", "Calls left today", self.left_today.clone());
        registry.register("budget_day_calls_max", "Calls that GHL allows a day", self.day_calls_max.clone());
        registry.register("budget_pace", "1 at full pace; each 429 halves it", self.pace.clone());
        registry.register("budget_lane_calls", "Calls by lane since this replica looks after the location", self.lane_calls.clone());
        registry.register("budget_lane_waiting", "Calls that wait for their turn", self.lane_waiting.clone());
        registry.register("events_appended", "Events appended to the log", self.events.clone());
        registry.register("hint_to_append_seconds", "From a webhook to its change in the log", self.hint_to_append_seconds.clone());
        registry.register("backfill_seen", "Contacts the backfill has looked at", self.backfill_seen.clone());
        registry.register("backfill_total", "Contacts the backfill has to look at, as GHL counts", self.backfill_total.clone());
        registry.register("events_relayed", "Events published to the bus", self.relayed.clone());
        registry.register("lag_events", "Events in the log that are not yet published", self.lag.clone());
        registry.register("parked", "What was parked for a person", self.parked.clone());
        registry.register("token_refused", "1 while GHL refuses the token of a location", self.token_refused.clone());
        registry.register("streams_lost", "Times that the bus was found to have lost something", self.streams_lost.clone());
        registry.register("watch_delay_seconds", "How far back the last search for changes began", self.watch_delay_seconds.clone());
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
        self.calls.get_or_create(&EndpointStatus { endpoint: call.endpoint, status }).inc();
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

    /// Records that a list showed to be as they are known.
    pub(crate) fn unchanged(&self, net: &'static str, records: usize) {
        self.records.get_or_create(&NetOutcome { net, outcome: "unchanged" }).inc_by(records as u64);
    }

    pub(crate) fn of_nobody(&self, kind: RecordKind) {
        self.of_nobody.get_or_create(&OfKind { kind: kind.as_str() }).inc();
    }

    pub(crate) fn pass(&self, net: &'static str, kind: RecordKind, outcome: &'static str) {
        self.passes.get_or_create(&PassOutcome { net, kind: kind.as_str(), outcome }).inc();
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

    /// Contacts that the backfills of these locations have looked at, and have to.
    pub(crate) fn backfills<'a>(&self, locations: impl Iterator<Item = &'a LocationId>) -> (i64, i64) {
        let gauge = |all: &Family<OfLocation, Gauge>, location_id: &LocationId| all.get(&of(location_id)).map_or(0, |gauge| gauge.get());
        locations.fold((0, 0), |(seen, total), location_id| {
            (seen + gauge(&self.backfill_seen, location_id), total + gauge(&self.backfill_total, location_id))
        })
    }

    pub(crate) fn relayed(&self, events: usize) {
        self.relayed.inc_by(events as u64);
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

    pub(crate) fn stream_lost(&self) {
        self.streams_lost.inc();
    }

    pub(crate) fn watched(&self, location_id: &LocationId, reach: Duration) {
        self.watch_delay_seconds.get_or_create(&of(location_id)).set(reach.as_secs_f64());
    }
}

fn of(location_id: &LocationId) -> OfLocation {
    OfLocation { location: location_id.to_string() }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
