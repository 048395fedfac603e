//! Appends what was seen, except that something is gone of which this is not certain. And where unusually much vanishes that no webhook
//! announced, it is held back until a person releases it.

use std::collections::{BTreeMap, BTreeSet};

use domain::{KnownContact, Listing, LocationId, Observation, RecordId, RecordKind, Sighting};
use eventlog::Vanishing;
use jiff::Timestamp;

use crate::context::Context;
use crate::look::absence::Keys;
use crate::look::append::Appended;
use crate::look::connection::Connection;
use crate::look::request::Missing;

/// What became of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Concluded {
    pub(crate) appended: Appended,
    /// Something was missing for the first time: only another look, some time later, shows whether it is gone.
    pub(crate) is_doubtful: bool,
}

/// Appends an observation without what is doubtful or held back. `announced` is what webhooks said was deleted.
pub(crate) async fn conclude(
    context: &Context,
    connection: &Connection,
    seen: Observation,
    missing: Missing,
    announced: &Keys,
) -> Concluded {
    match certain(context, connection, seen, missing, announced).await {
        Ok((Some(seen), is_doubtful)) => Concluded { appended: connection.appender.append(seen).await, is_doubtful },
        Ok((None, is_doubtful)) => Concluded { appended: Appended::Done { events: 0 }, is_doubtful },
        Err(error) => {
            tracing::warn!(location.id = %connection.location_id, %error, "what is missing could not be judged, trying again later");
            Concluded { appended: Appended::Later, is_doubtful: false }
        }
    }
}

/// The observation without what is doubtful or held back, and whether anything is doubtful.
async fn certain(
    context: &Context,
    connection: &Connection,
    seen: Observation,
    missing: Missing,
    announced: &Keys,
) -> eventlog::Result<(Option<Observation>, bool)> {
    let complete = seen.listings.iter().filter(|(_, listing)| matches!(listing, Listing::Complete(_))).map(|(kind, _)| *kind);
    let kinds: Vec<RecordKind> = complete.chain((seen.contact == Sighting::Gone).then_some(RecordKind::Contact)).collect();
    if missing == Missing::Nothing || kinds.is_empty() {
        return Ok((Some(seen), false));
    }
    let known = context.log.known().of(&connection.location_id, std::slice::from_ref(&seen.contact_id), &kinds).await?;
    let Some(known) = known.get(&seen.contact_id) else { return Ok((Some(seen), false)) };
    let mut absent = connection.absences.absent(&context.config.vanishing, known, &seen, missing, announced);
    let is_doubtful = !absent.doubtful.is_empty();
    if are_held(context, connection, &absent.unannounced, seen.asked_at).await? {
        if seen.contact == Sighting::Gone {
            return Ok((None, is_doubtful));
        }
        absent.doubtful.append(&mut absent.unannounced);
    }
    Ok((Some(without(seen, known, &absent.doubtful)), is_doubtful))
}

/// The observation with lists that do not say that these records are gone.
fn without(mut seen: Observation, known: &KnownContact, unsaid: &Keys) -> Observation {
    for (kind, listing) in &mut seen.listings {
        let Listing::Complete(records) = listing else { continue };
        if !unsaid.iter().any(|(of, _)| of == kind) {
            continue;
        }
        let listed: BTreeSet<RecordId> = records.iter().map(|(id, _)| id.clone()).collect();
        let missing = known.records.keys().filter(|key| key.0 == *kind && !listed.contains(&key.1) && !unsaid.contains(*key));
        let gone = missing.map(|(_, id)| (id.clone(), None));
        let there = std::mem::take(records).into_iter().map(|(id, record)| (id, Some(record)));
        *listing = Listing::Partial(there.chain(gone).collect());
    }
    seen
}

/// Whether the conclusion that these are gone is held back.
async fn are_held(context: &Context, connection: &Connection, gone: &Keys, now: Timestamp) -> eventlog::Result<bool> {
    let mut counts: BTreeMap<RecordKind, u64> = BTreeMap::new();
    for (kind, _) in gone {
        *counts.entry(*kind).or_default() += 1;
    }
    if counts.is_empty() {
        return Ok(false);
    }
    let (known, location_id) = (context.log.known(), &connection.location_id);
    let vanishing = known.vanishing(location_id).await?;
    if vanishing.held_since.is_none() && !is_unusual(context, connection, &vanishing, &counts, now).await? {
        for (kind, count) in counts {
            connection.absences.note_vanished(kind, count, now);
        }
        return Ok(false);
    }
    if vanishing.held_since.is_none() {
        tracing::error!(location.id = %location_id, "unusually much has vanished that no webhook announced: it is held back until it is released");
    }
    show(context, location_id, &known.hold_vanishing(location_id, now, counts.values().sum()).await?);
    Ok(true)
}

/// Whether these, with what vanished within the last hour, are more than may vanish unannounced.
async fn is_unusual(
    context: &Context,
    connection: &Connection,
    vanishing: &Vanishing,
    counts: &BTreeMap<RecordKind, u64>,
    now: Timestamp,
) -> eventlog::Result<bool> {
    let settings = &context.config.vanishing;
    if vanishing.released_at.is_some_and(|released_at| settings.is_released(released_at, now)) {
        return Ok(false);
    }
    for (kind, count) in counts {
        let vanished = connection.absences.vanished(*kind, now) + count;
        // Counting what is present is dear, so it comes last.
        if vanished > settings.count_min
            && settings.is_unusual(vanished, context.log.known().present(&connection.location_id, *kind).await?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Shows what is held back in the status and the metrics.
pub(crate) fn show(context: &Context, location_id: &LocationId, vanishing: &Vanishing) {
    let held = if vanishing.held_since.is_some() { vanishing.held } else { 0 };
    context.metrics.vanishing_held(location_id, held);
    context.problems.vanishing_held(location_id, held);
}
