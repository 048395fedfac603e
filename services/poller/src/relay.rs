//! From the log to the bus: what is appended is published, in order, and again after a crash in between.

use std::sync::Arc;

use bus::{Outgoing, Subject};
use chassis::Shutdown;
use domain::{LocationId, Stored};
use eventlog::{RelayBatch, RelayTurn};
use futures::StreamExt;

use crate::tools::{Stuck, Tools, rest};

/// Publishes until it is time to stop. A stop in the middle of a batch publishes it again later, under the same message ids.
pub(crate) async fn run(tools: Arc<Tools>, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut appends = tools.log.appends();
    let mut attempt = 0;
    while !shutdown.is_cancelled() {
        tools.chassis.control().wait_while_paused(&shutdown).await;
        match relay_all(&tools, &shutdown).await {
            Ok(()) => attempt = 0,
            Err(error) => {
                attempt += 1;
                tracing::warn!(%error, attempt, "events are not published yet");
                if !rest(&shutdown, tools.config.retry.delay(attempt, None)).await {
                    break;
                }
                continue;
            }
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
    let mut relays = futures::stream::iter(behind)
        .map(|location_id| async move { relay_location(tools, &location_id, shutdown).await })
        .buffer_unordered(tools.config.relay.locations_max);
    let mut failed = None;
    while let Some(relayed) = relays.next().await {
        if let Err(error) = relayed {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn relay_location(tools: &Tools, location_id: &LocationId, shutdown: &Shutdown) -> anyhow::Result<()> {
    while !shutdown.is_cancelled() {
        match tools.log.relay(location_id, tools.config.relay.batch_max.get()).await? {
            RelayTurn::Idle | RelayTurn::Busy => return Ok(()),
            RelayTurn::Batch(batch) => publish(tools, location_id, batch).await?,
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
        let subject = subject(event);
        match event.carry() {
            Ok(body) if body.len() <= tools.config.relay.message_bytes_max => {
                let id = Some(batch.message_id(event));
                outgoing.push(Outgoing { subject, id, traceparent: event.traceparent.clone(), body });
            }
            Ok(body) => park(tools, event, &subject, body, "the event is too large for the bus".to_owned()).await?,
            Err(error) => park(tools, event, &subject, event.payload.clone(), error.to_string()).await?,
        }
    }
    let published = outgoing.len();
    tools.bus.publish_all(outgoing).await?;
    batch.done().await?;
    tools.metrics.relayed(published);
    Ok(())
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
async fn park(tools: &Tools, event: &Stored, subject: &Subject, message: Vec<u8>, reason: String) -> anyhow::Result<()> {
    let stuck = Stuck { reason, status: None, attempts: 1 };
    let (location_id, contact_id) = (event.location_id.clone(), event.contact_id.clone());
    tools.park_message(location_id, contact_id, subject.to_string(), message, stuck, event.traceparent.clone()).await?;
    Ok(())
}
