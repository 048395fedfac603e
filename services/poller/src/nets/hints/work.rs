//! Handles hints with the same key: one look, after which all of them are acknowledged or returned to the bus.

use std::sync::Arc;
use std::time::Duration;

use bus::Message;
use domain::{ContactId, LocationId, Net, RecordId, RecordKind, Verdict};
use eventlog::KnownRecords;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument;

use crate::config::Config;
use crate::context::Context;
use crate::hint::{Hint, HintKey};
use crate::look::append::Appended;
use crate::look::connection::Connection;
use crate::look::fetch::look;
use crate::look::request::Request;
use crate::look::verdict::verdict;
use crate::metrics::Metrics;
use crate::parking::Failure;

/// A hint and its message. Dropping it gives it back to the bus.
pub(super) struct HintMessage {
    pub(super) message: Message,
    pub(super) hint: Hint,
}

/// What becomes of hints.
enum Outcome {
    Done(&'static str),
    Retry(Duration),
}

/// How often held hints are extended: often enough that the bus does not redeliver them meanwhile.
pub(super) fn hold_interval(ack_wait: Duration) -> Duration {
    ack_wait / 3
}

/// Tells the bus that these hints are still being worked on.
pub(super) async fn extend(hints: impl Iterator<Item = &HintMessage>) {
    for hint in hints {
        if let Err(error) = hint.message.extend().await {
            tracing::debug!(%error, "a hint could not be extended and may be redelivered");
            return;
        }
    }
}

pub(super) async fn acknowledge(metrics: &Metrics, messages: Vec<Message>, outcome: &'static str) {
    if messages.is_empty() {
        return;
    }
    metrics.hints(outcome, messages.len());
    if let Err(error) = bus::ack_all(messages).await {
        tracing::debug!(%error, "hints could not be acknowledged and may be redelivered");
    }
}

pub(super) async fn handle(context: Arc<Context>, connection: Arc<Connection>, key: HintKey, hints: Vec<HintMessage>) {
    let in_hand = context.chassis.control().in_hand();
    let contact = match &key {
        HintKey::Contact(contact_id) => contact_id.as_str(),
        HintKey::OwnerOf(_) => "",
    };
    let span = tracing::info_span!("fetch", location.id = %connection.location_id, contact.id = contact, hints = hints.len());
    if let Some((last, others)) = hints.split_last() {
        chassis::trace::set_parent(&span, last.message.traceparent());
        for other in others.iter().filter_map(|other| other.message.traceparent()) {
            chassis::trace::link(&span, other);
        }
    }
    settle(&context, &connection, &key, hints).instrument(span).await;
    drop(in_hand);
}

async fn settle(context: &Context, connection: &Connection, key: &HintKey, hints: Vec<HintMessage>) {
    let outcome = {
        let work = work(context, connection, key, &hints);
        let mut work = std::pin::pin!(work);
        let hold = hold_interval(context.config.bus.ack_wait);
        let mut hold = tokio::time::interval_at(Instant::now() + hold, hold);
        loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                _ = hold.tick() => extend(hints.iter()).await,
            }
        }
    };
    match outcome {
        Outcome::Done(outcome) => acknowledge(&context.metrics, hints.into_iter().map(|hint| hint.message).collect(), outcome).await,
        Outcome::Retry(delay) => {
            context.metrics.hints("retried", hints.len());
            for hint in hints {
                if let Err(error) = hint.message.nak(delay).await {
                    tracing::debug!(%error, "a hint could not be returned; it is redelivered after ack_wait");
                }
            }
        }
    }
}

async fn work(context: &Context, connection: &Connection, key: &HintKey, hints: &[HintMessage]) -> Outcome {
    let Some(last) = hints.last() else { return Outcome::Done("looked") };
    let attempt = last.message.attempt();
    if let Some(pause) = connection.paused_for() {
        return Outcome::Retry(pause);
    }
    let contact_id = match key {
        HintKey::Contact(contact_id) => contact_id.clone(),
        HintKey::OwnerOf(task) => match owner(&context.config, connection, task, attempt).await {
            Ok(Some(contact_id)) => contact_id,
            Ok(None) => return Outcome::Done("unplaced"),
            Err(delay) => return Outcome::Retry(delay),
        },
    };
    let traceparent = chassis::trace::traceparent().or_else(|| last.message.traceparent().map(str::to_owned));
    let request = Request::whole(contact_id.clone(), last.hint.net.clone(), traceparent.clone());
    match look(context, connection, request).await {
        Ok(observation) => match connection.appender.append(observation).await {
            Appended::Done { .. } => {
                note_appended(context.log.known(), &context.metrics, &connection.location_id, hints).await;
                Outcome::Done("looked")
            }
            Appended::Later => Outcome::Retry(*context.config.retry.reconnect),
        },
        Err(error) => give_up_or_retry(context, connection, &contact_id, &error, attempt, traceparent).await,
    }
}

async fn give_up_or_retry(
    context: &Context,
    connection: &Connection,
    contact_id: &ContactId,
    error: &ghl::Error,
    attempt: u32,
    traceparent: Option<String>,
) -> Outcome {
    match verdict(error, attempt, &context.config.retry) {
        Verdict::Done => Outcome::Done("looked"),
        Verdict::Retry(delay) => {
            tracing::warn!(%error, attempt, "look failed, trying again later");
            Outcome::Retry(delay)
        }
        Verdict::Park(reason) => {
            let failure = Failure { reason, status: error.status(), attempts: attempt };
            match context.parker.park_look(&connection.location_id, contact_id, failure, traceparent).await {
                Ok(()) => Outcome::Done("parked"),
                Err(error) => {
                    tracing::warn!(%error, "parking failed, trying again later");
                    Outcome::Retry(*context.config.retry.reconnect)
                }
            }
        }
    }
}

/// Saves when the last webhooks were received, and measures how long they took. Losing one such record does no harm.
async fn note_appended(known: &KnownRecords, metrics: &Metrics, location_id: &LocationId, hints: &[HintMessage]) {
    let webhooks = || hints.iter().filter(|hint| matches!(hint.hint.net, Net::Webhook { .. }));
    let kinds = webhooks().map(|hint| hint.hint.record.as_ref().map_or(RecordKind::Contact, |(kind, _)| *kind)).collect();
    if let Some(last) = webhooks().filter_map(|hint| hint.hint.received_at).max()
        && let Err(error) = known.note_webhooks(location_id, &kinds, last).await
    {
        tracing::debug!(%error, "the time of the last webhook could not be saved");
    }
    for received_at in hints.iter().filter_map(|hint| hint.hint.received_at) {
        let waited = Timestamp::now().duration_since(received_at);
        metrics.hint_to_append(Duration::try_from(waited).unwrap_or_default());
    }
}

/// The contact of a task. If GHL's search does not show the task, a later look finds it: after another hint, or when the contact's own
/// update time changes.
async fn owner(config: &Config, connection: &Connection, task: &RecordId, attempt: u32) -> Result<Option<ContactId>, Duration> {
    let rows_max = config.hints.task_search_rows;
    if rows_max == 0 {
        return Ok(None);
    }
    match connection.client.contact_of_task(task, rows_max).await {
        Ok(contact_id) => Ok(contact_id),
        Err(error) if error.is_transient() => match verdict(&error, attempt, &config.retry) {
            Verdict::Retry(delay) => Err(delay),
            Verdict::Done | Verdict::Park(_) => Ok(None),
        },
        Err(error) => {
            tracing::warn!(location.id = %connection.location_id, %error, "search for the contact of a task failed");
            Ok(None)
        }
    }
}
