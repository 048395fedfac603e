//! One page of appointments, which GHL lists by calendar and time.

use eventlog::Pass;
use ghl::EventsOf;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::AppointmentRange;
use crate::look::request::AnswerId;
use crate::nets::compare::{self, leave_alone};
use crate::nets::error::Result;
use crate::nets::pass::page::Page;
use crate::nets::scope::{ListKind, Scope};

/// The minimum length in milliseconds. A window whose appointments exceed one answer is halved, but not below a minute.
const LENGTH_MIN: i64 = 60_000;

/// A refusal is put down to the length of a window only above a month, in milliseconds: how much GHL allows is not documented.
const REFUSED_LENGTH_MIN: i64 = 31 * 24 * 60 * 60 * 1_000;

/// How many bytes of an answer an appointment takes at most, as a rule: a longer window must still fit into one answer.
const ROW_BYTES: u64 = 1_024;

/// The next window: a time span of a calendar.
#[derive(Serialize, Deserialize)]
struct Cursor {
    calendar: String,
    /// Milliseconds after the start of the pass; negative before it.
    from: i64,
    length: i64,
    /// The longest length that GHL has not refused, where it refused one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<i64>,
}

impl Cursor {
    fn halved(self) -> Self {
        Self { length: (self.length / 2).max(LENGTH_MIN), ..self }
    }

    /// The next window of this calendar. It is twice as long where an answer twice as long would still have been read.
    fn next(self, rows: u64, bytes_max: u64, length_max: i64) -> Self {
        let has_room = rows.saturating_mul(2 * ROW_BYTES) < bytes_max;
        let length = if has_room { self.length.saturating_mul(2).min(self.accepted.unwrap_or(length_max)) } else { self.length };
        Self { from: self.from.saturating_add(self.length), length, ..self }
    }
}

pub(super) async fn window_of_appointments(scope: Scope<'_>, pass: &Pass, since: Timestamp, range: AppointmentRange) -> Result<Page> {
    let Scope { context, connection, .. } = scope;
    let calendars = connection.names.calendars(&scope.client()).await?;
    let saved = pass.cursor.clone().and_then(|cursor| serde_json::from_value::<Cursor>(cursor).ok());
    let (first, length_max) = (-millis(range.past), millis(context.config.appointments.window()).max(1));
    let first_after = |calendar: &str, accepted: Option<i64>| {
        let calendar = calendar_after(&calendars, calendar)?;
        Some(Cursor { calendar, from: first, length: accepted.unwrap_or(length_max), accepted })
    };
    let cursor = match saved {
        Some(cursor) if calendars.contains(&cursor.calendar) => Some(cursor),
        // The calendar is gone.
        Some(cursor) => first_after(&cursor.calendar, cursor.accepted),
        None => first_after("", None),
    };
    let Some(cursor) = cursor else { return Ok(Page { seen: 0, total: None, whole: true, next: None }) };
    let zone = connection.names.zone(&scope.client()).await?;
    let (from, to, more) = bounds(cursor.from, cursor.length, since, range);
    let shorter = |cursor: Cursor| Ok(Page { seen: 0, total: None, whole: true, next: Some(json!(cursor)) });
    let answer = match scope.client().calendar_events(EventsOf::Calendar(&cursor.calendar), from, to, &zone).await {
        Err(ghl::Error::TooLong) if cursor.length > LENGTH_MIN => return shorter(cursor.halved()),
        Err(ghl::Error::Refused { .. }) if cursor.length > REFUSED_LENGTH_MIN => {
            let halved = cursor.halved();
            return shorter(Cursor { accepted: Some(halved.length), ..halved });
        }
        answer => answer?,
    };
    let answer_id = AnswerId { asked_at: answer.asked_at, trace_id: answer.trace_id };
    let list = answer.value;
    leave_alone(scope, ListKind::Appointments, &list.unreadable).await?;
    let seen = list.given as u64;
    compare::records(scope, ListKind::Appointments, list.rows, &answer_id).await?;
    let bytes_max = context.config.ghl.events_bytes_max.get() as u64;
    let next = if more { Some(cursor.next(seen, bytes_max, length_max)) } else { first_after(&cursor.calendar, cursor.accepted) };
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
    fn a_window_grows_only_where_more_fits_into_an_answer_and_never_beyond_what_was_refused() {
        let cursor = || Cursor { calendar: "c".to_owned(), from: 0, length: 100, accepted: None };
        assert_eq!(cursor().next(0, 1_000_000, 1_000).length, 200);
        assert_eq!(cursor().next(0, 1_000_000, 150).length, 150);
        assert_eq!(cursor().next(600, 1_000_000, 1_000).length, 100);
        assert_eq!(Cursor { accepted: Some(120), ..cursor() }.next(0, 1_000_000, 1_000).length, 120);
        let stored: Cursor = serde_json::from_value(json!({"calendar": "c", "from": -5, "length": 7})).unwrap();
        assert_eq!((stored.from, stored.length, stored.accepted), (-5, 7, None), "as it was stored before");
    }

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
