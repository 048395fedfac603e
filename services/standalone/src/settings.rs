//! The settings, explained in `config.default.toml`.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use chassis::TelemetrySettings;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems, Secret as _};
use url::Url;

use crate::ports::Ports;

/// Where GHL is, unless the settings say otherwise.
pub(crate) const VENDOR_URL: &str = "https://services.leadconnectorhq.com";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) listen: IpAddr,
    #[serde(with = "humantime_serde")]
    pub(crate) grace: Duration,
    pub(crate) locations: Vec<poller::LocationSettings>,
    pub(crate) ghl: GhlSettings,
    pub(crate) oauth: AppSettings,
    pub(crate) postgres: PostgresSettings,
    pub(crate) nats: NatsSettings,
    pub(crate) ports: Ports,
    pub(crate) doctor: DoctorSettings,
    pub(crate) telemetry: TelemetrySettings,
    pub(crate) services: ServiceTables,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GhlSettings {
    pub(crate) base_url: Url,
}

/// The marketplace app, for locations without a private integration token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppSettings {
    /// Empty: there is none.
    pub(crate) client_id: String,
    #[serde(serialize_with = "settings::hidden")]
    pub(crate) client_secret: SecretString,
    pub(crate) app_id: String,
    pub(crate) redirect_uri: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostgresSettings {
    #[serde(serialize_with = "settings::hidden")]
    pub(crate) log_url: SecretString,
    #[serde(serialize_with = "settings::hidden")]
    pub(crate) bridge_url: SecretString,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NatsSettings {
    pub(crate) url: String,
    #[serde(serialize_with = "settings::hidden")]
    pub(crate) token: SecretString,
}

/// The limits of `doctor`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DoctorSettings {
    pub(crate) timeout: Period,
    pub(crate) contacts: NonZeroU32,
    pub(crate) compare_timeout: Period,
    pub(crate) disk_free_min: f64,
    pub(crate) clock_skew_max: Period,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) webhook_url: Option<Url>,
}

/// What a person wants different in the services' own settings, and what this program sets there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceTables {
    pub(crate) poller: toml::Table,
    pub(crate) mapper: toml::Table,
    pub(crate) writer: toml::Table,
    pub(crate) bridge: toml::Table,
    pub(crate) admin: toml::Table,
}

impl PostgresSettings {
    /// Whether PostgreSQL is a child of this process.
    #[must_use]
    pub(crate) fn is_embedded(&self) -> bool {
        !self.log_url.is_given()
    }
}

impl NatsSettings {
    /// Whether nats-server is a child of this process.
    #[must_use]
    pub(crate) fn is_embedded(&self) -> bool {
        self.url.is_empty()
    }
}

impl Settings {
    #[must_use]
    pub(crate) fn address(&self, port: NonZeroU16) -> SocketAddr {
        SocketAddr::new(self.listen, port.get())
    }
}

impl Check for Settings {
    fn check(&self, problems: &mut Problems) {
        problems.nest("ports", &self.ports);
        problems.check(!self.data.as_os_str().is_empty(), "data", "must name a directory");
        let disk_free_min = self.doctor.disk_free_min;
        problems.check((0.0..=1.0).contains(&disk_free_min), "doctor.disk_free_min", "must be from 0 to 1");
        let is_both_or_neither = self.postgres.log_url.is_given() == self.postgres.bridge_url.is_given();
        problems.check(is_both_or_neither, "postgres.log_url", "and postgres.bridge_url must be given both or neither");
    }
}

impl chassis::Settings for Settings {
    const SERVICE: &'static str = "standalone";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }
}
