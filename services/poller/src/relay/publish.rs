//! Publishes the events of the log to the bus, in order; after a crash some are published again.

use std::sync::Arc;

use bus::{Outgoing, Subject};
use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::{LocationId, Stored};
use eventlog::{RelayBatch, RelayTurn};
use futures::StreamExt;

use crate::context::Context;
use crate::parking::{Failure, Parker, Undeliverable};

/// Publishes until it is time to stop. A batch that is interrupted is published again later, under the same message ids.
pub(crate) async fn run(context: Arc<Context>, stop: Shutdown) -> anyhow::Result<()> {
    let mut appends = context.log.appends();
    while !stop.is_cancelled() {
        context.chassis.control().wait_while_paused(&stop).await;
        if let Err(error) = relay_all(&context, &stop).await {
            tracing::warn!(%error, "publishing events failed, trying again later");
            if !sleep(&stop, *context.config.retry.reconnect).await {
                break;
            }
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = appends.wait_for_append() => {}
            () = tokio::time::sleep(*context.config.relay.interval) => {}
        }
    }
    Ok(())
}

async fn relay_all(context: &Context, stop: &Shutdown) -> anyhow::Result<()> {
    let behind = context.log.relay().behind().await?;
    let relays: Vec<_> = behind.into_iter().map(|location_id| relay_location(context, location_id, stop)).collect();
    let mut relays = futures::stream::iter(relays).buffer_unordered(context.config.relay.locations_max.get());
    let mut failed = None;
    while let Some(relayed) = relays.next().await {
        if let Err(error) = relayed {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn relay_location(context: &Context, location_id: LocationId, stop: &Shutdown) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        match context.log.relay().next(&location_id, context.config.relay.batch_max.get()).await? {
            RelayTurn::Idle | RelayTurn::Busy => return Ok(()),
            RelayTurn::Batch(batch) => publish(context, &location_id, batch).await?,
        }
    }
    Ok(())
}

#[tracing::instrument(name = "relay", skip_all, fields(location.id = %location_id, events = batch.events.len()))]
async fn publish(context: &Context, location_id: &LocationId, batch: RelayBatch) -> anyhow::Result<()> {
    let bytes_max = context.config.relay.message_bytes_max.get();
    let mut outgoing = Vec::with_capacity(batch.events.len());
    for event in &batch.events {
        if let Some(traceparent) = &event.traceparent {
            chassis::trace::link(&tracing::Span::current(), traceparent);
        }
        match outgoing_of(bytes_max, &batch, event) {
            Ok(message) => outgoing.push(message),
            Err(reason) => park(&context.parker, event, reason).await?,
        }
    }
    let mut published = outgoing.len();
    match context.bus.publish_all(outgoing).await {
        Ok(()) => {}
        Err(bus::Error::TooLarge) => published = publish_singly(context, &batch).await?,
        Err(error) => return Err(error.into()),
    }
    batch.done().await?;
    context.metrics.relayed(published);
    Ok(())
}

/// For when the server's size limit is below `relay.message_bytes_max`: parks the events that exceed it.
async fn publish_singly(context: &Context, batch: &RelayBatch) -> anyhow::Result<usize> {
    let bytes_max = context.config.relay.message_bytes_max.get();
    let mut published = 0;
    for event in &batch.events {
        let Ok(message) = outgoing_of(bytes_max, batch, event) else { continue };
        match context.bus.publish(message).await {
            Ok(()) => published += 1,
            Err(error @ bus::Error::TooLarge) => park(&context.parker, event, error.to_string()).await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(published)
}

fn outgoing_of(bytes_max: usize, batch: &RelayBatch, event: &Stored) -> Result<Outgoing, String> {
    let body = event.carry().map_err(|error| error.to_string())?;
    if body.len() > bytes_max {
        return Err(bus::Error::TooLarge.to_string());
    }
    Ok(Outgoing { subject: subject(event), id: Some(batch.message_id(event)), traceparent: event.traceparent.clone(), body })
}

/// Only what happened in GHL is mapped. Deliveries and operators' actions are history.
fn subject(event: &Stored) -> Subject {
    let contact_id = event.contact_id.as_ref();
    if event.type_name.starts_with("delivery.") || event.type_name.starts_with("operator.") {
        Subject::deliveries(&event.location_id, contact_id)
    } else {
        Subject::events(&event.location_id, contact_id)
    }
}

/// Parks an event that cannot be published, so that it does not hold up those behind it.
async fn park(parker: &Parker, event: &Stored, reason: String) -> anyhow::Result<()> {
    let failure = Failure { reason, status: None, attempts: 1 };
    let undeliverable = Undeliverable {
        location_id: event.location_id.clone(),
        contact_id: event.contact_id.clone(),
        subject: subject(event).to_string(),
        message: event.carry().unwrap_or_else(|_| event.body.clone()),
        traceparent: event.traceparent.clone(),
    };
    parker.park_message(undeliverable, failure).await?;
    Ok(())
}
