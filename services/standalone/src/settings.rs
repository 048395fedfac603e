//! The settings, explained in `config.default.toml`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use chassis::TelemetrySettings;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use settings::{Check, Problems};
use url::Url;

use crate::Ports;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub data: PathBuf,
    pub listen: IpAddr,
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    pub locations: Vec<poller::LocationSettings>,
    pub ghl: GhlSettings,
    pub oauth: AppSettings,
    pub postgres: PostgresSettings,
    pub nats: NatsSettings,
    pub ports: Ports,
    pub telemetry: TelemetrySettings,
    pub services: ServiceTables,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GhlSettings {
    pub base_url: Url,
}

/// The marketplace app, for locations without a private integration token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    /// Empty: there is none.
    pub client_id: String,
    #[serde(serialize_with = "hidden")]
    pub client_secret: SecretString,
    pub app_id: String,
    pub redirect_uri: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSettings {
    #[serde(serialize_with = "hidden")]
    pub log_url: SecretString,
    #[serde(serialize_with = "hidden")]
    pub bridge_url: SecretString,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsSettings {
    pub url: String,
    #[serde(serialize_with = "hidden")]
    pub token: SecretString,
}

/// What a person wants different in the services' own settings, and what this program sets there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceTables {
    pub poller: toml::Table,
    pub mapper: toml::Table,
    pub writer: toml::Table,
    pub bridge: toml::Table,
    pub admin: toml::Table,
}

impl PostgresSettings {
    /// Whether PostgreSQL is a child of this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.log_url.expose_secret().is_empty()
    }
}

impl NatsSettings {
    /// Whether nats-server is a child of this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.url.is_empty()
    }
}

impl Settings {
    #[must_use]
    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.listen, port)
    }
}

impl Check for Settings {
    fn check(&self, problems: &mut Problems) {
        problems.extend(self.other_problems());
    }
}

impl Settings {
    fn other_problems(&self) -> Vec<String> {
        let mut problems = self.ports.problems();
        if self.data.as_os_str().is_empty() {
            problems.push("data must name a directory".to_owned());
        }
        if self.postgres.log_url.expose_secret().is_empty() != self.postgres.bridge_url.expose_secret().is_empty() {
            problems.push("postgres.log_url and postgres.bridge_url are given both or neither".to_owned());
        }
        problems
    }
}

impl chassis::Settings for Settings {
    const SERVICE: &'static str = "standalone";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }
}

fn hidden<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.expose_secret().is_empty() { "" } else { "hidden" })
}
