//! Times as GHL writes them: with `Z`, with an offset, as epoch milliseconds, and as naive local strings of the location.

use domain::Moment;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

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
        TimeZone::get(name).map_or(Self::UNKNOWN, |zone| Self { name: Some(name.to_owned()), zone: Some(zone) })
    }

    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Skipped and repeated local times are read as most calendars do: the later one in a gap, the earlier one in a fold.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        self.zone.as_ref()?.to_ambiguous_timestamp(local).compatible().ok()
    }
}

/// A point in time, however it is written; what cannot be read stays as text.
pub(crate) fn moment(value: &Value, zone: &Zone) -> Option<Moment> {
    match value {
        Value::Null => None,
        Value::String(text) => match text.trim() {
            "" => None,
            text => Some(instant(text, zone).map_or_else(|| Moment::Text(text.to_owned()), Moment::At)),
        },
        Value::Number(number) => Some(number.as_i64().and_then(millis).map_or_else(|| Moment::Text(number.to_string()), Moment::At)),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Some(Moment::Text(value.to_string())),
    }
}

/// A day without a time, such as a birthday: midnight in any spelling is the same day, whichever endpoint gave it.
pub(crate) fn day(value: &Value, zone: &Zone) -> Option<Moment> {
    if let Value::String(text) = value
        && let Some((date, time)) = text.trim().split_at_checked("2000-01-05".len())
        && date.parse::<jiff::civil::Date>().is_ok()
        && (time.is_empty() || (time.starts_with(['T', ' ']) && time.chars().all(|c| matches!(c, 'T' | ' ' | '0' | ':' | '.' | 'Z' | '+'))))
    {
        return Some(Moment::Text(date.to_owned()));
    }
    match moment(value, zone)? {
        Moment::At(at) if value.is_number() && at.as_second() % 86_400 == 0 => {
            Some(Moment::Text(TimeZone::UTC.to_datetime(at).date().to_string()))
        }
        other @ (Moment::At(_) | Moment::Text(_)) => Some(other),
    }
}

/// The same moment without parts of a second.
pub(crate) fn whole_second(moment: Moment) -> Moment {
    match moment {
        Moment::At(at) => Moment::At(Timestamp::from_second(at.as_second()).unwrap_or(at)),
        text @ Moment::Text(_) => text,
    }
}

fn instant(text: &str, zone: &Zone) -> Option<Timestamp> {
    if text.len() >= EPOCH_MILLIS_DIGITS_MIN && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().and_then(millis);
    }
    text.parse::<Timestamp>().ok().or_else(|| text.parse::<DateTime>().ok().and_then(|local| zone.instant(local)))
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
        assert_eq!(moment(&value, &Zone::named("Europe/Berlin")).map(String::from).as_deref(), read);
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
        check(json!({"seconds": 1}), Some("{\"seconds\":1}"));
    }

    #[test]
    fn a_local_time_of_an_unknown_zone_stays_text() {
        assert_eq!(Zone::named("Mars/Olympus"), Zone::UNKNOWN);
        assert_eq!(moment(&json!("2021-07-16 11:00:00"), &Zone::UNKNOWN), Some(Moment::Text("2021-07-16 11:00:00".to_owned())));
    }

    #[test]
    fn a_birthday_is_one_day_in_every_spelling() {
        for spelling in
            [json!("2000-01-05"), json!("2000-01-05T00:00:00.000Z"), json!("2000-01-05T00:00:00+00:00"), json!(947_030_400_000_i64)]
        {
            assert_eq!(day(&spelling, &Zone::named("America/New_York")), Some(Moment::Text("2000-01-05".to_owned())), "{spelling}");
        }
        assert_eq!(day(&json!("Jan 5th"), &Zone::UNKNOWN), Some(Moment::Text("Jan 5th".to_owned())));
    }
}
