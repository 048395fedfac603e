//! How far everything is, read from the log and the bus.

use anyhow::Context;
use bus::{Bus, Stream};
use domain::{LocationId, RecordKind};
use eventlog::{EventLog, LocationOverview};
use jiff::Timestamp;

use super::agency::Agency;
use crate::installation::Infrastructure;

pub(super) struct Probe {
    log: EventLog,
    bus: Bus,
    location_id: LocationId,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) fetched: u64,
    pub(super) to_fetch: Option<u64>,
    pub(super) backfilled: bool,
    pub(super) records: u64,
    pub(super) events: u64,
    pub(super) intents: u64,
    pub(super) delivered: u64,
    pub(super) parked: u64,
    pub(super) lag: f64,
    pub(super) ghl_calls: u64,
    /// Events that are not on the bus yet, and contacts of which Pagico does not hold the newest state.
    waiting: u64,
}

impl Figures {
    /// Whether nothing is on its way, as far as is known.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting == 0
    }
}

impl Probe {
    pub(super) async fn new(infrastructure: &Infrastructure, location_id: &LocationId) -> anyhow::Result<Self> {
        let log = EventLog::connect(&infrastructure.log()).await.context("connecting to the event log")?;
        let bus = Bus::connect(&infrastructure.bus()).await.context("connecting to the bus")?;
        Ok(Self { log, bus, location_id: location_id.clone() })
    }

    /// While a server cannot be reached, the figures are zero: that is no reason to stop.
    pub(super) async fn read(&self, agency: &Agency) -> anyhow::Result<Figures> {
        let ghl_calls = agency.calls();
        let overview = match self.log.answers().overview().await {
            Ok(locations) => locations.into_iter().find(|location| location.location_id == self.location_id),
            Err(error) if error.is_transient() => None,
            Err(error) => return Err(error).context("asking the event log"),
        };
        // Before the services have created the streams, there is none to ask.
        let intents = self.bus.stream_seen(Stream::Intents).await.map_or(0, |seen| seen.last_sequence);
        Ok(overview
            .map_or_else(|| Figures { ghl_calls, waiting: 1, ..Figures::default() }, |overview| figures(&overview, intents, ghl_calls)))
    }

    pub(super) async fn connected_at(&self) -> anyhow::Result<Timestamp> {
        let locations = self.log.locations().list().await.context("asking the event log")?;
        let location = locations.into_iter().find(|location| location.location_id == self.location_id);
        // Not connected yet, so nothing can be new.
        Ok(location.map_or(Timestamp::MAX, |location| location.connected_at))
    }
}

fn figures(overview: &LocationOverview, intents: u64, ghl_calls: u64) -> Figures {
    let backfill = &overview.progress.backfill;
    let contacts = overview.present(RecordKind::Contact);
    let waiting = overview.head.saturating_sub(overview.relayed) + overview.behind;
    let since = overview.last_recorded_at.filter(|_| waiting > 0);
    Figures {
        // The log counts contacts, the backfill whole pages: the larger number is the newer one.
        fetched: backfill.seen.max(contacts.min(backfill.total.unwrap_or(0))),
        to_fetch: backfill.total,
        backfilled: backfill.finished_at.is_some(),
        records: overview.records.values().sum(),
        events: overview.head,
        intents,
        delivered: overview.applied,
        parked: overview.parked,
        lag: since.map_or(0.0, |at| Timestamp::now().duration_since(at).as_secs_f64().max(0.0)),
        ghl_calls,
        waiting,
    }
}
