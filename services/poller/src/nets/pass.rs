//! A pass: everything of a kind, page by page, resumed where it stopped.

use std::collections::HashSet;

use domain::{ContactId, Record, RecordId};
use eventlog::Pass;
use ghl::{EventsOf, Search, TaskSearch, Window};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::Span;
use crate::context::rest;
use crate::nets::compare::{self, Asked, Bulk, Errand};
use crate::nets::error::Trouble;

/// Records that are read from the log at once to see which are missing.
const UNSEEN_PER_READ: u32 = 500;

/// How a pass came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Walked {
    Complete(Complete),
    /// It could not be followed to its end, or not every row could be read: it is no evidence of what it did not show.
    BrokenOff,
    /// Another pass was asked for meanwhile, which counts.
    Superseded,
}

/// A list that was followed from its beginning to its end. Only `walk` makes it, and without it nothing is missed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complete {
    /// When its first page was asked for: what is there was seen since then.
    since: Timestamp,
}

/// One page of a list.
struct Step {
    /// Rows that count as seen.
    seen: u64,
    total: Option<u64>,
    whole: bool,
    /// Where the next page begins; none when this one said that nothing follows.
    next: Option<Value>,
}

/// Follows a list from where the pass stopped, or begins one at `since`. The caller ends the pass with `finish`.
pub(crate) async fn walk(errand: Errand<'_>, bulk: Bulk, since: Timestamp, span: Span) -> Result<Walked, Trouble> {
    let Errand { tools, connection, .. } = errand;
    let mut pass = tools.log.pass(&connection.location_id, errand.net.as_str(), bulk.kind()).await?;
    if pass.started_at != Some(since) {
        pass = Pass { started_at: Some(since), cursor: None, seen: 0, total: None, ..pass };
        keep(errand, bulk, &pass).await?;
    }
    let (mut whole, mut empty, mut cursors) = (true, 0, HashSet::new());
    for _ in 0..tools.config.sweep.pages_max {
        tools.chassis.control().wait_while_paused(errand.shutdown).await;
        if !connection.wait_until_askable(errand.shutdown).await {
            return Err(Trouble::Stopped);
        }
        let in_hand = tools.chassis.control().in_hand();
        let step = page(errand, bulk, &pass, since, span).await?;
        drop(in_hand);
        whole &= step.whole;
        pass.seen += step.seen;
        // A page without rows has been seen to say that there are none at all.
        pass.total = step.total.filter(|total| *total > 0 || pass.seen == 0).or(pass.total);
        match step.next {
            Some(next) if cursors.insert(next.to_string()) => {
                (pass.cursor, empty) = (Some(next), 0);
                if !keep(errand, bulk, &pass).await? {
                    return Ok(Walked::Superseded);
                }
            }
            // GHL leads round in a circle.
            Some(_) => return Ok(Walked::BrokenOff),
            None if pass.total.is_none_or(|total| pass.seen >= total) => {
                return Ok(if whole { Walked::Complete(Complete { since }) } else { Walked::BrokenOff });
            }
            // Nothing, though there should be more: an empty page in the middle.
            None if empty < tools.config.sweep.empty_pages_max => {
                empty += 1;
                if !rest(errand.shutdown, tools.config.sweep.empty_page_pause).await {
                    return Err(Trouble::Stopped);
                }
            }
            None => return Ok(Walked::BrokenOff),
        }
    }
    Ok(Walked::BrokenOff)
}

/// Notes that a pass has come to its end.
pub(crate) async fn finish(errand: Errand<'_>, bulk: Bulk, walked: &Walked) -> Result<(), Trouble> {
    let Errand { tools, connection, .. } = errand;
    let mut pass = tools.log.pass(&connection.location_id, errand.net.as_str(), bulk.kind()).await?;
    let now = now();
    if let Walked::Complete(complete) = walked {
        (pass.complete_since, pass.complete_at) = (Some(complete.since), Some(now));
        tools.metrics.complete(&connection.location_id, errand.net.as_str(), bulk.kind(), complete.since);
    }
    (pass.started_at, pass.cursor, pass.ended_at) = (None, None, Some(now));
    tools.log.save_pass(&connection.location_id, errand.net.as_str(), bulk.kind(), &pass).await?;
    let outcome = match walked {
        Walked::Complete(_) => "complete",
        Walked::BrokenOff => "broken_off",
        Walked::Superseded => "superseded",
    };
    tools.metrics.pass(errand.net.as_str(), bulk.kind(), outcome);
    let (location, kind, net) = (&connection.location_id, bulk.kind(), errand.net.as_str());
    tracing::info!(location.id = %location, record.kind = %kind, net, outcome, seen = pass.seen, "pass ended");
    Ok(())
}

/// As precise as the log keeps it, so that it can be compared with what was kept.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Looks at whatever is known to be there and a complete list did not show. Not being listed is only the reason to look: whether it is
/// gone, the look says.
pub(crate) async fn conclude(errand: Errand<'_>, bulk: Bulk, complete: &Complete, span: Span) -> Result<(), Trouble> {
    match bulk {
        Bulk::Contacts => conclude_contacts(errand, complete).await,
        Bulk::Tasks | Bulk::Appointments => conclude_records(errand, bulk, complete, span).await,
    }
}

async fn conclude_contacts(errand: Errand<'_>, complete: &Complete) -> Result<(), Trouble> {
    let (log, location_id) = (&errand.tools.log, &errand.connection.location_id);
    let mut after: Option<ContactId> = None;
    loop {
        let missing = log.unseen_contacts(location_id, complete.since, after.as_ref(), UNSEEN_PER_READ).await?;
        let Some(last) = missing.last() else { return Ok(()) };
        after = Some(last.clone());
        let questions = missing.into_iter().map(|contact_id| errand.confirm(contact_id, Bulk::Contacts)).collect();
        compare::look_at(errand, questions).await?;
    }
}

async fn conclude_records(errand: Errand<'_>, bulk: Bulk, complete: &Complete, span: Span) -> Result<(), Trouble> {
    let (log, location_id) = (&errand.tools.log, &errand.connection.location_id);
    let mut after: Option<(ContactId, RecordId)> = None;
    let mut asked: Option<ContactId> = None;
    loop {
        let from = after.as_ref().map(|(contact_id, record_id)| (contact_id, record_id));
        let missing = log.unseen_records(location_id, bulk.kind(), complete.since, from, UNSEEN_PER_READ).await?;
        let Some((contact_id, record_id, _)) = missing.last() else { return Ok(()) };
        after = Some((contact_id.clone(), record_id.clone()));
        let mut contacts: Vec<ContactId> = missing
            .into_iter()
            .filter(|(_, _, record)| should_be_listed(record.as_ref(), complete.since, span))
            .map(|(contact_id, _, _)| contact_id)
            .filter(|contact_id| asked.as_ref() != Some(contact_id))
            .collect();
        contacts.dedup();
        asked = contacts.last().cloned().or(asked);
        let questions = contacts.into_iter().map(|contact_id| errand.confirm(contact_id, bulk)).collect();
        compare::look_at(errand, questions).await?;
    }
}

/// An appointment outside of the windows is not expected in them.
fn should_be_listed(record: Option<&Record>, since: Timestamp, span: Span) -> bool {
    let Some(Record::Appointment(appointment)) = record else { return true };
    let Some(starts_at) = appointment.starts_at.as_ref().and_then(domain::Moment::instant) else { return true };
    (-span.past..=span.future).contains(&starts_at.duration_since(since))
}

/// Saves how far a pass has come; false when another one was asked for meanwhile. Of the first look at a location people see how far it is.
async fn keep(errand: Errand<'_>, bulk: Bulk, pass: &Pass) -> Result<bool, Trouble> {
    let Errand { tools, connection, .. } = errand;
    tools.log.save_pass(&connection.location_id, errand.net.as_str(), bulk.kind(), pass).await?;
    if !errand.is_backfill() || bulk != Bulk::Contacts {
        return Ok(true);
    }
    let mut ours = true;
    let (cursor, seen, total) = (pass.cursor.clone(), pass.seen, pass.total);
    connection
        .change_progress(&tools.log, |progress| {
            ours = progress.backfill.started_at == pass.started_at;
            if ours {
                (progress.backfill.cursor, progress.backfill.seen, progress.backfill.total) = (cursor, seen, total);
            }
        })
        .await?;
    tools.metrics.backfill(&connection.location_id, seen, total);
    Ok(ours)
}

#[tracing::instrument(name = "page", skip_all, fields(location.id = %errand.connection.location_id, net = errand.net.as_str(), record.kind = %bulk.kind(), seen = pass.seen))]
async fn page(errand: Errand<'_>, bulk: Bulk, pass: &Pass, since: Timestamp, span: Span) -> Result<Step, Trouble> {
    match bulk {
        Bulk::Contacts => page_of_contacts(errand, pass).await,
        Bulk::Tasks => page_of_tasks(errand, pass).await,
        Bulk::Appointments => window_of_appointments(errand, pass, since, span).await,
    }
}

async fn page_of_contacts(errand: Errand<'_>, pass: &Pass) -> Result<Step, Trouble> {
    let Errand { tools, connection, .. } = errand;
    let zone = connection.names.zone(&errand.client()).await?;
    let rows_max = if errand.is_backfill() { tools.config.backfill.page_rows } else { tools.config.sweep.page_rows };
    let search = Search { window: Window::Everyone, rows_max: rows_max.get(), after: pass.cursor.clone() };
    let answer = errand.client().search(&search, &zone).await?;
    let asked = Asked { at: answer.asked_at, trace_id: answer.trace_id };
    let page = answer.value;
    tools.metrics.unreadable_rows(page.unreadable);
    let given = page.rows.len() + page.unreadable;
    compare::contacts(errand, page.rows, &asked).await?;
    // The end is where nothing comes any more: a short page ends nothing.
    let next = page.next.filter(|_| given > 0);
    Ok(Step { seen: given as u64, total: page.total, whole: page.unreadable == 0, next })
}

async fn page_of_tasks(errand: Errand<'_>, pass: &Pass) -> Result<Step, Trouble> {
    let Errand { tools, connection, .. } = errand;
    let settings = &tools.config.tasks;
    let zone = connection.names.zone(&errand.client()).await?;
    let skip = pass.cursor.as_ref().and_then(Value::as_u64).unwrap_or(0);
    let search = TaskSearch { rows_max: settings.page_rows.get(), skip, ..TaskSearch::default() };
    let answer = errand.client().search_tasks(&search, &zone).await?;
    let asked = Asked { at: answer.asked_at, trace_id: answer.trace_id };
    let page = answer.value;
    tools.metrics.unreadable_rows(page.unreadable);
    let given = page.given as u64;
    compare::records(errand, Bulk::Tasks, page.rows, &asked).await?;
    // Rows that vanish before the next page is asked for move those behind them up: pages overlap, so that none is passed over.
    let overlap = if given >= u64::from(settings.page_rows.get()) { settings.overlap_rows.min(given.saturating_sub(1)) } else { 0 };
    let next = (given > 0).then(|| json!(skip + given - overlap));
    Ok(Step { seen: given - overlap, total: page.total, whole: page.whole, next })
}

/// Which calendar and which time span of it is next.
#[derive(Serialize, Deserialize)]
struct Place {
    calendar: String,
    /// Milliseconds after the instant that the pass counts from; less than none is before it.
    from: i64,
    length: i64,
}

/// A time span that holds too much for one answer is halved, but not below a minute.
const LENGTH_MIN: i64 = 60_000;

async fn window_of_appointments(errand: Errand<'_>, pass: &Pass, since: Timestamp, span: Span) -> Result<Step, Trouble> {
    let Errand { tools, connection, .. } = errand;
    let calendars = connection.names.calendars(&errand.client()).await?;
    let kept = pass.cursor.clone().and_then(|cursor| serde_json::from_value::<Place>(cursor).ok());
    let (first, length_max) = (-millis(span.past), millis(tools.config.appointments.window()).max(1));
    let first_after =
        |calendar: &str| first_after(&calendars, calendar).map(|calendar| Place { calendar, from: first, length: length_max });
    // The place itself, or where it would be: a calendar may be gone by now.
    let place = match kept {
        Some(place) if calendars.contains(&place.calendar) => Some(place),
        kept => first_after(kept.as_ref().map_or("", |place| place.calendar.as_str())),
    };
    let Some(place) = place else { return Ok(Step { seen: 0, total: None, whole: true, next: None }) };
    let zone = connection.names.zone(&errand.client()).await?;
    let (from, to, more) = window(place.from, place.length, since, span);
    let answer = match errand.client().calendar_events(EventsOf::Calendar(&place.calendar), from, to, &zone).await {
        Err(ghl::Error::TooLong) if place.length > LENGTH_MIN => {
            let shorter = Place { length: (place.length / 2).max(LENGTH_MIN), ..place };
            return Ok(Step { seen: 0, total: None, whole: true, next: Some(json!(shorter)) });
        }
        answer => answer?,
    };
    let asked = Asked { at: answer.asked_at, trace_id: answer.trace_id };
    let page = answer.value;
    tools.metrics.unreadable_rows(page.unreadable);
    let seen = page.given as u64;
    compare::records(errand, Bulk::Appointments, page.rows, &asked).await?;
    let next = if more {
        let (from, length) = (place.from.saturating_add(place.length), place.length.saturating_mul(2).min(length_max));
        Some(Place { from, length, ..place })
    } else {
        first_after(&place.calendar)
    };
    Ok(Step { seen, total: None, whole: page.whole, next: next.map(|next| json!(next)) })
}

/// Calendars come in the order of their ids.
fn first_after(calendars: &[String], calendar: &str) -> Option<String> {
    calendars.iter().find(|other| other.as_str() > calendar).cloned()
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The bounds of a window, and whether another one follows.
fn window(from: i64, length: i64, since: Timestamp, span: Span) -> (Timestamp, Timestamp, bool) {
    let future = millis(span.future);
    let within = |offset: i64| since.checked_add(SignedDuration::from_millis(offset.min(future))).unwrap_or(Timestamp::MAX);
    let end = from.saturating_add(length);
    let more = end < future;
    // Both ends are part of a window.
    (within(from), within(if more { end - 1 } else { end }), more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_span_without_a_gap_however_long_each_is() {
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let span = Span { past: SignedDuration::from_hours(50), future: SignedDuration::from_hours(100) };
        let day = 24 * 60 * 60 * 1_000;
        for lengths in [[day, day], [day, day / 2], [day / 7, 3 * day]] {
            let (mut offset, mut expected, mut number) = (-millis(span.past), since - span.past, 0);
            loop {
                let length = lengths[number % 2];
                let (from, to, more) = window(offset, length, since, span);
                assert_eq!(from, expected);
                if !more {
                    assert_eq!(to, since + span.future);
                    break;
                }
                expected = to + SignedDuration::from_millis(1);
                (offset, number) = (offset + length, number + 1);
            }
            assert!(number > 2);
        }
    }

    #[test]
    fn what_lies_outside_of_the_windows_is_not_missed() {
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let span = Span { past: SignedDuration::from_hours(1), future: SignedDuration::from_hours(1) };
        let listed = |at: &str| {
            let appointment = domain::Appointment { starts_at: Some(domain::Moment::read(at)), ..domain::Appointment::default() };
            should_be_listed(Some(&Record::Appointment(appointment)), since, span)
        };
        assert!(listed("2026-01-01T00:30:00Z") && listed("2025-12-31T23:30:00Z") && listed("some day"));
        assert!(!listed("2026-01-01T01:30:00Z") && !listed("2025-12-31T22:30:00Z"));
    }
}
