//! The settings, explained in `config.default.toml`.

use std::time::Duration;

use chassis::{ServerSettings, TelemetrySettings};
use domain::Backoff;
use serde::{Deserialize, Serialize};
use settings::{Check, Problems};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    pub server: ServerSettings,
    pub telemetry: TelemetrySettings,
    pub log: eventlog::Settings,
    pub bus: bus::Settings,
    pub bridge: pagico::Settings,
    pub batches: BatchSettings,
    pub replays: ReplaySettings,
    pub retry: RetrySettings,
    pub health: IntervalSettings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    pub messages_max: usize,
    pub in_flight_max: usize,
    pub locations_max: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaySettings {
    pub messages_max: usize,
    pub in_flight_max: usize,
    #[serde(with = "humantime_serde")]
    pub give_way_max: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    #[serde(with = "humantime_serde")]
    pub first: Duration,
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
    pub deliveries_max: u32,
}

impl RetrySettings {
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff { first: self.first, longest: self.longest }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntervalSettings {
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

impl Check for Config {
    fn check(&self, problems: &mut Problems) {
        problems.nest("server", &self.server);
        problems.extend(self.other_problems());
    }
}

impl Config {
    fn other_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        problems.extend(self.log.problems().into_iter().map(|problem| format!("log.{problem}")));
        problems.extend(self.bus.problems().into_iter().map(|problem| format!("bus.{problem}")));
        problems.extend(self.bridge.problems().into_iter().map(|problem| format!("bridge.{problem}")));
        if self.retry.first > self.retry.longest {
            problems.push("retry.first must not be longer than retry.longest".to_owned());
        }
        problems.extend(self.at_least_one().map(|key| format!("{key} must be at least 1")));
        problems.extend(self.longer_than_nothing().map(|key| format!("{key} must be longer than nothing")));
        problems
    }
}

impl chassis::Settings for Config {
    const SERVICE: &'static str = "writer";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }

    fn grace(&self) -> Duration {
        self.grace
    }
}

impl Config {
    fn at_least_one(&self) -> impl Iterator<Item = &'static str> {
        [
            ("batches.messages_max", self.batches.messages_max),
            ("batches.in_flight_max", self.batches.in_flight_max),
            ("batches.locations_max", self.batches.locations_max),
            ("replays.messages_max", self.replays.messages_max),
            ("replays.in_flight_max", self.replays.in_flight_max),
            ("retry.deliveries_max", usize::try_from(self.retry.deliveries_max).unwrap_or(usize::MAX)),
        ]
        .into_iter()
        .filter_map(|(key, value)| (value == 0).then_some(key))
    }

    fn longer_than_nothing(&self) -> impl Iterator<Item = &'static str> {
        [("retry.first", self.retry.first), ("health.interval", self.health.interval)]
            .into_iter()
            .filter_map(|(key, value)| value.is_zero().then_some(key))
    }
}
