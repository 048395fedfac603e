//! One look at a contact: the contact and everything that belongs to it, requested together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{Cause, Contact, ContactId, Listing, Names, Net, Observation, RecordKind, Sighting};
use ghl::{Answer, Client, Listed, Zone};
use jiff::Timestamp;
use tracing::Instrument;

use crate::app::problems::Problems;
use crate::context::Context;
use crate::look::connection::Connection;
use crate::look::request::{AnswerId, ContactPart, FoundContact, RecordParts, Request};
use crate::metrics::Metrics;

/// Looks once. A list that could not be read completely becomes a partial listing, which proves no absence.
///
/// # Errors
/// The first failure of the four requests; that of the contact itself comes before all others.
pub(crate) async fn look(context: &Context, connection: &Connection, request: Request) -> Result<Observation, ghl::Error> {
    let span =
        tracing::info_span!("look", location.id = %connection.location_id, contact.id = %request.contact_id, net = request.net.as_str());
    let looked = observe(&context.metrics, connection, request).instrument(span).await;
    match &looked {
        Ok(_) => note_acceptance(&context.problems, connection),
        Err(error) => note_refusal(&context.problems, connection, error, context.config.retry.token_pause),
    }
    looked
}

/// Ends the pause of a location whose token was refused before.
pub(crate) fn note_acceptance(problems: &Problems, connection: &Connection) {
    if connection.token_accepted() {
        tracing::info!(location.id = %connection.location_id, "token accepted again");
        problems.token_accepted(&connection.location_id);
    }
}

/// Pauses the location when GHL refuses its token.
pub(crate) fn note_refusal(problems: &Problems, connection: &Connection, error: &ghl::Error, pause: Duration) {
    if matches!(error, ghl::Error::Unauthorized { .. }) && connection.token_refused(pause) {
        tracing::error!(location.id = %connection.location_id, %error, "token refused, location paused until it is accepted");
        problems.token_refused(&connection.location_id);
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

async fn observe(metrics: &Metrics, connection: &Connection, request: Request) -> Result<Observation, ghl::Error> {
    let client = &connection.client_for(&request.net);
    let zone = connection.names.zone(client).await?;
    let is_fetched = matches!(request.contact, ContactPart::Fetch);
    let mut seen = nothing_seen(connection, request.contact_id.clone(), Timestamp::now(), request.net.clone());
    seen.traceparent.clone_from(&request.traceparent);
    match ask(client, &zone, request).await {
        Ok((_, records)) if !is_fetched && records.are_missing() => {
            // GHL says that the contact's records do not exist. Only a request for the contact itself tells whether it still does.
            let request = Request::whole(seen.contact_id, seen.cause.net, seen.traceparent);
            return Box::pin(observe(metrics, connection, request)).await;
        }
        Ok((contact, records)) => fill(&mut seen, contact, records, metrics)?,
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

/// A contact and the fields that the answer does not mention; none when it was not requested.
type ContactAnswer = Option<(Answer<Contact>, BTreeSet<String>)>;
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
    let Request { contact_id, contact, records, net, missing: _, traceparent: _ } = request;
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
        ContactPart::Fetch => client.contact(contact_id, zone).await.map(|answer| Some((answer, BTreeSet::new()))),
        ContactPart::Found(found) => {
            let FoundContact { contact: value, silent, answer: AnswerId { asked_at, trace_id } } = *found;
            Ok(Some((Answer { value, asked_at, trace_id }, silent)))
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

/// Copies GHL's answers into the observation. Its time is that of the oldest answer: the next look sees what changed since.
fn fill(seen: &mut Observation, contact: ContactAnswer, records: RecordAnswers, metrics: &Metrics) -> Result<(), ghl::Error> {
    let mut oldest: Option<Timestamp> = None;
    if let Some((answer, silent)) = contact {
        oldest = Some(answer.asked_at);
        seen.cause.ghl_trace_id = answer.trace_id;
        seen.contact = Sighting::Present { contact: Box::new(answer.value), silent };
    }
    let RecordAnswers { tasks, notes, appointments } = records;
    for (kind, answer) in [(RecordKind::Task, tasks), (RecordKind::Note, notes), (RecordKind::Appointment, appointments)] {
        let answer = match answer {
            Some(Ok(answer)) => answer,
            // Not found: the contact vanished between two answers, which the next look will see.
            None | Some(Err(ghl::Error::NotFound { .. })) => continue,
            Some(Err(error)) => return Err(error),
        };
        oldest = Some(oldest.map_or(answer.asked_at, |oldest| oldest.min(answer.asked_at)));
        if seen.cause.ghl_trace_id.is_none() {
            seen.cause.ghl_trace_id = answer.trace_id;
        }
        metrics.unreadable_rows(answer.value.unreadable);
        seen.listings.insert(kind, listed(answer.value));
    }
    seen.asked_at = oldest.unwrap_or(seen.asked_at);
    Ok(())
}

fn listed(list: Listed) -> Listing {
    let Listed { records, complete, unreadable: _ } = list;
    if complete {
        Listing::Complete(records)
    } else {
        Listing::Partial(records.into_iter().map(|(id, record)| (id, Some(record))).collect())
    }
}
