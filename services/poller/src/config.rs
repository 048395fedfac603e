//! The settings, explained in `config.default.toml`.

mod hints;
mod mirrored;
mod nets;
mod oauth;

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use chassis::{ServerSettings, TelemetrySettings};
use domain::{Backoff, LocationId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems};

pub use hints::HintSettings;
pub use mirrored::MirroredSettings;
pub(crate) use nets::{AppointmentRange, ResyncSettings, ScopeSettings};
pub use nets::{
    AppointmentSettings, LookSettings, ParitySettings, RefutedSettings, SweepSettings, TaskSettings, VanishingSettings, WatchSettings,
};
pub use oauth::OAuthSettings;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    pub locations: Vec<LocationSettings>,
    pub mirrored: MirroredSettings,
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
    pub vanishing: VanishingSettings,
    pub refuted: RefutedSettings,
    pub look: LookSettings,
    pub parity: ParitySettings,
    pub scopes: ScopeSettings,
    pub resync: ResyncSettings,
    pub verify: VerifySettings,
    pub relay: RelaySettings,
    pub settled: IntervalSettings,
    pub health: HealthSettings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationSettings {
    pub id: LocationId,
    /// Exactly one of `token` and `token_file` is given.
    #[serde(default, serialize_with = "settings::hidden", skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretString>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    pub body_bytes_max: NonZeroUsize,
    pub ed25519_pems: Vec<String>,
    pub rsa_enabled: bool,
    pub rsa_pems: Vec<String>,
    pub recent_max: NonZeroUsize,
    pub age_max: Period,
    pub location_per_second: NonZeroU32,
    pub location_burst: NonZeroU32,
    pub location_waiting_max: NonZeroU64,
    pub secrets_interval: Period,
}

/// GHL repeats a webhook for so long, and its timestamp stays the same.
const REPEATED_FOR: Duration = Duration::from_secs(3 * 24 * 60 * 60);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    pub first: Period,
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
    #[serde(with = "humantime_serde")]
    pub token_pause: Duration,
    #[serde(with = "humantime_serde")]
    pub scope_pause: Duration,
    #[serde(with = "humantime_serde")]
    pub scope_pause_max: Duration,
    pub reconnect: Period,
    pub unreadable_attempts_max: u32,
}

impl RetrySettings {
    pub(crate) fn delay(&self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        Backoff { first: *self.first, longest: self.longest }.delay(attempt, rand::random(), retry_after)
    }

    /// How long to wait after GHL refused a scope so often in a row: twice as long each time.
    pub(crate) fn scope_delay(&self, attempt: u32) -> Duration {
        self.scope_pause.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(self.scope_pause_max)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseSettings {
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    pub renew_interval: Period,
    pub address: String,
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
}

impl Config {
    /// The address at which other replicas reach this one's gRPC; empty when it is not known.
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
    pub renames_batch: NonZeroU32,
    pub nameless_max: NonZeroUsize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppendSettings {
    pub waiting_max: NonZeroUsize,
    pub batch_max: NonZeroUsize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackfillSettings {
    pub page_rows: NonZeroU32,
    pub contacts_in_flight_max: NonZeroUsize,
    pub contact_by_id: bool,
    pub check_interval: Period,
    pub broken_off_pause: Period,
    pub broken_off_pause_max: Period,
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
    pub locations_max: NonZeroUsize,
    pub interval: Period,
    pub message_bytes_max: NonZeroUsize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthSettings {
    pub interval: Period,
    pub calls_nearly_spent_below: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntervalSettings {
    pub interval: Period,
}

impl Check for Config {
    fn check(&self, problems: &mut Problems) {
        problems.nest("server", &self.server);
        problems.nest("telemetry", &self.telemetry);
        problems.nest("log", &self.log);
        problems.nest("bus", &self.bus);
        self.check_locations(problems);
        self.check_ghl(problems);
        problems.nest("oauth", &self.oauth);
        let has_kek = !self.log.kek.expose_secret().is_empty() || self.log.kek_file.is_some();
        problems.check(has_kek || !self.oauth.is_given(), "oauth.app", "needs log.kek or log.kek_file");
        problems.nest("webhooks", &self.webhooks);
        problems.check(*self.retry.first <= self.retry.longest, "retry.first", "must not be longer than retry.longest");
        let is_growing = self.retry.scope_pause <= self.retry.scope_pause_max;
        problems.check(is_growing, "retry.scope_pause", "must not be longer than retry.scope_pause_max");
        problems.nest("hints", &self.hints);
        problems.nest("vanishing", &self.vanishing);
        problems.nest("appointments", &self.appointments);
        problems.nest("lease", &self.lease);
        let below = self.health.calls_nearly_spent_below;
        problems.check((0.0..=1.0).contains(&below), "health.calls_nearly_spent_below", "must be from 0 to 1");
    }
}

impl Config {
    fn check_locations(&self, problems: &mut Problems) {
        for (index, location) in self.locations.iter().enumerate() {
            let is_one_given = location.token.is_some() != location.token_file.is_some();
            problems.check(is_one_given, format_args!("locations[{index}]"), "must have either token or token_file");
            let is_first = self.locations.iter().take(index).all(|other| other.id != location.id);
            problems.check(is_first, format_args!("locations[{index}].id"), "must differ from those before it");
        }
    }

    fn check_ghl(&self, problems: &mut Problems) {
        let ghl = &self.ghl;
        problems.check(!ghl.base_url.cannot_be_a_base(), "ghl.base_url", "must be an http or https address");
        problems.nest("ghl.rate", &ghl.rate);
    }
}

impl Check for WebhookSettings {
    fn check(&self, problems: &mut Problems) {
        problems.check(*self.age_max >= REPEATED_FOR, "age_max", "must be at least 3days: GHL repeats webhooks for so long");
        if let Err(bad) = self.verifier() {
            problems.refuse("ed25519_pems or webhooks.rsa_pems", bad);
        }
    }
}

impl Check for LeaseSettings {
    fn check(&self, problems: &mut Problems) {
        problems.check(self.ttl >= *self.renew_interval * 3, "ttl", "must be at least three times lease.renew_interval");
        let address = self.address.parse::<axum::http::Uri>();
        let is_reachable = address.is_ok_and(|address| address.scheme_str() == Some("http") && address.host().is_some());
        problems.check(self.address.is_empty() || is_reachable, "address", "must be empty or like http://10.1.2.3:7102");
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

impl LocationSettings {
    /// The token, read from the file if one is given.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_token(&self) -> anyhow::Result<SecretString> {
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
    fn keys_of_appointments_that_are_not_used_any_more_are_named_with_what_replaces_them() {
        let problems = load(&format!("{GOOD}appointments.past = \"90days\"")).unwrap_err().problems.join("\n");
        assert!(problems.contains("appointments.past is not used any more") && problems.contains("appointments.from"), "{problems}");
    }

    #[test]
    fn tokens_are_not_printed() {
        let config = load(&format!("{GOOD}locations = [{{id = \"a\", token = \"pit-secret\"}}]")).unwrap();
        let printed = serde_json::to_string(&config).unwrap();
        assert!(!printed.contains("pit-secret") && printed.contains("hidden"), "{printed}");
    }
}
