//! One look at a contact: the contact and everything that belongs to it, requested together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{Cause, ContactId, Listing, Names, Net, Observation, RecordId, RecordKind, Shown, Sighting};
use ghl::{Answer, Client, Listed, UnreadableRow, Zone};
use jiff::Timestamp;
use tracing::Instrument;

use crate::app::access::Pause;
use crate::app::problems::Problems;
use crate::context::Context;
use crate::look::connection::Connection;
use crate::look::request::{AnswerId, ContactPart, FoundContact, ListedRecord, RecordParts, Request};
use crate::metrics::Metrics;

/// Looks once. A list that could not be read completely becomes a partial listing, which proves no absence.
///
/// # Errors
/// The first failure of the four requests; that of the contact itself comes before all others.
pub(crate) async fn look(context: &Context, connection: &Connection, request: Request) -> Result<Observation, ghl::Error> {
    let span =
        tracing::info_span!("look", location.id = %connection.location_id, contact.id = %request.contact_id, net = request.net.as_str());
    let looked = observe(context, connection, request).instrument(span).await;
    match &looked {
        Ok(_) => note_acceptance(&context.problems, connection),
        Err(error) => note_error(&context.problems, connection, error, context.config.retry.token_pause),
    }
    looked
}

/// Ends the pause of a location whose token was refused before, or that was switched off.
pub(crate) fn note_acceptance(problems: &Problems, connection: &Connection) {
    if connection.resume() {
        tracing::info!(location.id = %connection.location_id, "GHL answers again, location goes on");
        problems.resumed(&connection.location_id);
    }
}

/// Pauses the location when GHL refuses its token or has it switched off. Where only a scope is missing, the token is accepted.
pub(crate) fn note_error(problems: &Problems, connection: &Connection, error: &ghl::Error, pause: Duration) {
    if matches!(error, ghl::Error::Forbidden { .. } | ghl::Error::RecordForbidden { .. }) {
        note_acceptance(problems, connection);
    }
    let is_refused = matches!(error, ghl::Error::Unauthorized { .. });
    if !is_refused && !matches!(error, ghl::Error::LocationInactive { .. }) {
        return;
    }
    let why = if is_refused { Pause::Token } else { Pause::Inactive };
    if connection.pause(why, pause) {
        tracing::error!(location.id = %connection.location_id, %error, "location paused until GHL answers again");
        problems.paused(&connection.location_id, why);
    }
}

/// An observation in which nothing has been asked for yet.
pub(crate) fn nothing_seen(connection: &Connection, contact_id: ContactId, asked_at: Timestamp, net: Net) -> Observation {
    Observation {
        location_id: connection.location_id.clone(),
        contact_id,
        asked_at,
        connected_at: connection.connected_at,
        contact: Sighting::NotAsked,
        listings: BTreeMap::new(),
        names: Names::default(),
        cause: Cause { asked_at: Some(asked_at), ..Cause::from(net) },
        traceparent: None,
    }
}

async fn observe(context: &Context, connection: &Connection, mut request: Request) -> Result<Observation, ghl::Error> {
    let client = &connection.client_for(&request.net);
    let zone = connection.names.zone(client).await?;
    let is_fetched = matches!(request.contact, ContactPart::Fetch);
    let without_records = request.records == RecordParts::NONE;
    let mut seen = nothing_seen(connection, request.contact_id.clone(), Timestamp::now(), request.net.clone());
    seen.traceparent.clone_from(&request.traceparent);
    let listed = std::mem::take(&mut request.listed);
    match ask(client, &zone, request).await {
        Ok((_, records)) if !is_fetched && records.are_missing() => {
            // GHL says that the contact's records do not exist. Only a request for the contact itself tells whether it still does.
            let request = Request::whole(seen.contact_id, seen.cause.net, seen.traceparent);
            return Box::pin(observe(context, connection, request)).await;
        }
        Ok((contact, records)) => {
            let Filled { unreadable, refused } = fill(&mut seen, contact, records, &context.metrics)?;
            refused.iter().for_each(|kind| connection.owed.add(*kind, &seen.contact_id));
            seen.listings.keys().for_each(|kind| connection.owed.settle(*kind, &seen.contact_id));
            if without_records && let Sighting::Present { shown, .. } = &mut seen.contact {
                // The known update time is that of the last look at the contact with what belongs to it: what changed since has yet to be seen.
                shown.silent.insert("updated_at");
            }
            listed.into_iter().for_each(|row| fill_from_list(&mut seen, row));
            let by_id = ById { client, zone: &zone, max: context.config.look.by_id_max };
            for (kind, rows) in unreadable {
                let missing = leave_alone(context, connection, &seen, kind, &rows).await;
                by_id.ask_for_missing(&mut seen, kind, missing).await?;
            }
            by_id.settle_doubts(&mut seen).await;
        }
        Err(ghl::Error::NotFound { trace_id }) => {
            seen.contact = Sighting::Gone;
            seen.cause.ghl_trace_id = trace_id;
        }
        Err(error) => return Err(error),
    }
    seen.cause.asked_at = Some(seen.asked_at);
    let names = connection.names.names(client, &seen.references()).await?;
    seen.names = names;
    Ok(seen)
}

/// A contact, and whether it was asked for by its id; none when it was not requested.
type ContactAnswer = Option<(Answer<Shown>, bool)>;
/// None when the list was not requested.
type ListAnswer = Option<Result<Answer<Listed>, ghl::Error>>;

struct RecordAnswers {
    tasks: ListAnswer,
    notes: ListAnswer,
    appointments: ListAnswer,
}

impl RecordAnswers {
    fn are_missing(&self) -> bool {
        [&self.tasks, &self.notes, &self.appointments].into_iter().any(|answer| matches!(answer, Some(Err(ghl::Error::NotFound { .. }))))
    }
}

async fn ask(client: &Client, zone: &Zone, request: Request) -> Result<(ContactAnswer, RecordAnswers), ghl::Error> {
    let Request { contact_id, contact, records, missing: _, listed: _, net, traceparent: _ } = request;
    let contact = ask_for_contact(client, zone, &contact_id, contact);
    let records = ask_for_records(client, zone, &contact_id, records);
    match net {
        Net::Webhook { .. } | Net::Operator { .. } => {
            let (contact, records) = tokio::join!(contact, records);
            Ok((contact?, records))
        }
        // The contact first: should one of its records change meanwhile, the update time seen here is the older one, and the watch looks
        // again. After a webhook, waiting for one more answer would cost more than it is worth.
        Net::Poll | Net::Sweep | Net::Backfill | Net::Writer => Ok((contact.await?, records.await)),
    }
}

async fn ask_for_contact(client: &Client, zone: &Zone, contact_id: &ContactId, part: ContactPart) -> Result<ContactAnswer, ghl::Error> {
    match part {
        ContactPart::Fetch => client.contact(contact_id, zone).await.map(|answer| Some((answer, true))),
        ContactPart::Found(found) => {
            let FoundContact { shown: value, answer: AnswerId { asked_at, trace_id } } = *found;
            Ok(Some((Answer { value, asked_at, trace_id }, false)))
        }
        ContactPart::Skip => Ok(None),
    }
}

async fn ask_for_records(client: &Client, zone: &Zone, contact_id: &ContactId, parts: RecordParts) -> RecordAnswers {
    let (tasks, notes, appointments) = tokio::join!(
        only_if(parts.tasks, client.tasks(contact_id, zone)),
        only_if(parts.notes, client.notes(contact_id, zone)),
        only_if(parts.appointments, client.appointments(contact_id, zone))
    );
    RecordAnswers { tasks, notes, appointments }
}

async fn only_if<T>(wanted: bool, answer: impl Future<Output = T>) -> Option<T> {
    if wanted { Some(answer.await) } else { None }
}

/// What the answers of a look left open.
struct Filled {
    /// Rows that are no records.
    unreadable: Vec<(RecordKind, Vec<UnreadableRow>)>,
    /// Lists that GHL refuses: of these nothing was seen.
    refused: Vec<RecordKind>,
}

/// Copies GHL's answers into the observation. A list that GHL refuses holds up nothing but itself, unless nothing else was seen. The time of
/// the observation is that of the oldest answer: the next look sees what changed since.
fn fill(seen: &mut Observation, contact: ContactAnswer, records: RecordAnswers, metrics: &Metrics) -> Result<Filled, ghl::Error> {
    let (mut unreadable, mut refused, mut refusal) = (Vec::new(), Vec::new(), None);
    let mut oldest: Option<Timestamp> = None;
    if let Some((answer, by_id)) = contact {
        oldest = Some(answer.asked_at);
        seen.cause.ghl_trace_id = answer.trace_id;
        metrics.unreadable_fields(answer.value.unread.len());
        seen.contact = Sighting::Present { shown: Box::new(answer.value), by_id };
    }
    let RecordAnswers { tasks, notes, appointments } = records;
    for (kind, answer) in [(RecordKind::Task, tasks), (RecordKind::Note, notes), (RecordKind::Appointment, appointments)] {
        let answer = match answer {
            Some(Ok(answer)) => answer,
            // Not found: the contact vanished between two answers, which the next look will see.
            None | Some(Err(ghl::Error::NotFound { .. })) => continue,
            Some(Err(error @ ghl::Error::Forbidden { .. })) => {
                refused.push(kind);
                refusal = Some(error);
                continue;
            }
            Some(Err(error)) => return Err(error),
        };
        oldest = Some(oldest.map_or(answer.asked_at, |oldest| oldest.min(answer.asked_at)));
        if seen.cause.ghl_trace_id.is_none() {
            seen.cause.ghl_trace_id = answer.trace_id;
        }
        if !answer.value.unreadable.is_empty() {
            metrics.unreadable_rows(answer.value.unreadable.len());
            unreadable.push((kind, answer.value.unreadable.clone()));
        }
        metrics.unreadable_fields(answer.value.records.iter().map(|(_, shown)| shown.unread.len()).sum());
        seen.listings.insert(kind, listed(answer.value));
    }
    if let (None, Some(error)) = (oldest, refusal) {
        return Err(error);
    }
    seen.asked_at = oldest.unwrap_or(seen.asked_at);
    Ok(Filled { unreadable, refused })
}

/// Parks rows that are no records, and gives the records that are known and that the list does not show: one of them may be that row, the
/// others are gone. What cannot be parked or read now is left to the next look.
async fn leave_alone(
    context: &Context,
    connection: &Connection,
    seen: &Observation,
    kind: RecordKind,
    rows: &[UnreadableRow],
) -> Vec<RecordId> {
    let (location_id, contact_id) = (&connection.location_id, &seen.contact_id);
    if let Err(error) = context.parker.park_rows(location_id, Some(contact_id), kind, rows).await {
        tracing::warn!(location.id = %location_id, contact.id = %contact_id, %error, "a row that is no record could not be parked");
    }
    let known = context.log.known().of(location_id, std::slice::from_ref(contact_id), &[kind]).await;
    let known = known.unwrap_or_default().remove(contact_id).unwrap_or_default().records;
    let listed: BTreeSet<&RecordId> = seen.listings.get(&kind).into_iter().flat_map(Listing::ids).collect();
    known.into_iter().filter(|((of, id), known)| *of == kind && known.present && !listed.contains(id)).map(|((_, id), _)| id).collect()
}

/// Takes what the answers do not speak of from a list that was read shortly before.
fn fill_from_list(seen: &mut Observation, row: ListedRecord) {
    let shown = match row.kind {
        RecordKind::Contact => match &mut seen.contact {
            Sighting::Present { shown, .. } if !is_outdated(&row.shown, shown) => Some(&mut **shown),
            Sighting::Present { .. } | Sighting::Gone | Sighting::NotAsked => None,
        },
        RecordKind::Task | RecordKind::Note | RecordKind::Appointment => seen
            .listings
            .get_mut(&row.kind)
            .and_then(|listing| listing.present_mut().find(|(id, _)| **id == row.record_id))
            .map(|(_, shown)| shown),
    };
    if let Some(shown) = shown {
        *shown = shown.clone().filled_from(&row.shown);
    }
}

/// Whether a row is older than the answer to a look: the search lags behind.
fn is_outdated(row: &Shown, shown: &Shown) -> bool {
    let updated_at = |shown: &Shown| shown.record.updated_at().and_then(domain::Moment::instant);
    updated_at(row).zip(updated_at(shown)).is_some_and(|(row, shown)| row < shown)
}

/// Asks for single records where lists leave a doubt.
struct ById<'a> {
    client: &'a Client,
    zone: &'a Zone,
    max: usize,
}

impl ById<'_> {
    /// Asks for appointments whose local times may mean another moment: by their ids they come with an offset.
    async fn settle_doubts(&self, seen: &mut Observation) {
        let Some(listing) = seen.listings.get_mut(&RecordKind::Appointment) else { return };
        let in_doubt = listing.present_mut().filter(|(_, shown)| TIMES.iter().any(|name| shown.doubts.contains_key(name)));
        for (id, shown) in in_doubt.take(self.max) {
            match self.client.appointment(id, self.zone).await {
                Ok(answer) => *shown = shown.clone().filled_from(&answer.value),
                // The local time stays, read as most calendars do; what is known with an offset stays as it is.
                Err(error) => tracing::debug!(record.id = %id, %error, "an appointment's time stays in doubt"),
            }
        }
    }

    /// Asks whether records that a list does not show, of which a row could not be read, are still there.
    async fn ask_for_missing(&self, seen: &mut Observation, kind: RecordKind, missing: Vec<RecordId>) -> Result<(), ghl::Error> {
        let contact_id = seen.contact_id.clone();
        let Some(Listing::Partial(records)) = seen.listings.get_mut(&kind) else { return Ok(()) };
        for id in missing.into_iter().take(self.max) {
            let shown = match kind {
                RecordKind::Task => self.client.task(&contact_id, &id, self.zone).await.map(|answer| answer.value.into()),
                RecordKind::Note => self.client.note(&contact_id, &id, self.zone).await.map(|answer| answer.value.into()),
                RecordKind::Appointment => self.client.appointment(&id, self.zone).await.map(|answer| answer.value),
                RecordKind::Contact => return Ok(()),
            };
            match shown {
                Ok(shown) => records.push((id, Some(shown))),
                Err(ghl::Error::NotFound { .. }) => records.push((id, None)),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => tracing::debug!(record.id = %id, %error, "whether a record is there stays open"),
            }
        }
        Ok(())
    }
}

/// When an appointment is.
const TIMES: [&str; 2] = ["starts_at", "ends_at"];

fn listed(list: Listed) -> Listing {
    let Listed { records, complete, unreadable: _ } = list;
    if complete {
        Listing::Complete(records)
    } else {
        Listing::Partial(records.into_iter().map(|(id, record)| (id, Some(record))).collect())
    }
}
