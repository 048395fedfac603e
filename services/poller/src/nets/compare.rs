//! Compares rows of a list with what the log knows. An unchanged row costs no call; what has changed is looked at by its id.
//!
//! GHL's searches lag by seconds, so a row may be outdated. It can show that there is something to look at, or that nothing has changed.
//! Its content is appended only for a record that was never seen, and only in a backfill; where contacts change in bulk, if the row is
//! newer than what is known; and where it shows what no earlier program has read, in the pace of a sweep.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use chassis::tasks::sleep;
use domain::{Change, ContactId, KnownContact, Listing, Moment, Observation, RecordId, RecordKind, Shown, Sighting};
use futures::StreamExt;
use ghl::{RecordRow, Row, UnreadableRow};

use crate::look::absence::Keys;
use crate::look::append::{Appended, observed_records};
use crate::look::request::{AnswerId, ContactPart, FoundContact, ListedRecord, Missing, RecordParts, Request};
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
    /// It shows nothing that is not known.
    Nothing,
}

/// Parks the rows of a page that are no records. They hold up nothing: what a list does not show is looked at before it counts as gone.
pub(crate) async fn leave_alone(scope: Scope<'_>, kind: ListKind, rows: &[UnreadableRow]) -> Result<()> {
    let Scope { context, connection, .. } = scope;
    context.metrics.unreadable_rows(rows.len());
    Ok(context.parker.park_rows(&connection.location_id, None, kind.record_kind(), rows).await?)
}

/// Compares a page of contacts, and waits until what was found is in the log.
pub(crate) async fn contacts(scope: Scope<'_>, rows: Vec<Row>, answer: &AnswerId) -> Result<()> {
    let ids: Vec<ContactId> = rows.iter().map(|row| row.contact_id.clone()).collect();
    let known = scope.context.log.known().of(&scope.connection.location_id, &ids, &[RecordKind::Contact]).await?;
    scope.context.metrics.unreadable_fields(rows.iter().map(|row| row.shown.unread.len()).sum());
    let mut decisions = Vec::with_capacity(rows.len());
    for row in rows {
        let known = known.get(&row.contact_id);
        let bulk = decide_bulk(scope, known, &row, answer);
        let decision = bulk.unwrap_or_else(|| decide_contact(scope, known, row, answer));
        decisions.push(with_names(scope, decision).await?);
    }
    carry_out(scope, decisions).await
}

/// What is done about a changed contact that the watch finds among many. None for all others.
///
/// A row that is newer than what is known is appended: what it does not speak of stays as known. Whose change it does
/// not show is looked at later.
fn decide_bulk(scope: Scope<'_>, known: Option<&KnownContact>, row: &Row, answer: &AnswerId) -> Option<Decision> {
    let Scope { context, connection, .. } = scope;
    if !scope.is_watch() || row.deleted {
        return None;
    }
    let mut seen = scope.observation(row.contact_id.clone(), answer);
    seen.contact = as_listed(row.shown.clone());
    let listed = ListedRecord { kind: RecordKind::Contact, record_id: RecordId::from(&row.contact_id), shown: row.shown.clone() };
    let is_changed = known.is_none_or(|known| differs(known, &seen, &row.shown)) && !connection.refuted.contains(&row.contact_id, &listed);
    if !is_changed || !connection.bulk.note(Instant::now()) {
        return None;
    }
    context.metrics.bulk();
    let Some(known) = known else {
        if context.config.backfill.contact_by_id {
            return None;
        }
        seen.contact = Sighting::Present { shown: Box::new(row.shown.clone()), by_id: false };
        return Some(Decision::Append(seen));
    };
    let is_newer = matches!((row.shown.record.updated_at(), known.looks.updated_at.as_ref()),
        (Some(Moment::At(now)), Some(Moment::At(known))) if now > known);
    let is_shown = known.is_present(&row.contact_id) && shows_news(known, &seen);
    if !is_newer || !is_shown {
        connection.bulk.leave(row.contact_id.clone(), listed);
        return Some(Decision::Nothing);
    }
    seen.contact = Sighting::Present { shown: Box::new(row.shown.clone()), by_id: false };
    Some(Decision::Append(seen))
}

/// Looks at some of those that were left for later.
pub(crate) async fn contacts_left(scope: Scope<'_>) -> Result<()> {
    let left = scope.connection.bulk.take();
    let request = |(contact_id, row)| Request { listed: vec![row], ..scope.whole(contact_id) };
    look_at(scope, left.into_iter().map(request).collect()).await
}

async fn with_names(scope: Scope<'_>, mut decision: Decision) -> Result<Decision> {
    if let Decision::Append(seen) = &mut decision {
        let names = scope.connection.names.names(&scope.client(), &seen.references()).await?;
        seen.names = names;
    }
    Ok(decision)
}

fn decide_contact(scope: Scope<'_>, known: Option<&KnownContact>, row: Row, answer: &AnswerId) -> Decision {
    let Row { contact_id, shown, deleted } = row;
    let row = ListedRecord { kind: RecordKind::Contact, record_id: RecordId::from(&contact_id), shown };
    if deleted {
        return match known.is_some_and(|known| known.is_present(&contact_id)) {
            true => Decision::Look(scope.whole(contact_id)),
            false => Decision::Nothing,
        };
    }
    let found = |shown| ContactPart::Found(Box::new(FoundContact { shown, answer: answer.clone() }));
    // A backfill asks for the notes of each contact it finds: GHL does not list the notes of a location.
    let with_notes = |contact_id, shown, missing| Decision::Look(scope.request(contact_id, found(shown), RecordParts::NOTES).with(missing));
    let refuted = scope.connection.refuted.contains(&contact_id, &row);
    let Some(known) = known else {
        return if scope.is_backfill() && !scope.context.config.backfill.contact_by_id {
            with_notes(contact_id, row.shown, Missing::Nothing)
        } else if refuted && !scope.is_backfill() {
            Decision::Nothing
        } else {
            Decision::Look(Request { listed: vec![row], ..scope.whole(contact_id).with(Missing::Nothing) })
        };
    };
    let mut seen = scope.observation(contact_id.clone(), answer);
    seen.contact = as_listed(row.shown.clone());
    let differs = differs(known, &seen, &row.shown);
    let is_of_now = row.shown.record.updated_at() == known.looks.updated_at.as_ref();
    if differs && (!refuted || scope.is_backfill()) {
        Decision::Look(Request { listed: vec![row], ..scope.whole(contact_id) })
    } else if scope.is_backfill() {
        with_notes(contact_id, row.shown, Missing::Unconfirmed)
    } else if scope.is_sweep() && known.looks.by_id_at.is_none() && known.is_present(&contact_id) {
        // The search does not show all fields: once, each contact is asked for by its id.
        Decision::Look(Request { listed: vec![row], ..scope.request(contact_id, ContactPart::Fetch, RecordParts::NONE) })
    } else if differs {
        confirm_as_known(known, RecordKind::Contact, seen)
    } else {
        confirm_or_read_first(scope, known, RecordKind::Contact, seen, is_of_now)
    }
}

/// What a row shows that nobody has read before is no change, and no reason for a look: a sweep appends it, unless the row may be outdated.
fn confirm_or_read_first(scope: Scope<'_>, known: &KnownContact, kind: RecordKind, seen: Observation, is_of_now: bool) -> Decision {
    if domain::observe(known, &seen).drafts.is_empty() {
        Decision::Confirm(seen)
    } else if scope.is_sweep() && is_of_now {
        Decision::Append(seen)
    } else {
        confirm_as_known(known, kind, seen)
    }
}

/// A contact as a row shows it. The known update time is that of the last look at the contact and everything that belongs to it, so a
/// row must not change it.
fn as_listed(mut shown: Shown) -> Sighting {
    shown.silent.insert("updated_at");
    Sighting::Present { shown: Box::new(shown), by_id: false }
}

/// Whether a contact has to be looked at because of its row.
fn differs(known: &KnownContact, seen: &Observation, row: &Shown) -> bool {
    has_moved(row.record.updated_at(), known.looks.updated_at.as_ref()) || shows_news(known, seen)
}

fn shows_news(known: &KnownContact, seen: &Observation) -> bool {
    domain::observe(known, seen).drafts.iter().any(|draft| draft.fact.is_news())
}

/// What was listed is there, with the content that is known.
fn confirm_as_known(known: &KnownContact, kind: RecordKind, mut seen: Observation) -> Decision {
    let content =
        |id: &RecordId| known.records.get(&(kind, id.clone())).filter(|last| last.present).map(|last| Shown::from(last.record.clone()));
    if let Sighting::Present { shown, .. } = &mut seen.contact {
        let Some(mut content) = content(&RecordId::from(&seen.contact_id)) else { return Decision::Nothing };
        content.silent.insert("updated_at");
        **shown = content;
    }
    if let Some(Listing::Partial(records)) = seen.listings.get_mut(&kind) {
        records.retain_mut(|(id, shown)| {
            *shown = content(id);
            shown.is_some()
        });
    }
    Decision::Confirm(seen)
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
    let mut by_contact: BTreeMap<ContactId, Vec<ListedRecord>> = BTreeMap::new();
    for RecordRow { record_id, contacts, shown } in rows {
        scope.context.metrics.unreadable_fields(shown.unread.len());
        if contacts.is_empty() {
            scope.context.metrics.of_nobody(kind.record_kind());
        }
        for contact_id in contacts {
            let row = ListedRecord { kind: kind.record_kind(), record_id: record_id.clone(), shown: shown.clone() };
            by_contact.entry(contact_id).or_default().push(row);
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

async fn compare_records(
    scope: Scope<'_>,
    kind: ListKind,
    by_contact: Vec<(ContactId, Vec<ListedRecord>)>,
    answer: &AnswerId,
) -> Result<()> {
    let ids: Vec<ContactId> = by_contact.iter().map(|(contact_id, _)| contact_id.clone()).collect();
    let kinds = [RecordKind::Contact, kind.record_kind()];
    let known = scope.context.log.known().of(&scope.connection.location_id, &ids, &kinds).await?;
    let mut decisions = Vec::with_capacity(by_contact.len());
    for (contact_id, listed) in by_contact {
        let decision = decide_records(scope, kind, contact_id, listed, &known, answer);
        decisions.push(with_names(scope, decision).await?);
    }
    carry_out(scope, decisions).await
}

fn decide_records(
    scope: Scope<'_>,
    kind: ListKind,
    contact_id: ContactId,
    listed: Vec<ListedRecord>,
    known: &BTreeMap<ContactId, KnownContact>,
    answer: &AnswerId,
) -> Decision {
    let mut seen = scope.observation(contact_id.clone(), answer);
    let Some(known) = known.get(&contact_id).filter(|known| known.is_present(&contact_id)) else {
        let all_refuted = listed.iter().all(|row| scope.connection.refuted.contains(&contact_id, row));
        return if all_refuted { Decision::Nothing } else { Decision::Look(Request { listed, ..scope.whole(contact_id) }) };
    };
    let shown = listed.iter().map(|row| (row.record_id.clone(), Some(row.shown.clone())));
    seen.listings.insert(kind.record_kind(), Listing::Partial(shown.collect()));
    let observed = domain::observe(known, &seen);
    if observed.drafts.iter().all(|draft| !draft.fact.is_news()) {
        return confirm_or_read_first(scope, known, kind.record_kind(), seen, true);
    }
    if scope.is_backfill() && observed.drafts.iter().all(|draft| draft.fact.change == Change::Appeared) {
        return Decision::Append(seen);
    }
    let is_news = |row: &&ListedRecord| {
        observed.drafts.iter().any(|draft| draft.record_id == row.record_id && draft.fact.is_news())
            && !scope.connection.refuted.contains(&contact_id, row)
    };
    if listed.iter().any(|row| is_news(&row)) {
        Decision::Look(Request { listed, ..scope.confirmation(contact_id, kind) })
    } else {
        confirm_as_known(known, kind.record_kind(), seen)
    }
}

async fn carry_out(scope: Scope<'_>, decisions: Vec<Decision>) -> Result<()> {
    let (mut unchanged, mut new, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    for decision in decisions {
        match decision {
            Decision::Confirm(seen) => unchanged.push(seen),
            Decision::Append(seen) => new.push(seen),
            Decision::Look(request) => requests.push(request),
            Decision::Nothing => {}
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
        let refuted = &scope.connection.refuted;
        let looked = look_until_seen(scope.context, scope.connection, request.clone(), scope.stop()).await?;
        let Some(observation) = looked else {
            // The look is parked: the same row is no reason for another one.
            request.listed.iter().for_each(|row| refuted.remember(&request.contact_id, row, true));
            return Ok(None);
        };
        let in_vain = refuted_by(scope, &observation, &request.listed);
        let Concluded { appended, is_doubtful } =
            conclude(scope.context, scope.connection, observation, request.missing, &Keys::new()).await;
        match appended {
            Appended::Done { events } => {
                if let Some(found) = scope.found {
                    found.fetch_add(events as u64, Ordering::Relaxed);
                }
                in_vain.iter().for_each(|(row, is_there)| refuted.remember(&request.contact_id, row, *is_there));
                Ok(is_doubtful.then(|| Request { contact: request.contact.again(), ..request }))
            }
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

/// The rows that still differ from what a look has shown, and whether what they are about is there.
fn refuted_by(scope: Scope<'_>, looked: &Observation, listed: &[ListedRecord]) -> Vec<(ListedRecord, bool)> {
    if listed.is_empty() {
        return Vec::new();
    }
    let mut known = KnownContact::default();
    let observed = domain::observe(&known, looked);
    known.apply(looked, &observed);
    let answer = AnswerId { asked_at: looked.asked_at, trace_id: None };
    let still_differs = |row: &ListedRecord| {
        let mut seen = scope.observation(looked.contact_id.clone(), &answer);
        if row.kind == RecordKind::Contact {
            seen.contact = as_listed(row.shown.clone());
            return differs(&known, &seen, &row.shown);
        }
        seen.listings.insert(row.kind, Listing::Partial(vec![(row.record_id.clone(), Some(row.shown.clone()))]));
        shows_news(&known, &seen)
    };
    let with_presence = |row: ListedRecord| {
        let is_there = known.records.contains_key(&(row.kind, row.record_id.clone()));
        (row, is_there)
    };
    listed.iter().filter(|row| still_differs(row)).cloned().map(with_presence).collect()
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
