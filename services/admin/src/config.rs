//! The settings, explained in `config.default.toml`.

use std::path::PathBuf;
use std::time::Duration;

use chassis::{ServerSettings, TelemetrySettings};
use eventlog::Verification;
use secrecy::{ExposeSecret, SecretString};
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
    pub limits: Limits,
    pub access: AccessSettings,
    pub verify: VerifySettings,
    pub replay: ReplaySettings,
    pub health: IntervalSettings,
    pub proof: ProofSettings,
    pub seal: SealSettings,
    pub bridge: pagico::Settings,
    pub erasure: ErasureSettings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureSettings {
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    #[serde(with = "humantime_serde")]
    pub answer_within: Duration,
    pub batch: u32,
    pub rewrap_batch: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub page_rows: u32,
    pub page_rows_max: u32,
    pub watchers_max: usize,
    pub watch_rows: u32,
    #[serde(with = "humantime_serde")]
    pub watch_interval: Duration,
    pub read_rows: u32,
    pub scan_rows: u32,
    pub exports_max: usize,
    pub export_contacts: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaySettings {
    pub plans_max: usize,
    pub connections: usize,
    pub page_events: u32,
    pub batch_intents: usize,
    pub backlog_max: u64,
    #[serde(with = "humantime_serde")]
    pub backlog_interval: Duration,
    pub outdate_items: usize,
    pub idle_rounds_max: u32,
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    #[serde(with = "humantime_serde")]
    pub retention_interval: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifySettings {
    pub in_flight_max: usize,
    pub page_events: u32,
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntervalSettings {
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofSettings {
    pub range_events: u64,
    pub workers: usize,
    pub runs_max: usize,
    pub positions_max: usize,
    pub export_events: u64,
    pub record_bytes_max: usize,
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
    /// Counts where it is given.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

impl SealSettings {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.interval.is_zero() {
            problems.push("seal.interval must be more than nothing".to_owned());
        }
        let sealing = self.key_file.is_some() || !self.key.expose_secret().is_empty();
        if sealing && self.directory.as_os_str().is_empty() {
            problems.push("seal.directory must be given where a key is".to_owned());
        }
        problems
    }
}

/// Of accesses the database keeps so much in any case; a plan is not to go while it is reviewed.
const SHORTEST_RETENTION: Duration = Duration::from_secs(24 * 3_600);

impl Check for Config {
    fn check(&self, problems: &mut Problems) {
        problems.nest("server", &self.server);
        problems.nest("telemetry", &self.telemetry);
        problems.extend(self.other_problems());
    }
}

impl Config {
    fn other_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        problems.extend(self.log.problems().into_iter().map(|problem| format!("log.{problem}")));
        problems.extend(self.bus.problems().into_iter().map(|problem| format!("bus.{problem}")));
        problems.extend(self.bridge.problems().into_iter().map(|problem| format!("bridge.{problem}")));
        let ErasureSettings { interval, answer_within, batch, rewrap_batch } = &self.erasure;
        let none = [
            ("erasure.interval", interval.is_zero()),
            ("erasure.answer_within", answer_within.is_zero()),
            ("erasure.batch", *batch == 0),
            ("erasure.rewrap_batch", *rewrap_batch == 0),
        ];
        problems.extend(none.into_iter().filter(|(_, none)| *none).map(|(key, _)| format!("{key} must be more than nothing")));
        let Limits {
            page_rows,
            page_rows_max,
            watchers_max,
            watch_rows,
            watch_interval,
            read_rows,
            scan_rows,
            exports_max,
            export_contacts,
        } = &self.limits;
        let nothing = [
            ("limits.page_rows", *page_rows == 0),
            ("limits.watchers_max", *watchers_max == 0),
            ("limits.watch_rows", *watch_rows == 0),
            ("limits.watch_interval", watch_interval.is_zero()),
            ("limits.read_rows", *read_rows == 0),
            ("limits.scan_rows", *scan_rows == 0),
            ("limits.exports_max", *exports_max == 0),
            ("limits.export_contacts", *export_contacts == 0),
            ("access.interval", self.access.interval.is_zero()),
            ("replay.plans_max", self.replay.plans_max == 0),
            ("replay.connections", self.replay.connections == 0),
            ("replay.page_events", self.replay.page_events == 0),
            ("replay.batch_intents", self.replay.batch_intents == 0),
            ("replay.backlog_max", self.replay.backlog_max == 0),
            ("replay.backlog_interval", self.replay.backlog_interval.is_zero()),
            ("replay.outdate_items", self.replay.outdate_items == 0),
            ("replay.lease", self.replay.lease.is_zero()),
            ("replay.interval", self.replay.interval.is_zero()),
            ("replay.retention_interval", self.replay.retention_interval.is_zero()),
            ("verify.in_flight_max", self.verify.in_flight_max == 0),
            ("verify.page_events", self.verify.page_events == 0),
            ("health.interval", self.health.interval.is_zero()),
            ("proof.range_events", self.proof.range_events == 0),
            ("proof.workers", self.proof.workers == 0),
            ("proof.runs_max", self.proof.runs_max == 0),
            ("proof.export_events", self.proof.export_events == 0),
            ("proof.record_bytes_max", self.proof.record_bytes_max == 0),
        ];
        problems.extend(nothing.into_iter().filter(|(_, nothing)| *nothing).map(|(key, _)| format!("{key} must be more than nothing")));
        problems.extend(self.seal.problems());
        if page_rows > page_rows_max {
            problems.push("limits.page_rows must not be more than limits.page_rows_max".to_owned());
        }
        for (key, retention) in [("access.retention", self.access.retention), ("replay.retention", self.replay.retention)] {
            if retention < SHORTEST_RETENTION {
                problems.push(format!("{key} must be a day at least"));
            }
        }
        problems
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
