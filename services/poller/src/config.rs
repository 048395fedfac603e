//! The settings, explained in `config.default.toml`.

mod nets;
mod oauth;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chassis::{ServerSettings, TelemetrySettings};
use domain::{Backoff, LocationId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use settings::{Check, Problems};

pub(crate) use nets::AppointmentRange;
pub use nets::{AppointmentSettings, SweepSettings, TaskSettings, WatchSettings};
pub use oauth::OAuthSettings;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    pub locations: Vec<LocationSettings>,
    pub server: ServerSettings,
    pub telemetry: TelemetrySettings,
    pub log: eventlog::Settings,
    pub bus: bus::Settings,
    pub ghl: ghl::Settings,
    pub oauth: OAuthSettings,
    pub webhooks: WebhookSettings,
    pub hints: HintSettings,
    pub retry: RetrySettings,
    pub lease: LeaseSettings,
    pub names: NameSettings,
    pub append: AppendSettings,
    pub watch: WatchSettings,
    pub sweep: SweepSettings,
    pub tasks: TaskSettings,
    pub appointments: AppointmentSettings,
    pub backfill: BackfillSettings,
    pub verify: VerifySettings,
    pub relay: RelaySettings,
    pub settled: IntervalSettings,
    pub health: IntervalSettings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationSettings {
    pub id: LocationId,
    /// Exactly one of `token` and `token_file` is given.
    #[serde(default, serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretString>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    pub body_bytes_max: usize,
    pub ed25519_pems: Vec<String>,
    pub rsa_enabled: bool,
    pub rsa_pems: Vec<String>,
    pub recent_max: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HintSettings {
    #[serde(with = "humantime_serde")]
    pub debounce: Duration,
    pub waiting_max: usize,
    pub batch_max: usize,
    pub contacts_in_flight_max: usize,
    pub task_search_rows: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    #[serde(with = "humantime_serde")]
    pub first: Duration,
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
    #[serde(with = "humantime_serde")]
    pub token_pause: Duration,
    #[serde(with = "humantime_serde")]
    pub reconnect: Duration,
    pub unreadable_attempts_max: u32,
}

impl RetrySettings {
    pub(crate) fn delay(&self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        Backoff { first: self.first, longest: self.longest }.delay(attempt, rand::random(), retry_after)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseSettings {
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    #[serde(with = "humantime_serde")]
    pub renew_interval: Duration,
    pub address: String,
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
}

impl Config {
    /// Where the other replicas reach this one's gRPC; empty when that cannot be told.
    pub(crate) fn address(&self) -> String {
        match (self.lease.address.as_str(), self.server.grpc) {
            ("", grpc) if grpc.ip().is_unspecified() => String::new(),
            ("", grpc) => format!("http://{grpc}"),
            (given, _) => given.to_owned(),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameSettings {
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    #[serde(with = "humantime_serde")]
    pub refresh_pause: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppendSettings {
    pub waiting_max: usize,
    pub batch_max: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackfillSettings {
    pub page_rows: NonZeroU32,
    pub contacts_in_flight_max: usize,
    pub contact_by_id: bool,
    #[serde(with = "humantime_serde")]
    pub check_interval: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifySettings {
    #[serde(with = "humantime_serde")]
    pub recheck_pause: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelaySettings {
    pub batch_max: NonZeroU32,
    pub locations_max: usize,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    pub message_bytes_max: usize,
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
        problems.nest("telemetry", &self.telemetry);
        problems.extend(self.other_problems());
    }
}

impl Config {
    fn other_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        problems.extend(self.log.problems().into_iter().map(|problem| format!("log.{problem}")));
        problems.extend(self.bus.problems().into_iter().map(|problem| format!("bus.{problem}")));
        problems.extend(self.location_problems());
        problems.extend(self.oauth.problems(&self.log).into_iter().map(|problem| format!("oauth.{problem}")));
        if let Err(bad) = self.webhooks.verifier() {
            problems.push(format!("webhooks.ed25519_pems or webhooks.rsa_pems: {bad}"));
        }
        if self.ghl.base_url.cannot_be_a_base() {
            problems.push("ghl.base_url must be an http or https address".to_owned());
        }
        problems.extend(self.ghl.rate.problems().into_iter().map(|problem| format!("ghl.rate.{problem}")));
        if self.retry.first > self.retry.longest {
            problems.push("retry.first must not be longer than retry.longest".to_owned());
        }
        if self.lease.renew_interval.is_zero() || self.lease.ttl < self.lease.renew_interval * 3 {
            problems.push("lease.ttl must be at least three times lease.renew_interval".to_owned());
        }
        let address = self.lease.address.parse::<axum::http::Uri>();
        let reachable = |address: axum::http::Uri| address.scheme_str() == Some("http") && address.host().is_some();
        if !self.lease.address.is_empty() && !address.is_ok_and(reachable) {
            problems.push("lease.address must be empty or like http://10.1.2.3:7102".to_owned());
        }
        problems.extend(self.at_least_one().map(|key| format!("{key} must be at least 1")));
        problems.extend(self.longer_than_nothing().map(|key| format!("{key} must be longer than nothing")));
        problems
    }
}

impl chassis::Settings for Config {
    const SERVICE: &'static str = "poller";
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
            ("webhooks.body_bytes_max", self.webhooks.body_bytes_max),
            ("webhooks.recent_max", self.webhooks.recent_max),
            ("hints.waiting_max", self.hints.waiting_max),
            ("hints.batch_max", self.hints.batch_max),
            ("hints.contacts_in_flight_max", self.hints.contacts_in_flight_max),
            ("append.waiting_max", self.append.waiting_max),
            ("append.batch_max", self.append.batch_max),
            ("watch.contacts_in_flight_max", self.watch.contacts_in_flight_max),
            ("sweep.contacts_in_flight_max", self.sweep.contacts_in_flight_max),
            ("backfill.contacts_in_flight_max", self.backfill.contacts_in_flight_max),
            ("relay.locations_max", self.relay.locations_max),
            ("relay.message_bytes_max", self.relay.message_bytes_max),
            ("ghl.body_bytes_max", self.ghl.body_bytes_max),
            ("ghl.events_bytes_max", self.ghl.events_bytes_max),
        ]
        .into_iter()
        .filter_map(|(key, value)| (value == 0).then_some(key))
    }

    fn longer_than_nothing(&self) -> impl Iterator<Item = &'static str> {
        [
            ("retry.first", self.retry.first),
            ("retry.reconnect", self.retry.reconnect),
            ("watch.interval", self.watch.interval),
            ("watch.tasks_interval", self.watch.tasks_interval),
            ("watch.appointments_interval", self.watch.appointments_interval),
            ("sweep.interval", self.sweep.interval),
            ("sweep.check_interval", self.sweep.check_interval),
            ("sweep.broken_off_pause", self.sweep.broken_off_pause),
            ("sweep.notes_interval", self.sweep.notes_interval),
            ("sweep.notes_within", self.sweep.notes_within),
            ("appointments.window", self.appointments.window),
            ("backfill.check_interval", self.backfill.check_interval),
            ("relay.interval", self.relay.interval),
            ("settled.interval", self.settled.interval),
            ("health.interval", self.health.interval),
            ("ghl.connect_timeout", self.ghl.connect_timeout),
            ("ghl.request_timeout", self.ghl.request_timeout),
        ]
        .into_iter()
        .filter_map(|(key, value)| value.is_zero().then_some(key))
    }

    fn location_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (index, location) in self.locations.iter().enumerate() {
            if location.token.is_some() == location.token_file.is_some() {
                problems.push(format!("locations[{index}] must have either token or token_file"));
            }
            if self.locations.iter().take(index).any(|other| other.id == location.id) {
                problems.push(format!("locations[{index}].id is there twice"));
            }
        }
        problems
    }
}

impl LocationSettings {
    /// The token, from the file where it lies in one.
    pub(crate) fn read_token(&self) -> anyhow::Result<SecretString> {
        use anyhow::Context as _;
        match (&self.token, &self.token_file) {
            (Some(token), _) => Ok(token.clone()),
            (None, Some(file)) => {
                let token = std::fs::read_to_string(file).with_context(|| format!("reading the token file {}", file.display()))?;
                Ok(token.trim().to_owned().into())
            }
            (None, None) => anyhow::bail!("location {} has no token", self.id),
        }
    }
}

impl WebhookSettings {
    pub(crate) fn verifier(&self) -> Result<ghl::webhook::Verifier, ghl::webhook::BadKey> {
        use ghl::webhook::{VENDOR_ED25519_PEM, VENDOR_RSA_PEM};
        let or_vendor = |pems: &[String], vendor: &str| if pems.is_empty() { vec![vendor.to_owned()] } else { pems.to_vec() };
        let rsa_pems = if self.rsa_enabled { or_vendor(&self.rsa_pems, VENDOR_RSA_PEM) } else { Vec::new() };
        ghl::webhook::Verifier::new(&or_vendor(&self.ed25519_pems, VENDOR_ED25519_PEM), &rsa_pems)
    }
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn hidden<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.as_ref().is_some_and(|secret| !secret.expose_secret().is_empty()) { "hidden" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str) -> Result<Config, chassis::ConfigError> {
        let file = std::env::temp_dir().join(format!("poller-config-{}.toml", uuid::Uuid::new_v4()));
        std::fs::write(&file, toml).unwrap();
        let config = chassis::load(Some(&file));
        std::fs::remove_file(file).unwrap();
        config
    }

    const GOOD: &str = "log.url = \"postgres://mirror:x@127.0.0.1/log\"\nserver.token = \"t\"\n";

    #[test]
    fn the_defaults_need_only_a_database_and_a_token() {
        assert_eq!(load(GOOD).unwrap().problems(), Vec::<String>::new());
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let bad = "locations = [{id = \"a\"}, {id = \"a\", token = \"t\"}]\nhints.batch_max = 0\nretry.first = \"1h\"\nwebhooks.ed25519_pems = [\"x\"]";
        let problems = load(bad).unwrap_err().problems.join("\n");
        for key in ["log.url", "server.token", "locations[0]", "locations[1].id", "hints.batch_max", "retry.first", "webhooks.ed25519_pems"]
        {
            assert!(problems.contains(key), "{key} is not in:\n{problems}");
        }
    }

    #[test]
    fn tokens_are_not_printed() {
        let config = load(&format!("{GOOD}locations = [{{id = \"a\", token = \"pit-secret\"}}]")).unwrap();
        let printed = serde_json::to_string(&config).unwrap();
        assert!(!printed.contains("pit-secret") && printed.contains("hidden"), "{printed}");
    }
}
