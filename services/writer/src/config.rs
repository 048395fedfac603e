//! The settings, explained in `config.default.toml`.

use std::num::NonZeroUsize;
use std::time::Duration;

use chassis::{ServerSettings, TelemetrySettings};
use serde::{Deserialize, Serialize};
use settings::{Check, Interval, Problems};
use stage::RetrySettings;

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
    pub health: Interval,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    pub messages_max: NonZeroUsize,
    pub in_flight_max: NonZeroUsize,
    pub locations_max: NonZeroUsize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaySettings {
    pub messages_max: NonZeroUsize,
    pub in_flight_max: NonZeroUsize,
    #[serde(with = "humantime_serde")]
    pub give_way_max: Duration,
}

impl Check for Config {
    fn check(&self, problems: &mut Problems) {
        problems.nest("server", &self.server);
        problems.nest("telemetry", &self.telemetry);
        problems.nest("log", &self.log);
        problems.nest("bus", &self.bus);
        problems.nest("bridge", &self.bridge);
        problems.nest("retry", &self.retry);
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
