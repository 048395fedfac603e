//! Times and positions as people type them.

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use proto::audit::v1 as audit;

const EXPECTED: &str = "a time such as 2026-03-01, 2026-03-01T09:30Z or 2h (ago)";

/// Which of an event's two times counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// When it was written to the log: what was known then.
    #[default]
    Recorded,
    /// When it happened, by GHL's word.
    Occurred,
}

/// A time: RFC 3339, a date with or without a time of day in UTC, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant(Timestamp);

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self(at));
        }
        if let Ok(at) = text.parse::<DateTime>() {
            return TimeZone::UTC.to_timestamp(at).map(Self).map_err(|error| error.to_string());
        }
        let span: Span = text.parse().map_err(|_| format!("must be {EXPECTED}"))?;
        let ago = TimeZone::UTC.to_datetime(Timestamp::now()).checked_sub(span.abs());
        ago.and_then(|ago| TimeZone::UTC.to_timestamp(ago)).map(Self).map_err(|_| format!("must be {EXPECTED}"))
    }
}

impl From<Instant> for prost_types::Timestamp {
    fn from(Instant(at): Instant) -> Self {
        Self { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
    }
}

/// A moment to look back to: a position of the log, or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Position(u64),
    Instant(Instant),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(position) = text.strip_prefix('#').unwrap_or(text).parse() {
            return Ok(Self::Position(position));
        }
        text.parse().map(Self::Instant).map_err(|_| format!("must be a position of the log, or {EXPECTED}"))
    }
}

impl Moment {
    pub(crate) fn point(self, by: By) -> audit::Point {
        let at = match (self, by) {
            (Self::Position(position), _) => audit::point::At::Position(position),
            (Self::Instant(at), By::Recorded) => audit::point::At::RecordedAt(at.into()),
            (Self::Instant(at), By::Occurred) => audit::point::At::OccurredAt(at.into()),
        };
        audit::Point { at: Some(at) }
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "must be a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero()).ok_or_else(|| "must be greater than zero".to_owned())
}

/// How long something lasts; a day has 24 hours.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let expected = |_| "must be a length of time such as 2h or 3days".to_owned();
    let span: Span = text.parse().map_err(expected)?;
    let from = DateTime::constant(2026, 1, 1, 0, 0, 0, 0);
    let until = from.checked_add(span).map_err(expected)?;
    Duration::try_from(until.duration_since(from)).ok().filter(|span| !span.is_zero()).ok_or_else(|| "must be greater than zero".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_unit_and_is_not_zero() {
        assert_eq!(span("2h"), Ok(Duration::from_hours(2)));
        assert_eq!(span("3days"), Ok(Duration::from_hours(72)));
        for wrong in ["0s", "-2h", "2", "soon"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_are_read_as_people_type_them() {
        let instant = |text: &str| text.parse::<Instant>().map(|Instant(at)| at.to_string());
        assert_eq!(instant("2026-03-01").as_deref(), Ok("2026-03-01T00:00:00Z"));
        assert_eq!(instant("2026-03-01 09:30").as_deref(), Ok("2026-03-01T09:30:00Z"));
        assert_eq!(instant("2026-03-01T09:30:00+02:00").as_deref(), Ok("2026-03-01T07:30:00Z"));
        let Ok(Instant(ago)) = "3d 2h".parse::<Instant>() else { panic!("no span") };
        let hours = Timestamp::now().duration_since(ago).as_hours();
        assert_eq!(hours, 74);
        assert!(instant("soon").is_err_and(|error| error.contains("2026-03-01")));
        assert_eq!(["7", "#7"].map(str::parse), [Ok(Moment::Position(7)), Ok(Moment::Position(7))]);
        assert!("yesterdayish".parse::<Moment>().is_err());
    }
}
