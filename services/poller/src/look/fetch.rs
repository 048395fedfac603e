//! One look at a contact: the contact and everything that belongs to it, asked for at once.

use std::collections::BTreeSet;

use chassis::Shutdown;
use domain::{Cause, Contact, ContactId, Listing, Net, Observation, Sighting, Verdict};
use ghl::{Answer, Listed};
use jiff::Timestamp;
use tracing::Instrument;

use crate::context::{Tools, rest};
use crate::hint::{Hinted, Stuck};
use crate::look::connection::Connection;
use crate::look::verdict::judge;

/// Whom to look at, at what, and on whose behalf.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) contact_id: ContactId,
    pub(crate) contact: Ask,
    pub(crate) parts: Parts,
    pub(crate) net: Net,
    pub(crate) traceparent: Option<String>,
}

impl Question {
    /// About the contact and everything that belongs to it.
    pub(crate) fn whole(contact_id: ContactId, net: Net, traceparent: Option<String>) -> Self {
        Self { contact_id, contact: Ask::Fresh, parts: Parts::ALL, net, traceparent }
    }
}

/// What is wanted of the contact itself.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// GHL is asked for it by its id.
    Fresh,
    /// A search showed it: GHL is not asked again.
    Found(Box<FoundContact>),
    Nothing,
}

/// Which of the contact's records are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    tasks: bool,
    notes: bool,
    appointments: bool,
}

impl Parts {
    pub(crate) const ALL: Self = Self { tasks: true, notes: true, appointments: true };
    pub(crate) const NOTES: Self = Self { tasks: false, notes: true, appointments: false };
    pub(crate) const TASKS: Self = Self { tasks: true, notes: false, appointments: false };
    pub(crate) const APPOINTMENTS: Self = Self { tasks: false, notes: false, appointments: true };
}

/// A contact as a search showed it.
#[derive(Clone, Debug)]
pub(crate) struct FoundContact {
    pub(crate) contact: Contact,
    pub(crate) silent: BTreeSet<String>,
    pub(crate) asked_at: Timestamp,
    pub(crate) trace_id: Option<String>,
}

/// Looks once. What could not be listed whole is seen in part, which proves no absence.
///
/// # Errors
/// Of the four questions the first that failed, the one about the contact itself before all others.
pub(crate) async fn look(tools: &Tools, connection: &Connection, question: Question) -> Result<Observation, ghl::Error> {
    let span =
        tracing::info_span!("look", location.id = %connection.location_id, contact.id = %question.contact_id, net = question.net.as_str());
    let looked = ask(tools, connection, question).instrument(span).await;
    match &looked {
        Ok(_) => note_acceptance(tools, connection),
        Err(error) => note_refusal(tools, connection, error),
    }
    looked
}

/// Ends the pause of a location whose token was refused before.
pub(crate) fn note_acceptance(tools: &Tools, connection: &Connection) {
    if connection.token_accepted() {
        tracing::info!(location.id = %connection.location_id, "token is accepted again");
        tools.show_token(&connection.location_id, false);
    }
}

/// Pauses the location when GHL refuses its token.
pub(crate) fn note_refusal(tools: &Tools, connection: &Connection, error: &ghl::Error) {
    if matches!(error, ghl::Error::Unauthorized { .. }) && connection.token_refused(tools.config.retry.token_pause) {
        tracing::error!(location.id = %connection.location_id, %error, "location is paused until its token is accepted");
        tools.show_token(&connection.location_id, true);
    }
}

/// Looks until there is something to append. Gives nothing when the contact had to be parked, or when it is time to stop.
pub(crate) async fn look_until_seen(
    tools: &Tools,
    connection: &Connection,
    question: Question,
    shutdown: &Shutdown,
) -> Result<Option<Observation>, Stopped> {
    let mut attempt = 1;
    while connection.wait_until_askable(shutdown).await {
        let error = match look(tools, connection, question.clone()).await {
            Ok(observation) => return Ok(Some(observation)),
            Err(error) => error,
        };
        match judge(&error, attempt, &tools.config.retry) {
            Verdict::Done => return Ok(None),
            Verdict::Retry(delay) => {
                tracing::warn!(location.id = %connection.location_id, contact.id = %question.contact_id, %error, attempt, "looking again");
                if !rest(shutdown, delay).await {
                    return Err(Stopped);
                }
            }
            Verdict::Park(reason) => {
                let stuck = Stuck { reason, status: error.status(), attempts: attempt };
                let hinted = Hinted::redriven(&connection.location_id, &question.contact_id);
                match tools.park(&hinted, stuck, question.traceparent.clone()).await {
                    Ok(()) => return Ok(None),
                    Err(error) => {
                        tracing::warn!(location.id = %connection.location_id, %error, "not parked yet");
                        if !rest(shutdown, tools.config.retry.reconnect).await {
                            return Err(Stopped);
                        }
                    }
                }
            }
        }
        attempt = attempt.saturating_add(1);
    }
    Err(Stopped)
}

/// It was time to stop before the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

async fn ask(tools: &Tools, connection: &Connection, question: Question) -> Result<Observation, ghl::Error> {
    let client = &connection.client_for(&question.net);
    let zone = connection.names.zone(client).await?;
    let Question { contact_id, contact: wanted, parts, net, traceparent } = question;
    let fresh = matches!(wanted, Ask::Fresh);
    let contact = async {
        match wanted {
            Ask::Found(found) => {
                let FoundContact { contact, silent, asked_at, trace_id } = *found;
                Ok(Some((Answer { value: contact, asked_at, trace_id }, silent)))
            }
            Ask::Fresh => client.contact(&contact_id, &zone).await.map(|answer| Some((answer, BTreeSet::new()))),
            Ask::Nothing => Ok(None),
        }
    };
    let children = async || {
        tokio::join!(
            only_if(parts.tasks, client.tasks(&contact_id, &zone)),
            only_if(parts.notes, client.notes(&contact_id, &zone)),
            only_if(parts.appointments, client.appointments(&contact_id, &zone))
        )
    };
    let before = Timestamp::now();
    let asked = match net {
        Net::Webhook { .. } | Net::Operator { .. } => {
            let (contact, children) = tokio::join!(contact, children());
            contact.map(|contact| (contact, children))
        }
        // The contact first: should one of its records change meanwhile, the update time seen here is the older one, and the watch looks
        // again. Where a webhook told, waiting one more answer would cost more than it is worth.
        Net::Poll | Net::Sweep | Net::Backfill | Net::Writer => match contact.await {
            Ok(contact) => Ok((contact, children().await)),
            Err(error) => Err(error),
        },
    };
    let mut seen = unseen(connection, contact_id, before, net);
    seen.traceparent = traceparent;
    match asked {
        Ok((_, children)) if !fresh && children_are_missing(&children) => {
            // Its records are said not to exist: whether the contact does, only a question for itself can tell.
            let question = Question::whole(seen.contact_id, seen.cause.net, seen.traceparent);
            return Box::pin(ask(tools, connection, question)).await;
        }
        Ok((contact, (tasks, notes, appointments))) => {
            // Of several answers the oldest decides: what changed in between is seen by the next look.
            let mut asked_at = Timestamp::MAX;
            if let Some((answer, silent)) = contact {
                asked_at = answer.asked_at;
                seen.cause.ghl_trace_id = answer.trace_id;
                seen.contact = Sighting::Present { contact: Box::new(answer.value), silent };
            }
            for (answer, listed) in [(tasks, &mut seen.tasks), (notes, &mut seen.notes), (appointments, &mut seen.appointments)] {
                if let Some(answer) = answer {
                    *listed = listing(tools, answer, &mut asked_at, &mut seen.cause.ghl_trace_id)?;
                }
            }
            seen.asked_at = if asked_at == Timestamp::MAX { before } else { asked_at };
        }
        Err(ghl::Error::NotFound { trace_id }) => {
            seen.contact = Sighting::Gone;
            seen.cause.ghl_trace_id = trace_id;
        }
        Err(error) => return Err(error),
    }
    seen.cause.asked_at = Some(seen.asked_at);
    let names = connection.names.names(client, &crate::look::names::Mentioned::by(&seen)).await?;
    seen.names = names;
    Ok(seen)
}

/// An observation in which nothing was asked yet.
pub(crate) fn unseen(connection: &Connection, contact_id: ContactId, asked_at: Timestamp, net: Net) -> Observation {
    Observation {
        location_id: connection.location_id.clone(),
        contact_id,
        asked_at,
        connected_at: connection.connected_at,
        contact: Sighting::NotAsked,
        tasks: Listing::NotAsked,
        notes: Listing::NotAsked,
        appointments: Listing::NotAsked,
        names: domain::Names::default(),
        cause: Cause { asked_at: Some(asked_at), ..Cause::from(net) },
        traceparent: None,
    }
}

async fn only_if<T>(wanted: bool, answer: impl Future<Output = T>) -> Option<T> {
    if wanted { Some(answer.await) } else { None }
}

type Asked = Option<Result<Answer<Listed>, ghl::Error>>;

fn children_are_missing((tasks, notes, appointments): &(Asked, Asked, Asked)) -> bool {
    [tasks, notes, appointments].into_iter().any(|asked| matches!(asked, Some(Err(ghl::Error::NotFound { .. }))))
}

fn listing(
    tools: &Tools,
    answer: Result<Answer<Listed>, ghl::Error>,
    asked_at: &mut Timestamp,
    trace_id: &mut Option<String>,
) -> Result<Listing, ghl::Error> {
    let answer = match answer {
        Ok(answer) => answer,
        // The contact went away between two answers: the next look will see that it is gone.
        Err(ghl::Error::NotFound { .. }) => return Ok(Listing::NotAsked),
        Err(error) => return Err(error),
    };
    *asked_at = (*asked_at).min(answer.asked_at);
    if trace_id.is_none() {
        *trace_id = answer.trace_id;
    }
    let Listed { records, complete, unreadable } = answer.value;
    tools.metrics.unreadable_rows(unreadable);
    if complete {
        Ok(Listing::Complete(records))
    } else {
        Ok(Listing::Partial(records.into_iter().map(|(id, record)| (id, Some(record))).collect()))
    }
}
