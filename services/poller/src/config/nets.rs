//! The settings of the nets that look by themselves, explained in `config.default.toml`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchSettings {
    pub interval: Period,
    pub saved_every: Period,
    #[serde(with = "humantime_serde")]
    pub overlap: Duration,
    pub page_rows: NonZeroU32,
    pub pages_max: u32,
    pub contacts_in_flight_max: NonZeroUsize,
    pub bulk_min: NonZeroUsize,
    pub bulk_page_rows: NonZeroU32,
    #[serde(with = "humantime_serde")]
    pub bulk_within: Duration,
    pub bulk_later_max: usize,
    pub tasks_interval: Period,
    pub tasks_calls_per_day_max: NonZeroU32,
    pub appointments_interval: Period,
    #[serde(with = "humantime_serde")]
    pub appointments_past: Duration,
    #[serde(with = "humantime_serde")]
    pub appointments_future: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepSettings {
    pub interval: Period,
    pub check_interval: Period,
    pub broken_off_pause: Period,
    pub page_rows: NonZeroU32,
    pub pages_max: u32,
    pub empty_pages_max: u32,
    #[serde(with = "humantime_serde")]
    pub empty_page_pause: Duration,
    pub contacts_in_flight_max: NonZeroUsize,
    pub notes_within: Period,
    pub notes_interval: Period,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParitySettings {
    pub interval: Period,
    pub by_age: u32,
    pub by_chance: u32,
    #[serde(with = "humantime_serde")]
    pub recheck_pause: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResyncSettings {
    pub check_interval: Period,
    pub contacts_max: NonZeroUsize,
    pub contacts_in_flight_max: NonZeroUsize,
    pub batch: NonZeroU32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookSettings {
    pub by_id_max: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeSettings {
    #[serde(with = "humantime_serde")]
    pub asked_after: Duration,
    pub owed_max: NonZeroUsize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefutedSettings {
    pub rows_max: NonZeroUsize,
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    #[serde(with = "humantime_serde")]
    pub missing_pause: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSettings {
    pub page_rows: NonZeroU32,
    pub overlap_rows: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppointmentSettings {
    pub from: Date,
    pub to: Date,
    pub window: Period,
    /// Of versions that read a part of the appointments only.
    #[serde(default, skip_serializing)]
    past: Option<String>,
    #[serde(default, skip_serializing)]
    future: Option<String>,
}

impl Check for AppointmentSettings {
    fn check(&self, problems: &mut Problems) {
        problems.check(self.from < self.to, "from", "must be before appointments.to");
        for (key, given) in [("past", &self.past), ("future", &self.future)] {
            problems.check(
                given.is_none(),
                key,
                "is not used any more: all appointments from appointments.from to appointments.to are read",
            );
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VanishingSettings {
    #[serde(with = "humantime_serde")]
    pub again_after: Duration,
    pub remembered_max: NonZeroUsize,
    pub count_min: u64,
    pub share: f64,
    #[serde(with = "humantime_serde")]
    pub released_for: Duration,
}

impl VanishingSettings {
    /// Whether so much within an hour is more than may vanish unannounced, where so much is left.
    pub(crate) fn is_unusual(&self, vanished: u64, present: u64) -> bool {
        let small = |count: u64| u32::try_from(count).map_or(4_294_967_295.0, f64::from);
        vanished > self.count_min && small(vanished) > self.share * small(present.saturating_add(vanished))
    }

    /// Whether what was released at an instant may still vanish.
    pub(crate) fn is_released(&self, at: Timestamp, now: Timestamp) -> bool {
        now.duration_since(at) <= signed(self.released_for)
    }
}

impl Check for VanishingSettings {
    fn check(&self, problems: &mut Problems) {
        problems.check((0.0..=1.0).contains(&self.share), "share", "must be between 0 and 1");
    }
}

/// How far from its beginning a pass looks for appointments. It counts from a fixed instant, so that a resumed pass has the same windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AppointmentRange {
    pub(crate) past: SignedDuration,
    pub(crate) future: SignedDuration,
}

impl AppointmentRange {
    fn new(past: Duration, future: Duration) -> Self {
        Self { past: signed(past), future: signed(future) }
    }
}

impl WatchSettings {
    pub(crate) fn appointments_range(&self) -> AppointmentRange {
        AppointmentRange::new(self.appointments_past, self.appointments_future)
    }

    /// The shortest interval between rounds of so many calls that stays within `tasks_calls_per_day_max`.
    pub(crate) fn affordable_interval(&self, calls: u64) -> Duration {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        DAY.saturating_mul(calls) / self.tasks_calls_per_day_max.get()
    }
}

impl AppointmentSettings {
    /// For a pass that begins at an instant.
    pub(crate) fn range(&self, since: Timestamp) -> AppointmentRange {
        let midnight = |day: Date| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(since);
        AppointmentRange { past: since.duration_since(midnight(self.from)), future: midnight(self.to).duration_since(since) }
    }

    pub(crate) fn window(&self) -> SignedDuration {
        signed(*self.window)
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
