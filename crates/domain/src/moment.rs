//! A point in time from outside.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

/// A time from outside: an instant if it can be parsed, otherwise the original text, so that nothing is lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Moment {
    At(Timestamp),
    Text(String),
}

impl Moment {
    /// Reads an RFC 3339 time with offset or `Z`; anything else is kept as text.
    pub fn read(text: impl Into<String>) -> Self {
        let text = text.into();
        text.parse().map_or(Self::Text(text), Self::At)
    }

    /// The day that a midnight somewhere on earth begins: GHL gives days as midnights in UTC, or in a zone that it does not name.
    pub fn nearest_day(midnight: Timestamp) -> Date {
        let utc = TimeZone::UTC.to_datetime(midnight);
        // Midnight west of Greenwich is in the first half of the day in UTC; midnight east of it is late on the day before.
        if utc.hour() < 12 { utc.date() } else { utc.date().saturating_add(1.day()) }
    }

    pub fn instant(&self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(*at),
            Self::Text(_) => None,
        }
    }
}

impl From<String> for Moment {
    fn from(text: String) -> Self {
        Self::read(text)
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self::At(at)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => at.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_compare_by_time_and_unreadable_times_keep_their_text() {
        assert_eq!(Moment::read("2023-09-25T16:00:00+05:30"), Moment::read("2023-09-25T10:30:00Z"));
        assert_eq!(Moment::read("tomorrow 3pm").to_string(), "tomorrow 3pm");
        assert_eq!(Moment::read("2021-07-16 11:00:00").instant(), None);
    }
}
