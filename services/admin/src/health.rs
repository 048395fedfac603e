//! Whether the service is ready, and a summary that needs no gRPC.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use bus::Bus;
use chassis::tasks::sleep;
use chassis::{Chassis, Shutdown};
use eventlog::EventLog;
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
pub(crate) fn summary(log: EventLog) -> Router {
    Router::new().route(
        "/",
        get(async move || {
            let locations = log.answers().overview().await.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
            let locations: Vec<_> = locations
                .into_iter()
                .map(|location| {
                    json!({
                        "location_id": location.location_id, "head": location.head, "relayed": location.relayed, "settled": location.settled,
                        "contacts": location.contacts, "tasks": location.tasks, "notes": location.notes,
                        "appointments": location.appointments, "objects": location.applied, "behind": location.behind,
                        "parked": location.parked, "backfilled": location.progress.backfill.finished_at.is_some(),
                    })
                })
                .collect();
            Ok::<_, (StatusCode, String)>(Json(json!({ "locations": locations })))
        }),
    )
}
