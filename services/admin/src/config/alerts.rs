//! The settings of `[alerts]`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use domain::Backoff;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use notifier::{MailSettings, WebhookSettings};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use settings::{Check, Period, Problems};

use crate::alerts::condition::Condition;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertSettings {
    /// What the installation is called in messages.
    pub name: String,
    pub interval: Period,
    pub lease: Period,
    #[serde(with = "humantime_serde")]
    pub group_wait: Duration,
    #[serde(with = "humantime_serde")]
    pub resolved_after: Duration,
    pub changes_max: NonZeroU32,
    pub message_bytes_max: NonZeroUsize,
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    pub retention_interval: Period,
    pub silence_max: Period,
    pub retry: AlertRetrySettings,
    pub when: ConditionSettings,
    pub quiet: QuietSettings,
    pub webhook: WebhookSettings,
    pub mail: MailSettings,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRetrySettings {
    pub first: Period,
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
}

impl AlertRetrySettings {
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff { first: *self.first, longest: self.longest }
    }
}

/// From when on something is a condition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionSettings {
    pub backfill_stuck_after: Period,
    pub sweep_overdue_after: Period,
    #[serde(with = "humantime_serde")]
    pub lag_after: Duration,
    #[serde(with = "humantime_serde")]
    pub no_poller_after: Duration,
    #[serde(with = "humantime_serde")]
    pub stream_lost_for: Duration,
    pub drift_count_min: u64,
    pub drift_share_min: f64,
    pub disks: Vec<PathBuf>,
    pub disk_free_min: f64,
}

/// The hours in which people are left in peace.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietSettings {
    #[serde(with = "time_of_day")]
    pub from: Option<Time>,
    #[serde(with = "time_of_day")]
    pub until: Option<Time>,
    #[serde(serialize_with = "name_of_zone", deserialize_with = "zone_by_name")]
    pub time_zone: TimeZone,
    pub(crate) except: Vec<Condition>,
}

impl QuietSettings {
    pub(crate) fn holds_at(&self, now: Timestamp) -> bool {
        let (Some(from), Some(until)) = (self.from, self.until) else { return false };
        let time = now.to_zoned_datetime(self.time_zone.clone()).time();
        if from <= until { (from..until).contains(&time) } else { time >= from || time < until }
    }
}

impl Check for AlertSettings {
    fn check(&self, problems: &mut Problems) {
        problems.nest("webhook", &self.webhook);
        problems.nest("mail", &self.mail);
        problems.check(self.quiet.from.is_some() == self.quiet.until.is_some(), "quiet", "needs both from and until, or neither");
        problems.check((0.0..=1.0).contains(&self.when.drift_share_min), "when.drift_share_min", "must be from 0 to 1");
        problems.check((0.0..1.0).contains(&self.when.disk_free_min), "when.disk_free_min", "must be from 0 to less than 1");
        problems.check(*self.retry.first <= self.retry.longest, "retry.first", "must not be longer than retry.longest");
        let longest = (*self.webhook.timeout).max(*self.mail.timeout).max(*self.interval);
        problems.check(*self.lease > longest, "lease", "must be longer than interval, webhook.timeout and mail.timeout");
    }
}

/// `22:00`, or nothing where the text is empty.
mod time_of_day {
    use super::{Deserialize, Deserializer, Serializer, Time, de};

    pub(super) fn serialize<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time.map(|time| time.strftime("%H:%M").to_string()).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        Time::strptime("%H:%M", &text).map(Some).map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), &"a time such as 22:00"))
    }
}

fn name_of_zone<S: Serializer>(zone: &TimeZone, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.iana_name().unwrap_or("UTC"))
}

fn zone_by_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeZone, D::Error> {
    let name = String::deserialize(deserializer)?;
    let unknown = |_| de::Error::invalid_value(de::Unexpected::Str(&name), &"a time zone by its IANA name, such as Europe/Vienna");
    TimeZone::get(&name).map_err(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(from: &str, until: &str) -> QuietSettings {
        let text = serde_json::json!({ "from": from, "until": until, "time_zone": "Europe/Vienna", "except": ["parked"] });
        serde_json::from_value(text).unwrap()
    }

    #[track_caller]
    fn holds(quiet: &QuietSettings, at: &str) -> bool {
        quiet.holds_at(at.parse().unwrap())
    }

    #[test]
    fn the_night_is_quiet_by_the_clock_of_the_place() {
        let night = quiet("22:00", "07:00");
        // In winter Vienna is an hour ahead of UTC, in summer two.
        assert!(!holds(&night, "2026-01-10T20:59:59Z") && holds(&night, "2026-01-10T21:00:00Z"));
        assert!(holds(&night, "2026-01-11T05:59:59Z") && !holds(&night, "2026-01-11T06:00:00Z"));
        assert!(holds(&night, "2026-07-10T20:00:00Z") && !holds(&night, "2026-07-11T05:00:00Z"));
        let noon = quiet("12:00", "13:00");
        assert!(holds(&noon, "2026-01-10T11:30:00Z") && !holds(&noon, "2026-01-10T12:00:00Z"));
        assert!(!holds(&quiet("", ""), "2026-01-10T23:00:00Z"));
    }

    #[test]
    fn quiet_hours_are_written_as_they_are_read() {
        let written = serde_json::to_value(quiet("22:00", "")).unwrap();
        assert_eq!(written, serde_json::json!({ "from": "22:00", "until": "", "time_zone": "Europe/Vienna", "except": ["parked"] }));
        for wrong in [("25:00", "UTC"), ("22:00", "Vienna")] {
            let text = serde_json::json!({ "from": wrong.0, "until": "", "time_zone": wrong.1, "except": [] });
            assert!(serde_json::from_value::<QuietSettings>(text).is_err(), "{wrong:?}");
        }
    }
}
