//! Whether the service is ready, and a summary that needs no gRPC.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use bus::Bus;
use chassis::tasks::sleep;
use chassis::{Chassis, Shutdown};
use domain::{LocationId, ObjectKind, RecordKind};
use eventlog::{Answers, EventLog, LocationOverview};
use serde::Serialize;
use serde_json::json;

/// Tries the database and the bus from time to time.
pub(crate) async fn run(chassis: Arc<Chassis>, log: EventLog, bus: Bus, interval: Duration, stop: Shutdown) -> anyhow::Result<()> {
    loop {
        chassis.ready("log", log.ping().await.map_err(|error| error.to_string()));
        chassis.ready("bus", if bus.connected() { Ok(()) } else { Err("the bus is not connected".to_owned()) });
        if !sleep(&stop, interval).await {
            return Ok(());
        }
    }
}

/// `GET /`: the state of the mirror as JSON, for monitors. It holds counts, never ids of people.
pub(crate) fn summary(answers: Answers) -> Router {
    Router::new().route(
        "/",
        get(async move || {
            let locations = answers.overview().await.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
            let locations: Vec<_> = locations.into_iter().map(Summary::from).collect();
            Ok::<_, (StatusCode, String)>(Json(json!({ "locations": locations })))
        }),
    )
}

/// How far a location is.
#[derive(Serialize)]
struct Summary {
    location_id: LocationId,
    head: u64,
    relayed: u64,
    settled: u64,
    /// Records present in GHL, by the plural of their kind.
    #[serde(flatten)]
    records: BTreeMap<&'static str, u64>,
    objects: u64,
    behind: u64,
    parked: u64,
    backfilled: bool,
}

impl From<LocationOverview> for Summary {
    fn from(location: LocationOverview) -> Self {
        Self {
            head: location.head,
            relayed: location.relayed,
            settled: location.settled,
            records: RecordKind::ALL.map(|kind| (ObjectKind::mirroring(kind).plural(), location.present(kind))).into(),
            objects: location.applied,
            behind: location.behind,
            parked: location.parked,
            backfilled: location.progress.backfill.finished_at.is_some(),
            location_id: location.location_id,
        }
    }
}
