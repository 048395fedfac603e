//! One page of appointments, which GHL lists by calendar and time.

use eventlog::Pass;
use ghl::EventsOf;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::AppointmentRange;
use crate::look::request::AnswerId;
use crate::nets::compare;
use crate::nets::error::Result;
use crate::nets::pass::page::Page;
use crate::nets::scope::{ListKind, Scope};

/// The minimum length in milliseconds. A window whose appointments exceed one answer is halved, but not below a minute.
const LENGTH_MIN: i64 = 60_000;

/// The next window: a time span of a calendar.
#[derive(Serialize, Deserialize)]
struct Cursor {
    calendar: String,
    /// Milliseconds after the start of the pass; negative before it.
    from: i64,
    length: i64,
}

pub(super) async fn window_of_appointments(scope: Scope<'_>, pass: &Pass, since: Timestamp, range: AppointmentRange) -> Result<Page> {
    let Scope { context, connection, .. } = scope;
    let calendars = connection.names.calendars(&scope.client()).await?;
    let saved = pass.cursor.clone().and_then(|cursor| serde_json::from_value::<Cursor>(cursor).ok());
    let (first, length_max) = (-millis(range.past), millis(context.config.appointments.window()).max(1));
    let first_after =
        |calendar: &str| calendar_after(&calendars, calendar).map(|calendar| Cursor { calendar, from: first, length: length_max });
    let cursor = match saved {
        Some(cursor) if calendars.contains(&cursor.calendar) => Some(cursor),
        // The calendar is gone, or this is the first page of the pass.
        saved => first_after(saved.as_ref().map_or("", |cursor| cursor.calendar.as_str())),
    };
    let Some(cursor) = cursor else { return Ok(Page { seen: 0, total: None, whole: true, next: None }) };
    let zone = connection.names.zone(&scope.client()).await?;
    let (from, to, more) = bounds(cursor.from, cursor.length, since, range);
    let answer = match scope.client().calendar_events(EventsOf::Calendar(&cursor.calendar), from, to, &zone).await {
        Err(ghl::Error::TooLong) if cursor.length > LENGTH_MIN => {
            let shorter = Cursor { length: (cursor.length / 2).max(LENGTH_MIN), ..cursor };
            return Ok(Page { seen: 0, total: None, whole: true, next: Some(json!(shorter)) });
        }
        answer => answer?,
    };
    let answer_id = AnswerId { asked_at: answer.asked_at, trace_id: answer.trace_id };
    let list = answer.value;
    context.metrics.unreadable_rows(list.unreadable);
    let seen = list.given as u64;
    compare::records(scope, ListKind::Appointments, list.rows, &answer_id).await?;
    let next = if more {
        let (from, length) = (cursor.from.saturating_add(cursor.length), cursor.length.saturating_mul(2).min(length_max));
        Some(Cursor { from, length, ..cursor })
    } else {
        first_after(&cursor.calendar)
    };
    Ok(Page { seen, total: None, whole: list.whole, next: next.map(|next| json!(next)) })
}

/// Calendars come in the order of their ids.
fn calendar_after(calendars: &[String], calendar: &str) -> Option<String> {
    calendars.iter().find(|other| other.as_str() > calendar).cloned()
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The first and the last instant of a window, and whether another window follows.
fn bounds(from: i64, length: i64, since: Timestamp, range: AppointmentRange) -> (Timestamp, Timestamp, bool) {
    let future = millis(range.future);
    let within = |offset: i64| since.checked_add(SignedDuration::from_millis(offset.min(future))).unwrap_or(Timestamp::MAX);
    let end = from.saturating_add(length);
    let more = end < future;
    // GHL includes both ends of a window.
    (within(from), within(if more { end - 1 } else { end }), more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_range_without_a_gap_however_long_each_is() {
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let range = AppointmentRange { past: SignedDuration::from_hours(50), future: SignedDuration::from_hours(100) };
        let day = 24 * 60 * 60 * 1_000;
        for lengths in [[day, day], [day, day / 2], [day / 7, 3 * day]] {
            let (mut offset, mut expected, mut number) = (-millis(range.past), since - range.past, 0);
            loop {
                let length = lengths[number % 2];
                let (from, to, more) = bounds(offset, length, since, range);
                assert_eq!(from, expected);
                if !more {
                    assert_eq!(to, since + range.future);
                    break;
                }
                expected = to + SignedDuration::from_millis(1);
                (offset, number) = (offset + length, number + 1);
            }
            assert!(number > 2);
        }
    }
}
