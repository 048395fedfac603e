//! Times as GHL writes them: with `Z`, with an offset, as epoch milliseconds, and as naive local strings of the location.

use domain::{Doubt, Moment};
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use crate::json::Unreadable;

/// Digits of the shortest number that is taken for epoch milliseconds when it comes as a string: September 2001.
const EPOCH_MILLIS_DIGITS_MIN: usize = 13;

/// The time zone of a location: where its naive times are.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    name: Option<String>,
    zone: Option<TimeZone>,
}

impl Zone {
    /// Naive times stay text.
    pub const UNKNOWN: Self = Self { name: None, zone: None };

    /// By IANA name; a name that is not in the time zone database gives the unknown zone.
    pub fn named(name: &str) -> Self {
        let name = name.trim();
        TimeZone::get(name).map_or(Self::UNKNOWN, |zone| Self { name: Some(name.to_owned()), zone: Some(zone) })
    }

    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Skipped and repeated local times are read as most calendars do: the later one in a gap, the earlier one in a fold, where the later
    /// one is as likely.
    fn instant(&self, local: DateTime) -> Option<(Timestamp, Option<Doubt>)> {
        let ambiguous = self.zone.as_ref()?.to_ambiguous_timestamp(local);
        let other = match ambiguous.offset() {
            AmbiguousOffset::Fold { .. } => ambiguous.later().ok().map(|later| Doubt::Or(Moment::At(later))),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => None,
        };
        Some((ambiguous.compatible().ok()?, other))
    }
}

/// A point in time, however it is written, and what else it may mean; what cannot be read stays as text.
pub(crate) fn moment(value: &Value, zone: &Zone) -> Result<Option<(Moment, Option<Doubt>)>, Unreadable> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(match text.trim() {
            "" => None,
            text => Some(read(text, zone)),
        }),
        Value::Number(number) => {
            Ok(Some((number.as_i64().and_then(millis).map_or_else(|| Moment::Text(number.to_string()), Moment::At), None)))
        }
        Value::Object(fields) => {
            let seconds = ["_seconds", "seconds"].iter().find_map(|key| fields.get(*key)).and_then(Value::as_i64);
            let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or(Unreadable)?;
            Ok(Some((Moment::At(at), None)))
        }
        Value::Bool(_) | Value::Array(_) => Err(Unreadable),
    }
}

/// A day without a time, such as a birthday, whichever endpoint gave it: as a date, or as midnight in UTC or in the location's zone.
pub(crate) fn day(value: &Value, zone: &Zone) -> Result<Option<Moment>, Unreadable> {
    if let Value::String(text) = value
        && let Some((date, time)) = text.trim().split_at_checked("2000-01-05".len())
        && date.parse::<Date>().is_ok()
        && (time.is_empty() || is_midnight(time) || text.trim().parse::<Timestamp>().is_err())
    {
        return Ok(Some(Moment::Text(date.to_owned())));
    }
    Ok(moment(value, zone)?.map(|(moment, _)| match moment {
        Moment::At(at) => Moment::Text(day_of(at, zone).to_string()),
        text @ Moment::Text(_) => text,
    }))
}

/// Whether what follows a date is midnight where it was written.
fn is_midnight(time: &str) -> bool {
    let Some(time) = time.strip_prefix(['T', ' ']) else { return false };
    let clock = time.find(['Z', '+', '-']).and_then(|end| time.get(..end)).unwrap_or(time);
    clock.starts_with("00:00") && clock.chars().all(|c| matches!(c, '0' | ':' | '.'))
}

/// The day that begins at this midnight. Zones had other offsets when people were born, so an hour off is midnight, too.
fn day_of(midnight: Timestamp, zone: &Zone) -> Date {
    if let (Some(zone), true) = (&zone.zone, midnight.as_second() % 86_400 != 0) {
        let local = zone.to_datetime(midnight);
        match local.hour() {
            0 | 1 => return local.date(),
            23 => return local.date().saturating_add(1.day()),
            _ => {}
        }
    }
    Moment::nearest_day(midnight)
}

/// The same moment without parts of a second.
pub(crate) fn whole_second(moment: Moment) -> Moment {
    match moment {
        Moment::At(at) => Moment::At(Timestamp::from_second(at.as_second()).unwrap_or(at)),
        text @ Moment::Text(_) => text,
    }
}

fn read(text: &str, zone: &Zone) -> (Moment, Option<Doubt>) {
    if text.len() >= EPOCH_MILLIS_DIGITS_MIN && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let at = text.parse().ok().and_then(millis);
        return (at.map_or_else(|| Moment::Text(text.to_owned()), Moment::At), None);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return (Moment::At(at), None);
    }
    match text.parse::<DateTime>().map(|local| zone.instant(local)) {
        Ok(Some((at, doubt))) => (Moment::At(at), doubt),
        Ok(None) => (Moment::Text(text.to_owned()), Some(Doubt::Unplaced)),
        Err(_) => (Moment::Text(text.to_owned()), None),
    }
}

fn millis(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: Value, read: Option<&str>) {
        let moment = moment(&value, &Zone::named("Europe/Berlin")).ok().flatten();
        assert_eq!(moment.map(|(moment, _)| String::from(moment)).as_deref(), read);
    }

    #[test]
    fn every_spelling_of_a_time_is_the_same_instant() {
        for spelling in [
            json!("2023-09-25T10:30:00.000Z"),
            json!("2023-09-25T16:00:00+05:30"),
            json!("2023-09-25 12:30:00"),
            json!("2023-09-25T12:30:00"),
            json!(1_695_637_800_000_i64),
            json!("1695637800000"),
        ] {
            check(spelling, Some("2023-09-25T10:30:00Z"));
        }
    }

    #[test]
    fn a_local_time_is_read_in_the_zone_of_the_location_with_its_summer_time() {
        check(json!("2021-07-16 11:00:00"), Some("2021-07-16T09:00:00Z"));
        check(json!("2021-01-16 11:00:00"), Some("2021-01-16T10:00:00Z"));
        check(json!("2021-07-16"), Some("2021-07-15T22:00:00Z"));
    }

    #[test]
    fn local_times_that_do_not_exist_or_exist_twice_are_still_read() {
        check(json!("2023-03-26 02:30:00"), Some("2023-03-26T01:30:00Z"));
        check(json!("2023-10-29 02:30:00"), Some("2023-10-29T00:30:00Z"));
    }

    #[test]
    fn what_is_not_a_time_stays_as_it_is() {
        check(json!("next Tuesday"), Some("next Tuesday"));
        check(json!(""), None);
        check(Value::Null, None);
        check(json!({"_seconds": 1_695_637_800, "_nanoseconds": 0}), Some("2023-09-25T10:30:00Z"));
        for unreadable in [json!(true), json!([1]), json!({"at": 1})] {
            assert!(moment(&unreadable, &Zone::UNKNOWN).is_err(), "{unreadable}");
        }
    }

    #[test]
    fn a_local_time_that_may_mean_another_moment_says_so() {
        let doubt = |text: &str, zone: &Zone| moment(&json!(text), zone).ok().flatten().unwrap().1;
        let new_york = Zone::named("America/New_York");
        let later = Doubt::Or(Moment::read("2026-11-01T06:30:00Z"));
        assert_eq!(doubt("2026-11-01 01:30:00", &new_york), Some(later));
        assert_eq!(doubt("2026-11-01 01:30:00", &Zone::UNKNOWN), Some(Doubt::Unplaced));
        for sure in ["2026-11-01 02:30:00", "2026-11-01T01:30:00-05:00", "2026-03-08 02:30:00", "soon"] {
            assert_eq!(doubt(sure, &new_york), None, "{sure}");
        }
    }

    #[test]
    fn a_local_time_of_an_unknown_zone_stays_text() {
        let text = moment(&json!("2021-07-16 11:00:00"), &Zone::UNKNOWN).ok().flatten().unwrap().0;
        assert_eq!(text, Moment::Text("2021-07-16 11:00:00".to_owned()));
    }

    #[test]
    fn case_24_zones_are_known_by_their_old_and_padded_names_and_no_others() {
        for (name, known) in [
            ("US/Eastern", true),
            ("Pacific/Midway", true),
            (" America/New_York ", true),
            ("Eastern Time (US & Canada)", false),
            ("GMT-0500 (EST)", false),
            ("", false),
            ("Mars/Olympus", false),
        ] {
            assert_eq!(Zone::named(name) != Zone::UNKNOWN, known, "{name}");
        }
        assert_eq!(Zone::named(" America/New_York "), Zone::named("America/New_York"));
    }

    #[test]
    fn a_birthday_is_one_day_in_every_spelling() {
        #[track_caller]
        fn check(spelling: &Value, zone: &str, date: &str) {
            assert_eq!(day(spelling, &Zone::named(zone)).ok().flatten(), Some(Moment::Text(date.to_owned())), "{spelling}");
        }
        for spelling in [
            json!("2000-01-05"),
            json!("2000-01-05T00:00:00.000Z"),
            json!("2000-01-05T00:00:00+00:00"),
            json!("2000-01-05T00:00:00-05:00"),
            json!("2000-01-05 00:00:00"),
            json!("2000-01-05T05:00:00.000Z"),
            json!(947_030_400_000_i64),
            json!(947_048_400_000_i64),
        ] {
            check(&spelling, "America/New_York", "2000-01-05");
        }
        for midnight in [640_587_600_000_i64, 640_584_000_000, 640_569_600_000] {
            check(&json!(midnight), "America/New_York", "1990-04-20");
            check(&json!(midnight), "", "1990-04-20");
        }
        check(&json!(640_537_200_000_i64), "Asia/Tokyo", "1990-04-20");
        check(&json!(640_537_200_000_i64), "", "1990-04-20");
        assert_eq!(day(&json!("Jan 5th"), &Zone::UNKNOWN).ok().flatten(), Some(Moment::Text("Jan 5th".to_owned())));
        assert!(day(&json!([1]), &Zone::UNKNOWN).is_err());
    }
}
