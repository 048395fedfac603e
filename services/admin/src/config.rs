//! The settings, explained in `config.default.toml`.

mod alerts;

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use chassis::{ServerSettings, TelemetrySettings};
use eventlog::Verification;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems};

pub use self::alerts::{AlertSettings, ConditionSettings};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    pub server: ServerSettings,
    pub telemetry: TelemetrySettings,
    pub log: eventlog::Settings,
    pub bus: bus::Settings,
    pub limits: Limits,
    pub access: AccessSettings,
    pub verify: VerifySettings,
    pub replay: ReplaySettings,
    pub health: IntervalSettings,
    pub proof: ProofSettings,
    pub seal: SealSettings,
    pub bridge: pagico::Settings,
    pub erasure: ErasureSettings,
    pub alerts: AlertSettings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureSettings {
    pub interval: Period,
    pub answer_within: Period,
    pub batch: NonZeroU32,
    pub rewrap_batch: NonZeroU32,
    pub purge_batch: NonZeroU32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub page_rows: NonZeroU32,
    pub page_rows_max: NonZeroU32,
    pub watchers_max: NonZeroUsize,
    pub watch_rows: NonZeroU32,
    pub watch_interval: Period,
    pub read_rows: NonZeroU32,
    pub scan_rows: NonZeroU32,
    pub exports_max: NonZeroUsize,
    pub export_contacts: NonZeroU32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    pub interval: Period,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaySettings {
    pub plans_max: NonZeroUsize,
    pub connections: NonZeroUsize,
    pub page_events: NonZeroU32,
    pub batch_intents: NonZeroUsize,
    pub backlog_max: NonZeroU64,
    pub backlog_interval: Period,
    pub outdate_items: NonZeroUsize,
    pub idle_rounds_max: u32,
    pub lease: Period,
    pub interval: Period,
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    pub retention_interval: Period,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifySettings {
    pub in_flight_max: NonZeroUsize,
    pub page_events: NonZeroU32,
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntervalSettings {
    pub interval: Period,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofSettings {
    pub range_events: NonZeroU64,
    pub workers: NonZeroUsize,
    pub runs_max: NonZeroUsize,
    pub positions_max: usize,
    pub export_events: NonZeroU64,
    pub record_bytes_max: NonZeroUsize,
}

impl ProofSettings {
    pub(crate) fn verification(&self) -> Verification {
        Verification { range_events: self.range_events, workers: self.workers, ..Verification::default() }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealSettings {
    pub directory: PathBuf,
    #[serde(serialize_with = "settings::hidden")]
    pub key: SecretString,
    /// Used instead of `key` where it is given.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    pub interval: Period,
}

impl Check for SealSettings {
    fn check(&self, problems: &mut Problems) {
        let is_sealing = self.key_file.is_some() || !self.key.expose_secret().is_empty();
        problems.check(!is_sealing || !self.directory.as_os_str().is_empty(), "directory", "must be given where a key is");
    }
}

impl Check for Limits {
    fn check(&self, problems: &mut Problems) {
        problems.check(self.page_rows <= self.page_rows_max, "page_rows", "must not be more than limits.page_rows_max");
    }
}

/// The database refuses to delete younger accesses, and a plan must not go while it is reviewed.
const SHORTEST_RETENTION: Duration = Duration::from_secs(24 * 3_600);

impl Check for Config {
    fn check(&self, problems: &mut Problems) {
        problems.nest("server", &self.server);
        problems.nest("telemetry", &self.telemetry);
        problems.nest("bus", &self.bus);
        problems.nest("log", &self.log);
        problems.nest("bridge", &self.bridge);
        problems.nest("limits", &self.limits);
        problems.nest("seal", &self.seal);
        problems.nest("alerts", &self.alerts);
        for (key, retention) in [("access.retention", self.access.retention), ("replay.retention", self.replay.retention)] {
            problems.check(retention >= SHORTEST_RETENTION, key, "must be a day at least");
        }
    }
}

impl chassis::Settings for Config {
    const SERVICE: &'static str = "admin";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }

    fn grace(&self) -> Duration {
        self.grace
    }
}
