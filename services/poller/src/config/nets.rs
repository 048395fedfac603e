//! The settings of the nets that look by themselves, explained in `config.default.toml`.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchSettings {
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    #[serde(with = "humantime_serde")]
    pub overlap: Duration,
    pub page_rows: NonZeroU32,
    pub pages_max: u32,
    pub contacts_in_flight_max: usize,
    #[serde(with = "humantime_serde")]
    pub tasks_interval: Duration,
    pub tasks_calls_per_day_max: NonZeroU32,
    #[serde(with = "humantime_serde")]
    pub appointments_interval: Duration,
    #[serde(with = "humantime_serde")]
    pub appointments_past: Duration,
    #[serde(with = "humantime_serde")]
    pub appointments_future: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepSettings {
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    #[serde(with = "humantime_serde")]
    pub check_interval: Duration,
    #[serde(with = "humantime_serde")]
    pub broken_off_pause: Duration,
    pub page_rows: NonZeroU32,
    pub pages_max: u32,
    pub empty_pages_max: u32,
    #[serde(with = "humantime_serde")]
    pub empty_page_pause: Duration,
    pub contacts_in_flight_max: usize,
    #[serde(with = "humantime_serde")]
    pub notes_within: Duration,
    #[serde(with = "humantime_serde")]
    pub notes_interval: Duration,
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
    #[serde(with = "humantime_serde")]
    pub past: Duration,
    #[serde(with = "humantime_serde")]
    pub future: Duration,
    #[serde(with = "humantime_serde")]
    pub window: Duration,
}

/// Where appointments are looked for: windows are counted from a fixed instant, so that a pass that is resumed has the same ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) past: SignedDuration,
    pub(crate) future: SignedDuration,
}

impl WatchSettings {
    pub(crate) fn appointments_span(&self) -> Span {
        span(self.appointments_past, self.appointments_future)
    }

    /// How far apart rounds of so many calls have to be to stay within what they may cost a day.
    pub(crate) fn affordable_interval(&self, calls: u64) -> Duration {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        DAY.saturating_mul(calls) / self.tasks_calls_per_day_max.get()
    }
}

impl AppointmentSettings {
    pub(crate) fn span(&self) -> Span {
        span(self.past, self.future)
    }

    pub(crate) fn window(&self) -> SignedDuration {
        SignedDuration::try_from(self.window).unwrap_or(SignedDuration::MAX)
    }
}

fn span(past: Duration, future: Duration) -> Span {
    let signed = |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    Span { past: signed(past), future: signed(future) }
}
