//! A duration that is not zero.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use humantime_serde::re::humantime::{format_duration, parse_duration};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration greater than zero, written as `500ms`, `30s` or `1day`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(Duration);

/// The table of something that happens from time to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    pub interval: Period,
}

impl Period {
    pub const fn from_millis(millis: u64) -> Self {
        assert!(millis > 0, "a period is greater than zero");
        Self(Duration::from_millis(millis))
    }

    pub const fn from_secs(seconds: u64) -> Self {
        assert!(seconds > 0, "a period is greater than zero");
        Self(Duration::from_secs(seconds))
    }

    /// None when the duration is zero.
    pub fn new(duration: Duration) -> Option<Self> {
        (!duration.is_zero()).then_some(Self(duration))
    }
}

impl Deref for Period {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Self {
        period.0
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        format_duration(self.0).fmt(f)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl Visitor<'_> for Written {
            type Value = Period;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration greater than zero, such as 500ms or 1h")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
                parse_duration(text).ok().and_then(Period::new).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Written)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(text: &str) -> Result<Period, toml::de::Error> {
        toml::from_str::<BTreeMap<String, Period>>(&format!("every = {text}")).map(|mut all| all.remove("every").unwrap())
    }

    #[test]
    fn a_period_is_written_as_it_is_read() {
        for (text, duration) in
            [("500ms", Duration::from_millis(500)), ("30s", Duration::from_secs(30)), ("1day", Duration::from_hours(24))]
        {
            let period = read(&format!("{text:?}")).unwrap();
            assert_eq!((*period, period.to_string().as_str()), (duration, text));
        }
    }

    #[test]
    fn a_period_is_not_zero() {
        for text in ["\"0s\"", "\"0\"", "0", "\"soon\"", "5"] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("expected a duration greater than zero"), "{text}: {error}");
        }
        assert_eq!(Period::new(Duration::ZERO), None);
    }
}
