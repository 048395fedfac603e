//! Handles hints with the same key: one look, after which those are acknowledged whose word it shows, and the others return to the bus.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bus::Message;
use domain::{ContactId, LocationId, Net, Observation, RecordId, RecordKind, Sighting, Verdict};
use eventlog::KnownRecords;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument;

use crate::context::Context;
use crate::hint::{Hint, HintKey};
use crate::look::append::Appended;
use crate::look::connection::Connection;
use crate::look::fetch::look;
use crate::look::refused::{REFUSALS_MIN, is_contact_alone};
use crate::look::request::Request;
use crate::look::verdict::verdict;
use crate::metrics::Metrics;
use crate::nets::conclude::{Concluded, conclude};
use crate::nets::hints::place::contacts_of;
use crate::nets::hints::said::{deleted, is_gone, is_known, named, unseen};
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
    /// Of some, by their place, what they said was not seen. It is looked for again, until it is told by this word.
    Unseen(BTreeSet<usize>, &'static str),
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
        HintKey::OwnerOf(..) => "",
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
        Outcome::Retry(delay) => give_back(&context.metrics, hints.into_iter().map(|hint| (hint, delay)).collect(), "retried").await,
        Outcome::Unseen(places, told) => look_again(context, connection, hints, &places, told).await,
    }
}

/// Has hints delivered again, each after its delay.
async fn give_back(metrics: &Metrics, hints: Vec<(HintMessage, Duration)>, outcome: &'static str) {
    if hints.is_empty() {
        return;
    }
    metrics.hints(outcome, hints.len());
    for (hint, delay) in hints {
        if let Err(error) = hint.message.nak(delay).await {
            tracing::debug!(%error, "a hint could not be returned; it is redelivered after ack_wait");
        }
    }
}

/// Gives back the hints whose word was not seen, as long as that may still be because GHL's answers lag. The others are done.
async fn look_again(context: &Context, connection: &Connection, hints: Vec<HintMessage>, unseen: &BTreeSet<usize>, told: &'static str) {
    let (mut seen, mut again, mut over) = (Vec::new(), Vec::new(), Vec::new());
    for (place, hint) in hints.into_iter().enumerate() {
        let age = hint.hint.received_at.map(|at| Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or_default());
        let pause = context.config.hints.again(age.unwrap_or_default(), hint.message.attempt());
        match pause {
            _ if !unseen.contains(&place) => seen.push(hint.message),
            Some(pause) => again.push((hint, pause)),
            None => {
                let (kind, record_id) = hint.hint.record.as_ref().map_or((RecordKind::Contact, ""), |(kind, id)| (*kind, id.as_str()));
                let contact_id = hint.hint.contact_id.as_ref().map(ContactId::as_str).unwrap_or_default();
                tracing::warn!(location.id = %connection.location_id, contact.id = contact_id, record.kind = %kind, record.id = record_id,
                    deleted = hint.hint.deleted, outcome = told, "what a webhook said was never seen");
                over.push(hint.message);
            }
        }
    }
    acknowledge(&context.metrics, seen, "looked").await;
    give_back(&context.metrics, again, "unseen").await;
    acknowledge(&context.metrics, over, told).await;
}

async fn work(context: &Context, connection: &Connection, key: &HintKey, hints: &[HintMessage]) -> Outcome {
    let Some(last) = hints.last() else { return Outcome::Done("looked") };
    if let Some(pause) = connection.paused_for() {
        return Outcome::Retry(pause);
    }
    let contacts = match key {
        HintKey::Contact(contact_id) => vec![contact_id.clone()],
        HintKey::OwnerOf(kind, record_id) => match contacts_of(context, connection, *kind, record_id, last.message.attempt()).await {
            Ok(contacts) if contacts.is_empty() => return of_nobody(context, connection, (*kind, record_id.clone()), hints),
            Ok(contacts) => contacts,
            Err(delay) => return Outcome::Retry(delay),
        },
    };
    if let Some(outcome) = left_to_search(context, connection, &contacts, hints).await {
        return outcome;
    }
    let (mut looks, mut is_doubtful) = (Vec::with_capacity(contacts.len()), false);
    for contact_id in contacts {
        match look_and_append(context, connection, contact_id, hints, last).await {
            Ok((look, doubtful)) => {
                looks.push(look);
                is_doubtful |= doubtful;
            }
            Err(outcome) => return outcome,
        }
    }
    note_appended(context.log.known(), &context.metrics, &connection.location_id, hints).await;
    if is_doubtful {
        // Another look decides, which the hints that come back ask for.
        return Outcome::Unseen((0..hints.len()).collect(), "unconfirmed");
    }
    note_deleted(context, connection, hints, &looks);
    match still_unseen(context.log.known(), connection, hints, &looks).await {
        Ok(unseen) => Outcome::Unseen(unseen, "unconfirmed"),
        Err(error) => {
            tracing::warn!(%error, "what hints said could not be compared, trying again later");
            Outcome::Retry(*context.config.retry.reconnect)
        }
    }
}

/// What becomes of hints that a contact changed while contacts change in bulk: the search of the watch is quicker than looks are, so it is
/// waited for once, and whom it has shown since is not looked at.
async fn left_to_search(context: &Context, connection: &Connection, contacts: &[ContactId], hints: &[HintMessage]) -> Option<Outcome> {
    let ([contact_id], true) = (contacts, connection.bulk.is_under_way(Instant::now().into_std())) else { return None };
    let is_search_enough = |hint: &Hint| hint.record.is_none() && hint.is_found_by_search() && matches!(hint.net, Net::Webhook { .. });
    if !hints.iter().all(|hint| is_search_enough(&hint.hint)) {
        return None;
    }
    let received_at = hints.iter().map(|hint| hint.hint.received_at).max()??;
    let known = context.log.known().of(&connection.location_id, std::slice::from_ref(contact_id), &[RecordKind::Contact]).await.ok()?;
    let record = known.get(contact_id).and_then(|known| known.records.get(&(RecordKind::Contact, RecordId::from(contact_id))));
    if record.is_some_and(|record| record.asked_at > received_at) {
        return Some(Outcome::Done("left_to_search"));
    }
    let is_first = hints.iter().all(|hint| hint.message.attempt() == 1);
    is_first.then(|| Outcome::Retry(*context.config.watch.interval))
}

/// Looks at a contact on behalf of hints, of which `last` is the last, and appends what is seen. True when something was missing for the
/// first time.
async fn look_and_append(
    context: &Context,
    connection: &Connection,
    contact_id: ContactId,
    hints: &[HintMessage],
    last: &HintMessage,
) -> Result<(Observation, bool), Outcome> {
    let traceparent = chassis::trace::traceparent().or_else(|| last.message.traceparent().map(str::to_owned));
    let request = Request::whole(contact_id.clone(), last.hint.net.clone(), traceparent.clone());
    let missing = request.missing;
    match look(context, connection, request).await {
        Ok(look) => {
            let announced = hints.iter().filter_map(|hint| deleted(&hint.hint, &contact_id)).collect();
            let Concluded { appended, is_doubtful } = conclude(context, connection, look.clone(), missing, &announced).await;
            match appended {
                Appended::Done { .. } => Ok((look, is_doubtful)),
                Appended::Later => Err(Outcome::Retry(*context.config.retry.reconnect)),
            }
        }
        Err(error) => Err(give_up_or_retry(context, connection, &contact_id, &error, last.message.attempt(), traceparent).await),
    }
}

/// What becomes of hints about a record that nobody has: it is too new to be found, or gone before anybody saw it.
fn of_nobody(context: &Context, connection: &Connection, record: (RecordKind, RecordId), hints: &[HintMessage]) -> Outcome {
    let deleted = hints.iter().filter(|hint| hint.hint.deleted);
    if let Some(at) = deleted.map(|hint| hint.hint.received_at.unwrap_or_else(Timestamp::now)).max() {
        connection.absences.note_deleted(&context.config.vanishing, record, at);
        return Outcome::Done("looked");
    }
    if connection.absences.was_deleted(&record, Timestamp::MAX) {
        return Outcome::Done("looked");
    }
    Outcome::Unseen((0..hints.len()).collect(), "unplaced")
}

/// Remembers what was said to be deleted and is not shown any more: nobody need wait for it to be made.
fn note_deleted(context: &Context, connection: &Connection, hints: &[HintMessage], looks: &[Observation]) {
    for hint in hints.iter().map(|hint| &hint.hint).filter(|hint| hint.deleted && is_gone(hint, looks)) {
        let at = hint.received_at.unwrap_or_else(Timestamp::now);
        let names: BTreeSet<_> = looks.iter().map(|look| named(hint, &look.contact_id)).collect();
        names.into_iter().for_each(|name| connection.absences.note_deleted(&context.config.vanishing, name, at));
    }
}

/// The hints, by their place, whose word these looks do not show. What is not there although the log knew it, or although a webhook said
/// that it or its contact was deleted, is gone again, so it is not waited for.
async fn still_unseen(
    known: &KnownRecords,
    connection: &Connection,
    hints: &[HintMessage],
    looks: &[Observation],
) -> eventlog::Result<BTreeSet<usize>> {
    let all: Vec<_> = hints.iter().map(|hint| &hint.hint).collect();
    let mut unseen = unseen(&all, looks);
    let was_deleted = |hint: &Hint| {
        let absences = &connection.absences;
        let made = hint.received_at.unwrap_or(Timestamp::MAX);
        // A record is not made at a contact that is gone, whatever came first.
        let with_contact =
            |id: &ContactId| hint.record.is_some() && absences.was_deleted(&(RecordKind::Contact, id.into()), Timestamp::MIN);
        looks.iter().map(|look| &look.contact_id).any(|id| absences.was_deleted(&named(hint, id), made))
            || looks.iter().all(|look| look.contact == Sighting::Gone && with_contact(&look.contact_id))
    };
    unseen.retain(|place| all.get(*place).is_some_and(|hint| hint.deleted || !was_deleted(hint)));
    let is_awaited = |place: &usize| all.get(*place).is_some_and(|hint| !hint.deleted);
    if unseen.iter().any(is_awaited) {
        let contacts: Vec<ContactId> = looks.iter().map(|look| look.contact_id.clone()).collect();
        let known = known.of(&connection.location_id, &contacts, &RecordKind::ALL).await?;
        let knows = |hint: &Hint| known.iter().any(|(contact_id, known)| is_known(hint, contact_id, known));
        unseen.retain(|place| all.get(*place).is_some_and(|hint| hint.deleted || !knows(hint)));
    }
    Ok(unseen)
}

async fn give_up_or_retry(
    context: &Context,
    connection: &Connection,
    contact_id: &ContactId,
    error: &ghl::Error,
    attempt: u32,
    traceparent: Option<String>,
) -> Outcome {
    let mut verdict = verdict(error, attempt, &context.config.retry);
    if let ghl::Error::Forbidden { operation, .. } = error
        && attempt >= REFUSALS_MIN
        && is_contact_alone(context, connection, contact_id, operation).await
    {
        verdict = Verdict::Park(error.to_string());
    }
    match verdict {
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
