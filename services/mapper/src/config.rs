//! The settings, explained in `config.default.toml`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use chassis::{ServerSettings, TelemetrySettings};
use domain::Rules;
use serde::{Deserialize, Serialize};
use settings::{Check, Interval, Problems};
use stage::RetrySettings;

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
    pub health: Interval,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    pub messages_max: NonZeroUsize,
    pub in_flight_max: NonZeroUsize,
    pub intent_bytes_max: NonZeroUsize,
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
        problems.nest("telemetry", &self.telemetry);
        problems.nest("log", &self.log);
        problems.nest("bus", &self.bus);
        problems.nest("retry", &self.retry);
        if let Err(error) = self.rules() {
            problems.refuse("rules_file", format_args!("{error:#}"));
        }
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
