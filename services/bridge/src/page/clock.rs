//! Times as people read them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde::Serialize;

/// A time as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct When {
    pub(super) text: String,
    /// For machines; none when the time could not be understood.
    pub(super) datetime: Option<String>,
    /// `overdue`, `today`, `soon` or nothing.
    pub(super) tone: &'static str,
}

/// Where times are shown: the zone of that name, or UTC.
pub(super) fn zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// The name to show beside times, as long as it says something.
pub(super) fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

fn is_midnight(at: &ZonedDateTime) -> bool {
    (at.hour(), at.minute(), at.second()) == (0, 0, 0)
}

fn day(at: &ZonedDateTime, now: &ZonedDateTime) -> String {
    let days = days_between(now, at);
    match days {
        Some(0) => "Today".to_owned(),
        Some(1) => "Tomorrow".to_owned(),
        Some(-1) => "Yesterday".to_owned(),
        _ if at.year() == now.year() => at.strftime("%a %-d %b").to_string(),
        _ => at.strftime("%a %-d %b %Y").to_string(),
    }
}

fn days_between(from: &ZonedDateTime, to: &ZonedDateTime) -> Option<i32> {
    let span = to.date().since((jiff::Unit::Day, from.date())).ok()?;
    Some(span.get_days())
}

/// When a task is due, as it reads after "due". Midnight in its zone stands for the whole day; where its zone is not known, no midnight does.
pub(super) fn due(text: &str, now: Timestamp, own_zone: Option<&TimeZone>) -> When {
    let zone = own_zone.cloned().unwrap_or(TimeZone::UTC);
    let Ok(at) = text.parse::<Timestamp>() else {
        return When { text: text.to_owned(), datetime: None, tone: "" };
    };
    let (local, now) = (at.to_zoned_datetime(zone.clone()), now.to_zoned_datetime(zone));
    let days = days_between(&now, &local);
    let is_day = own_zone.is_some() && is_midnight(&local);
    let is_over = if is_day { days.is_some_and(|days| days < 0) } else { local < now };
    let tone = match days {
        _ if is_over => "overdue",
        Some(0) => "today",
        Some(1) => "soon",
        _ => "",
    };
    let time = if is_day { String::new() } else { local.strftime(", %H:%M").to_string() };
    let day = match days {
        Some(-1..=1) => day(&local, &now).to_lowercase(),
        _ => day(&local, &now),
    };
    When { text: format!("{day}{time}"), datetime: Some(at.to_string()), tone }
}

/// When something was written or changed.
pub(super) fn at(text: &str, now: Timestamp, zone: &TimeZone) -> When {
    text.parse::<Timestamp>().map_or_else(|_| When { text: text.to_owned(), datetime: None, tone: "" }, |at| instant(at, now, zone))
}

pub(super) fn instant(at: Timestamp, now: Timestamp, zone: &TimeZone) -> When {
    let (local, now) = (at.to_zoned_datetime(zone.clone()), now.to_zoned_datetime(zone.clone()));
    When { text: format!("{}{}", day(&local, &now), local.strftime(", %H:%M")), datetime: Some(at.to_string()), tone: "" }
}

/// From when to when, in the zone of the appointment.
pub(super) fn range(starts: Option<&str>, ends: Option<&str>, now: Timestamp, zone: &TimeZone) -> Option<When> {
    let start = starts?;
    let Ok(from) = start.parse::<Timestamp>() else {
        let text = ends.map_or_else(|| start.to_owned(), |ends| format!("{start} – {ends}"));
        return Some(When { text, datetime: None, tone: "" });
    };
    let (local, now_there) = (from.to_zoned_datetime(zone.clone()), now.to_zoned_datetime(zone.clone()));
    let begun = local < now_there;
    let tone = match days_between(&now_there, &local) {
        Some(0) if !begun => "today",
        Some(1) => "soon",
        _ => "",
    };
    let mut text = format!("{}{}", day(&local, &now_there), local.strftime(", %H:%M"));
    match ends.map(str::parse::<Timestamp>) {
        Some(Ok(until)) => {
            let until = until.to_zoned_datetime(zone.clone());
            let form = if until.date() == local.date() { "%H:%M" } else { "%a %-d %b, %H:%M" };
            text.push_str(&format!(" – {}", until.strftime(form)));
        }
        Some(Err(_)) => text.push_str(&format!(" – {}", ends.unwrap_or_default())),
        None => {}
    }
    Some(When { text, datetime: Some(from.to_string()), tone })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-02-03T12:00:00Z".parse().unwrap()
    }

    fn due_in(text: &str, name: &str) -> (String, &'static str) {
        let when = due(text, now(), Some(&zone(Some(name))));
        (when.text, when.tone)
    }

    #[test]
    fn case_14_what_is_due_near_midnight_is_due_on_the_day_of_its_own_zone() {
        let shown = |due: &str| due_in(due, "America/Los_Angeles").0;
        assert_eq!(shown("2026-11-02T01:30:00Z"), "Sun 1 Nov, 17:30");
        assert_eq!(shown("2026-11-02T08:00:00Z"), "Mon 2 Nov", "any time on that day");
        assert_eq!(shown("2026-11-02T00:00:00Z"), "Sun 1 Nov, 16:00");
        assert_eq!(due("2026-11-02T00:00:00Z", now(), None).text, "Mon 2 Nov, 00:00", "of an unknown zone no midnight is a day");
    }

    #[test]
    fn a_due_time_is_overdue_when_it_passed_and_a_day_when_it_ended() {
        assert_eq!(due_in("2026-02-03T11:00:00Z", "UTC"), ("today, 11:00".to_owned(), "overdue"));
        assert_eq!(due_in("2026-02-03T00:00:00Z", "UTC"), ("today".to_owned(), "today"));
        assert_eq!(due_in("2026-02-02T00:00:00Z", "UTC"), ("yesterday".to_owned(), "overdue"));
        assert_eq!(due_in("2026-02-04T09:30:00Z", "Europe/Berlin"), ("tomorrow, 10:30".to_owned(), "soon"));
        assert_eq!(due_in("2026-12-24T18:00:00Z", "UTC"), ("Thu 24 Dec, 18:00".to_owned(), ""));
        assert_eq!(due_in("2027-12-24T18:00:00Z", "UTC"), ("Fri 24 Dec 2027, 18:00".to_owned(), ""));
        assert_eq!(due_in("tomorrow 3pm", "UTC"), ("tomorrow 3pm".to_owned(), ""));
    }

    #[test]
    fn appointments_are_shown_in_their_own_zone() {
        let shown = |starts, ends, name| range(Some(starts), ends, now(), &zone(name)).unwrap().text;
        assert_eq!(shown("2026-02-05T23:30:00Z", Some("2026-02-06T00:30:00Z"), Some("America/New_York")), "Thu 5 Feb, 18:30 – 19:30");
        assert_eq!(shown("2026-02-05T23:30:00Z", Some("2026-02-06T00:30:00Z"), None), "Thu 5 Feb, 23:30 – Fri 6 Feb, 00:30");
        assert_eq!(
            shown("2026-07-16 11:00:00", Some("2026-07-16 12:00:00"), Some("Europe/Berlin")),
            "2026-07-16 11:00:00 – 2026-07-16 12:00:00"
        );
        assert_eq!(range(None, None, now(), &zone(None)), None);
    }

    #[test]
    fn an_unknown_zone_is_utc_and_says_so() {
        assert_eq!(zone_name(&zone(Some("Mars/Base"))), "UTC");
        assert_eq!(zone_name(&zone(Some("Europe/Berlin"))), "Europe/Berlin");
    }
}
