//! The settings, explained in `config.default.toml`.

use std::path::PathBuf;
use std::time::Duration;

use chassis::{ServerSettings, TelemetrySettings};
use domain::{Backoff, Rules};
use serde::{Deserialize, Serialize};
use settings::{Check, Problems};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_file: Option<PathBuf>,
    pub server: ServerSettings,
    pub telemetry: TelemetrySettings,
    pub log: eventlog::Settings,
    pub bus: bus::Settings,
    pub batches: BatchSettings,
    pub retry: RetrySettings,
    pub health: IntervalSettings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    pub messages_max: usize,
    pub in_flight_max: usize,
    pub intent_bytes_max: usize,
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

impl Config {
    /// The rules and their text: from the file where one is named, else those that are compiled in.
    pub(crate) fn rules(&self) -> anyhow::Result<(Rules, String)> {
        use anyhow::Context as _;
        let Some(file) = &self.rules_file else { return Ok((Rules::builtin()?, Rules::BUILTIN.to_owned())) };
        let text = std::fs::read_to_string(file).with_context(|| format!("reading the rules file {}", file.display()))?;
        Ok((Rules::parse(&text).with_context(|| format!("the rules file {}", file.display()))?, text))
    }
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
        if let Err(error) = self.rules() {
            problems.push(format!("rules_file: {error:#}"));
        }
        if self.retry.first > self.retry.longest {
            problems.push("retry.first must not be longer than retry.longest".to_owned());
        }
        let counts = [
            ("batches.messages_max", self.batches.messages_max),
            ("batches.in_flight_max", self.batches.in_flight_max),
            ("batches.intent_bytes_max", self.batches.intent_bytes_max),
            ("retry.deliveries_max", usize::try_from(self.retry.deliveries_max).unwrap_or(usize::MAX)),
        ];
        problems.extend(counts.iter().filter(|(_, value)| *value == 0).map(|(key, _)| format!("{key} must be at least 1")));
        let durations = [("retry.first", self.retry.first), ("health.interval", self.health.interval)];
        let none = durations.iter().filter(|(_, value)| value.is_zero());
        problems.extend(none.map(|(key, _)| format!("{key} must be longer than nothing")));
        problems
    }
}

impl chassis::Settings for Config {
    const SERVICE: &'static str = "mapper";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }

    fn grace(&self) -> Duration {
        self.grace
    }
}
