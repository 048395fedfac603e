//! From the log to the bus: what is appended is published, in order, and again after a crash in between.

use std::sync::Arc;

use bus::{Outgoing, Subject};
use chassis::Shutdown;
use domain::{LocationId, Stored};
use eventlog::{RelayBatch, RelayTurn};
use futures::StreamExt;

use crate::context::{Tools, rest};
use crate::hint::Stuck;

/// Publishes until it is time to stop. A stop in the middle of a batch publishes it again later, under the same message ids.
pub(crate) async fn run(tools: Arc<Tools>, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut appends = tools.log.appends();
    while !shutdown.is_cancelled() {
        tools.chassis.control().wait_while_paused(&shutdown).await;
        if let Err(error) = relay_all(&tools, &shutdown).await {
            tracing::warn!(%error, "events are not published yet");
            if !rest(&shutdown, tools.config.retry.reconnect).await {
                break;
            }
            continue;
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = appends.wait_for_append() => {}
            () = tokio::time::sleep(tools.config.relay.interval) => {}
        }
    }
    Ok(())
}

async fn relay_all(tools: &Tools, shutdown: &Shutdown) -> anyhow::Result<()> {
    let behind = tools.log.behind().await?;
    let relays: Vec<_> = behind.into_iter().map(|location_id| relay_location(tools, location_id, shutdown)).collect();
    let mut relays = futures::stream::iter(relays).buffer_unordered(tools.config.relay.locations_max);
    let mut failed = None;
    while let Some(relayed) = relays.next().await {
        if let Err(error) = relayed {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn relay_location(tools: &Tools, location_id: LocationId, shutdown: &Shutdown) -> anyhow::Result<()> {
    while !shutdown.is_cancelled() {
        match tools.log.relay(&location_id, tools.config.relay.batch_max.get()).await? {
            RelayTurn::Idle | RelayTurn::Busy => return Ok(()),
            RelayTurn::Batch(batch) => publish(tools, &location_id, batch).await?,
        }
    }
    Ok(())
}

#[tracing::instrument(name = "relay", skip_all, fields(location.id = %location_id, events = batch.events.len()))]
async fn publish(tools: &Tools, location_id: &LocationId, batch: RelayBatch) -> anyhow::Result<()> {
    let mut outgoing = Vec::with_capacity(batch.events.len());
    for event in &batch.events {
        if let Some(traceparent) = &event.traceparent {
            chassis::trace::link(&tracing::Span::current(), traceparent);
        }
        match outgoing_of(tools, &batch, event) {
            Ok(message) => outgoing.push(message),
            Err(reason) => park(tools, event, reason).await?,
        }
    }
    let mut published = outgoing.len();
    match tools.bus.publish_all(outgoing).await {
        Ok(()) => {}
        Err(bus::Error::TooLarge) => published = publish_singly(tools, &batch).await?,
        Err(error) => return Err(error.into()),
    }
    batch.done().await?;
    tools.metrics.relayed(published);
    Ok(())
}

/// The server takes less than the settings say: finds out which event it does not take.
async fn publish_singly(tools: &Tools, batch: &RelayBatch) -> anyhow::Result<usize> {
    let mut published = 0;
    for event in &batch.events {
        let Ok(message) = outgoing_of(tools, batch, event) else { continue };
        match tools.bus.publish(message).await {
            Ok(()) => published += 1,
            Err(error @ bus::Error::TooLarge) => park(tools, event, error.to_string()).await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(published)
}

fn outgoing_of(tools: &Tools, batch: &RelayBatch, event: &Stored) -> Result<Outgoing, String> {
    let body = event.carry().map_err(|error| error.to_string())?;
    if body.len() > tools.config.relay.message_bytes_max {
        return Err(bus::Error::TooLarge.to_string());
    }
    Ok(Outgoing { subject: subject(event), id: Some(batch.message_id(event)), traceparent: event.traceparent.clone(), body })
}

/// What a person or the writer did is history; only what happened in GHL asks to be mapped.
fn subject(event: &Stored) -> Subject {
    let contact_id = event.contact_id.as_ref();
    if event.type_name.starts_with("delivery.") || event.type_name.starts_with("operator.") {
        Subject::deliveries(&event.location_id, contact_id)
    } else {
        Subject::events(&event.location_id, contact_id)
    }
}

/// An event that cannot travel waits alone: those behind it go on.
async fn park(tools: &Tools, event: &Stored, reason: String) -> anyhow::Result<()> {
    let stuck = Stuck { reason, status: None, attempts: 1 };
    let message = event.carry().unwrap_or_else(|_| event.body.clone());
    let (location_id, contact_id) = (event.location_id.clone(), event.contact_id.clone());
    tools.park_message(location_id, contact_id, subject(event).to_string(), message, stuck, event.traceparent.clone()).await?;
    Ok(())
}
