//! Settings: the defaults that are compiled in, then a file, then the environment. Checked whole before anything connects.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format as _, Toml};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use crate::TelemetrySettings;

/// The settings of one service.
pub trait Settings: DeserializeOwned + Serialize {
    /// The service's name, lowercase: also the middle of its environment variables, `MIRROR_<SERVICE>__<KEY>`.
    const SERVICE: &'static str;
    /// The commented defaults, TOML.
    const DEFAULTS: &'static str;

    /// Every mistake that types cannot catch, each naming its key.
    fn problems(&self) -> Vec<String>;

    fn telemetry(&self) -> &TelemetrySettings;

    /// How long work in hand may take to finish after a request to stop.
    fn grace(&self) -> Duration {
        Duration::from_secs(20)
    }
}

/// The settings cannot be used; exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{service}: bad config\n{}", .problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    pub service: &'static str,
    /// A sentence each, naming the key; never a value.
    pub problems: Vec<String>,
}

/// Reads the settings of a service: its defaults, then the file, then the environment.
///
/// # Errors
/// Names every mistake at once.
pub fn load<C: Settings>(file: Option<&Path>) -> Result<C, ConfigError> {
    let bad = |problems| ConfigError { service: C::SERVICE, problems };
    let mut figment = Figment::from(Toml::string(C::DEFAULTS));
    if let Some(file) = file {
        if !file.is_file() {
            return Err(bad(vec![format!("--config: there is no file {}", file.display())]));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    let prefix = format!("MIRROR_{}__", C::SERVICE.to_uppercase());
    let config: C =
        figment.merge(Env::prefixed(&prefix).split("__")).extract().map_err(|error| bad(error.into_iter().map(sentence).collect()))?;
    match config.problems() {
        problems if problems.is_empty() => Ok(config),
        problems => Err(bad(problems)),
    }
}

/// Where the mistake is and of what kind; the value stays out, since it may be a secret.
fn sentence(error: figment::Error) -> String {
    use figment::error::Kind;
    let key = error.path.join(".");
    let from = error.metadata.as_ref().map(|metadata| format!(" (from {})", metadata.name)).unwrap_or_default();
    let said = match &error.kind {
        Kind::UnknownField(field, _) => format!("there is no key {field:?}"),
        Kind::MissingField(field) => format!("the key {field:?} is missing"),
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("expected {expected}"),
        Kind::Message(_) => "cannot be read as what it should be".to_owned(),
        Kind::InvalidLength(_, _)
        | Kind::UnknownVariant(_, _)
        | Kind::DuplicateField(_)
        | Kind::ISizeOutOfRange(_)
        | Kind::USizeOutOfRange(_)
        | Kind::Unsupported(_)
        | Kind::UnsupportedKey(_, _) => error.kind.to_string(),
    };
    if key.is_empty() { format!("{said}{from}") } else { format!("{key}: {said}{from}") }
}

/// Where a service listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// What the service itself serves, with `/livez`, `/readyz` and `/metrics`.
    pub http: SocketAddr,
    /// Control, health and reflection.
    pub grpc: SocketAddr,
    /// The bearer token that every gRPC call but health needs.
    #[serde(serialize_with = "hidden", default)]
    pub token: SecretString,
    /// How long a gRPC call may take until its answer begins. A shorter deadline of the caller counts.
    #[serde(with = "humantime_serde", default = "request_timeout")]
    pub request_timeout: Duration,
    /// gRPC calls of one connection at once.
    #[serde(default = "concurrency")]
    pub calls_per_connection_max: usize,
}

fn request_timeout() -> Duration {
    Duration::from_secs(30)
}

fn concurrency() -> usize {
    128
}

impl ServerSettings {
    /// Mistakes that types cannot catch, each naming its key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.token.expose_secret().trim().is_empty() {
            problems.push("server.token must not be empty: without it nobody could be told from an operator".to_owned());
        }
        if self.request_timeout.is_zero() {
            problems.push("server.request_timeout must be longer than nothing".to_owned());
        }
        if self.calls_per_connection_max == 0 {
            problems.push("server.calls_per_connection_max must be at least 1".to_owned());
        }
        if self.http == self.grpc && self.http.port() != 0 {
            problems.push("server.http and server.grpc must be different addresses".to_owned());
        }
        problems
    }
}

/// Serializes a secret as `***`, or as nothing when it is empty, so that settings can be printed.
///
/// # Errors
/// Only those of the serializer.
pub fn hidden<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.expose_secret().is_empty() { "" } else { "***" })
}
