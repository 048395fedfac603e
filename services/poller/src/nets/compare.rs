//! Compares rows of a list with what the log knows. An unchanged row costs no call; what has changed is looked at by its id.
//!
//! GHL's searches lag by seconds, so a row may be outdated. It can show that there is something to look at, or that nothing has changed.
//! Its content is appended only for a record that was never seen, and only in a backfill.

use std::collections::{BTreeMap, BTreeSet};

use chassis::tasks::sleep;
use domain::{Change, ContactId, KnownContact, Listing, Moment, Observation, Record, RecordId, RecordKind, Sighting};
use futures::StreamExt;
use ghl::{RecordRow, Row};

use crate::look::absence::Keys;
use crate::look::append::{Appended, observed_records};
use crate::look::request::{AnswerId, ContactPart, FoundContact, Missing, RecordParts, Request};
use crate::look::retry::look_until_seen;
use crate::nets::conclude::{Concluded, conclude};
use crate::nets::error::{Error, Result};
use crate::nets::scope::{ListKind, Scope};

/// For how many contacts known records are held in memory: a list of appointments may name thousands of contacts.
const CONTACTS_AT_ONCE: usize = 200;

/// What is done about a row.
enum Decision {
    /// Nothing has changed.
    Confirm(Observation),
    /// Its content is appended.
    Append(Observation),
    /// Its contact is looked at.
    Look(Request),
}

/// Compares a page of contacts, and waits until what was found is in the log.
pub(crate) async fn contacts(scope: Scope<'_>, rows: Vec<Row>, answer: &AnswerId) -> Result<()> {
    let ids: Vec<ContactId> = rows.iter().map(|row| row.contact_id.clone()).collect();
    let known = scope.context.log.known().of(&scope.connection.location_id, &ids, &[RecordKind::Contact]).await?;
    let decisions = rows.into_iter().map(|row| decide_contact(scope, known.get(&row.contact_id), row, answer)).collect();
    carry_out(scope, decisions).await
}

fn decide_contact(scope: Scope<'_>, known: Option<&KnownContact>, row: Row, answer: &AnswerId) -> Decision {
    let has_moved = known.is_none_or(|known| has_moved(row.updated_at(), known.looks.updated_at.as_ref()));
    let Row { contact_id, contact, mut silent } = row;
    let Some(known) = known else {
        if !scope.is_backfill() || scope.context.config.backfill.contact_by_id {
            return Decision::Look(scope.whole(contact_id).with(Missing::Nothing));
        }
        let found = FoundContact { contact, silent, answer: answer.clone() };
        return Decision::Look(with_notes(scope, contact_id, found).with(Missing::Nothing));
    };
    // The known update time is that of the last look at the contact and everything that belongs to it, so a row must not change it.
    silent.insert("updated_at".to_owned());
    let mut seen = scope.observation(contact_id.clone(), answer);
    seen.contact = Sighting::Present { contact: Box::new(contact.clone()), silent: silent.clone() };
    if has_moved || !domain::observe(known, &seen).drafts.is_empty() {
        Decision::Look(scope.whole(contact_id))
    } else if scope.is_backfill() {
        Decision::Look(with_notes(scope, contact_id, FoundContact { contact, silent, answer: answer.clone() }))
    } else {
        Decision::Confirm(seen)
    }
}

/// A backfill asks for the notes of each contact it finds: GHL does not list the notes of a location.
fn with_notes(scope: Scope<'_>, contact_id: ContactId, found: FoundContact) -> Request {
    scope.request(contact_id, ContactPart::Found(Box::new(found)), RecordParts::NOTES)
}

/// Whether a row is newer than what is known. The search lags, so an older row shows no change.
pub(crate) fn has_moved(row: Option<&Moment>, known: Option<&Moment>) -> bool {
    match (row, known) {
        (Some(Moment::At(now)), Some(Moment::At(known))) => now > known,
        (now, known) => now != known,
    }
}

/// Compares a page of tasks or appointments, and waits until what was found is in the log. A task of several contacts counts for each.
pub(crate) async fn records(scope: Scope<'_>, kind: ListKind, rows: Vec<RecordRow>, answer: &AnswerId) -> Result<()> {
    let mut by_contact: BTreeMap<ContactId, Vec<Listed>> = BTreeMap::new();
    for RecordRow { record_id, contacts, record, silent } in rows {
        if contacts.is_empty() {
            scope.context.metrics.of_nobody(kind.record_kind());
        }
        for contact_id in contacts {
            by_contact.entry(contact_id).or_default().push((record_id.clone(), record.clone(), silent.clone()));
        }
    }
    let mut by_contact = by_contact.into_iter();
    loop {
        let some: Vec<_> = by_contact.by_ref().take(CONTACTS_AT_ONCE).collect();
        if some.is_empty() {
            return Ok(());
        }
        compare_records(scope, kind, some, answer).await?;
    }
}

async fn compare_records(scope: Scope<'_>, kind: ListKind, by_contact: Vec<(ContactId, Vec<Listed>)>, answer: &AnswerId) -> Result<()> {
    let ids: Vec<ContactId> = by_contact.iter().map(|(contact_id, _)| contact_id.clone()).collect();
    let kinds = [RecordKind::Contact, kind.record_kind()];
    let known = scope.context.log.known().of(&scope.connection.location_id, &ids, &kinds).await?;
    let mut decisions = Vec::with_capacity(by_contact.len());
    for (contact_id, listed) in by_contact {
        let mut decision = decide_records(scope, kind, contact_id, listed, &known, answer);
        if let Decision::Append(seen) = &mut decision {
            seen.names = scope.connection.names.names(&scope.client(), &seen.references()).await?;
        }
        decisions.push(decision);
    }
    carry_out(scope, decisions).await
}

/// A record as a list shows it, and the fields that the row does not mention.
type Listed = (RecordId, Record, BTreeSet<String>);

fn decide_records(
    scope: Scope<'_>,
    kind: ListKind,
    contact_id: ContactId,
    listed: Vec<Listed>,
    known: &BTreeMap<ContactId, KnownContact>,
    answer: &AnswerId,
) -> Decision {
    let Some(known) = known.get(&contact_id).filter(|known| known.is_present(&contact_id)) else {
        return Decision::Look(scope.whole(contact_id));
    };
    let filled = listed.into_iter().map(|(id, record, silent)| {
        let last = known.records.get(&(kind.record_kind(), id.clone())).map(|last| &last.record);
        (id, Some(domain::fill_silent(last, record, &silent)))
    });
    let listing = Listing::Partial(filled.collect());
    let mut seen = scope.observation(contact_id.clone(), answer);
    seen.listings.insert(kind.record_kind(), listing);
    let observed = domain::observe(known, &seen);
    if observed.drafts.is_empty() {
        Decision::Confirm(seen)
    } else if scope.is_backfill() && observed.drafts.iter().all(|draft| draft.fact.change == Change::Appeared) {
        Decision::Append(seen)
    } else {
        Decision::Look(scope.confirmation(contact_id, kind))
    }
}

async fn carry_out(scope: Scope<'_>, decisions: Vec<Decision>) -> Result<()> {
    let (mut unchanged, mut new, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    for decision in decisions {
        match decision {
            Decision::Confirm(seen) => unchanged.push(seen),
            Decision::Append(seen) => new.push(seen),
            Decision::Look(request) => requests.push(request),
        }
    }
    if !unchanged.is_empty() {
        if scope.concludes_absence() {
            scope.context.log.known().confirm(&scope.connection.lease, &unchanged).await?;
        }
        scope.context.metrics.unchanged(scope.net.as_str(), unchanged.iter().map(observed_records).sum());
    }
    let appended = futures::future::join_all(new.into_iter().map(|seen| scope.connection.appender.append(seen))).await;
    if appended.contains(&Appended::Later) {
        return Err(Error::NotAppended);
    }
    look_at(scope, requests).await
}

/// Looks, and waits until what was seen is in the log. Where something was missing for the first time, it looks once more after a while.
pub(crate) async fn look_at(scope: Scope<'_>, requests: Vec<Request>) -> Result<()> {
    let doubtful = look_once(scope, requests).await?;
    if doubtful.is_empty() {
        return Ok(());
    }
    if !sleep(scope.stop(), scope.context.config.vanishing.again_after).await {
        return Err(Error::Stopped);
    }
    look_once(scope, doubtful).await.map(drop)
}

/// Returns what is to be looked at again.
async fn look_once(scope: Scope<'_>, requests: Vec<Request>) -> Result<Vec<Request>> {
    let looks = requests.into_iter().map(|request| async move {
        let looked = look_until_seen(scope.context, scope.connection, request.clone(), scope.stop()).await?;
        let Some(observation) = looked else { return Ok(None) };
        let Concluded { appended, is_doubtful } =
            conclude(scope.context, scope.connection, observation, request.missing, &Keys::new()).await;
        match appended {
            Appended::Done { .. } => Ok(is_doubtful.then(|| Request { contact: request.contact.again(), ..request })),
            Appended::Later => Err(Error::NotAppended),
        }
    });
    let mut looks = futures::stream::iter(looks).buffer_unordered(scope.in_flight_max);
    let mut again = Vec::new();
    while let Some(looked) = looks.next().await {
        again.extend(looked?);
    }
    Ok(again)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(row: Option<&str>, known: Option<&str>, moved: bool) {
        assert_eq!(has_moved(row.map(Moment::read).as_ref(), known.map(Moment::read).as_ref()), moved);
    }

    #[test]
    fn only_a_later_update_time_counts_as_a_change() {
        check(Some("2026-01-01T00:00:01Z"), Some("2026-01-01T00:00:00Z"), true);
        check(Some("2026-01-01T00:00:00.000Z"), Some("2026-01-01T00:00:00Z"), false);
        check(Some("2026-01-01T00:00:00Z"), Some("2026-01-01T00:00:01Z"), false);
        check(Some("2026-01-01T00:00:00Z"), None, true);
        check(Some("yesterday"), Some("today"), true);
        check(None, Some("2026-01-01T00:00:00Z"), true);
        check(None, None, false);
    }
}
