//! Settings: the defaults that are compiled in, then a file, then the environment. Checked whole before anything connects.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use figment::error::Kind;
use figment::providers::{Format as _, Serialized, Toml};
use figment::value::Value;
use figment::{Figment, Source};
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
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    load_with(file, std::env::vars_os().filter_map(text))
}

fn load_with<C: Settings>(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<C, ConfigError> {
    let bad = |problems| ConfigError { service: C::SERVICE, problems };
    let mut figment = Figment::from(Toml::string(C::DEFAULTS));
    if let Some(file) = file {
        if !file.is_file() {
            return Err(bad(vec![format!("--config: there is no file {}", file.display())]));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    let config = with_environment::<C>(&figment, environment).map_err(bad)?;
    match config.problems() {
        problems if problems.is_empty() => Ok(config),
        problems => Err(bad(problems)),
    }
}

/// Variables are read as TOML would be, so that numbers and lists can be given; but where a text is wanted and `12e4` or `true` is given,
/// it is taken as that text: a token may look like anything.
fn with_environment<C: Settings>(figment: &Figment, environment: impl Iterator<Item = (String, String)>) -> Result<C, Vec<String>> {
    let prefix = format!("MIRROR_{}__", C::SERVICE.to_uppercase());
    let variables: Vec<(String, String)> =
        environment.filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.replace("__", ".").to_lowercase(), value))).collect();
    let mut as_text = BTreeSet::new();
    loop {
        let whole = variables.iter().fold(figment.clone(), |figment, (key, text)| {
            let parsed = text.parse::<Value>().ok().filter(|_| !as_text.contains(key));
            figment.merge(Serialized::default(key, parsed.unwrap_or_else(|| Value::from(text.as_str()))))
        });
        let error = match whole.extract::<C>() {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        let mistaken = |error: &figment::Error| {
            let wants_text = matches!(&error.kind, Kind::InvalidType(_, expected) if expected.contains("string"));
            Some(error.path.join(".")).filter(|key| wants_text && variables.iter().any(|(variable, _)| variable == key))
        };
        let errors: Vec<_> = error.into_iter().collect();
        let before = as_text.len();
        as_text.extend(errors.iter().filter_map(mistaken));
        if as_text.len() == before {
            return Err(errors.iter().map(|error| sentence(error, &prefix, &variables)).collect());
        }
    }
}

/// Where the mistake is and of what kind; the value stays out, since it may be a secret.
fn sentence(error: &figment::Error, prefix: &str, variables: &[(String, String)]) -> String {
    let key = error.path.join(".");
    let variable = variables.iter().find(|(variable, _)| *variable == key);
    let from = match (variable, error.metadata.as_ref().and_then(|metadata| metadata.source.as_ref())) {
        (Some((key, _)), _) => format!(" (from {prefix}{})", key.to_uppercase().replace('.', "__")),
        (None, Some(Source::File(file))) => format!(" (from {})", file.display()),
        (None, Some(_) | None) => String::new(),
    };
    let said = match &error.kind {
        Kind::UnknownField(_, _) if !key.is_empty() => "there is no such key".to_owned(),
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
    /// How long calls in hand and open streams may take to end after a request to stop.
    #[serde(with = "humantime_serde", default = "close_timeout")]
    pub close_timeout: Duration,
    /// gRPC calls of one connection at once.
    #[serde(default = "concurrency")]
    pub calls_per_connection_max: usize,
}

fn request_timeout() -> Duration {
    Duration::from_secs(30)
}

fn close_timeout() -> Duration {
    Duration::from_secs(3)
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

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: &str = r#"
        attempts = 3
        names = []
        [server]
        http = "127.0.0.1:7101"
        grpc = "127.0.0.1:7102"
        token = ""
        [telemetry]
    "#;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Small {
        attempts: u32,
        names: Vec<String>,
        #[serde(default)]
        key_file: Option<String>,
        server: ServerSettings,
        telemetry: TelemetrySettings,
    }

    impl Settings for Small {
        const SERVICE: &'static str = "small";
        const DEFAULTS: &'static str = DEFAULTS;

        fn problems(&self) -> Vec<String> {
            let mut problems = self.server.problems();
            problems.extend(self.telemetry.problems());
            problems.extend((self.attempts == 0).then(|| "attempts must be at least 1".to_owned()));
            problems
        }

        fn telemetry(&self) -> &TelemetrySettings {
            &self.telemetry
        }
    }

    fn loaded(variables: &[(&str, &str)]) -> Result<Small, Vec<String>> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load_with(None, variables).map_err(|error| error.problems)
    }

    #[test]
    fn the_environment_goes_over_the_defaults() {
        let small = loaded(&[
            ("MIRROR_SMALL__ATTEMPTS", "5"),
            ("MIRROR_SMALL__NAMES", "[a, b]"),
            ("MIRROR_SMALL__SERVER__TOKEN", "secret"),
            ("MIRROR_SMALL__SERVER__REQUEST_TIMEOUT", "7s"),
            ("MIRROR_OTHER__ATTEMPTS", "6"),
        ])
        .unwrap();
        assert_eq!((small.attempts, small.names.len(), small.server.request_timeout), (5, 2, Duration::from_secs(7)));
    }

    #[test]
    fn a_token_may_look_like_anything() {
        for token in ["12345", "12e45", "true", "1.50", "-7", "secret"] {
            let small = loaded(&[("MIRROR_SMALL__SERVER__TOKEN", token), ("MIRROR_SMALL__KEY_FILE", token)]).unwrap();
            assert_eq!(small.server.token.expose_secret(), token);
            assert_eq!(small.key_file.as_deref(), Some(token));
        }
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let problems = loaded(&[("MIRROR_SMALL__ATTEMPTS", "0"), ("MIRROR_SMALL__TELEMETRY__FILTER", "=,=")]).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        for key in ["attempts", "server.token", "telemetry.filter"] {
            assert!(problems.iter().any(|problem| problem.contains(key)), "{key}: {problems:?}");
        }
    }

    #[test]
    fn a_mistake_names_the_key_and_never_the_value() {
        for (variable, key) in [
            ("MIRROR_SMALL__ATTEMPTS", "MIRROR_SMALL__ATTEMPTS"),
            ("MIRROR_SMALL__SERVER__HTTP", "server.http"),
            ("MIRROR_SMALL__SERVER__REQUEST_TIMEOUT", "server.request_timeout"),
            ("MIRROR_SMALL__SERVER__TOKENN", "tokenn"),
        ] {
            let problems = loaded(&[(variable, "hush-hush"), ("MIRROR_SMALL__SERVER__TOKEN", "secret")]).unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains(key)), "{key}: {problems:?}");
            assert!(!problems.iter().any(|problem| problem.contains("hush-hush")), "{problems:?}");
        }
        let error = load_with::<Small>(Some(Path::new("/nowhere.toml")), std::iter::empty()).unwrap_err();
        assert!(error.to_string().contains("/nowhere.toml"));
    }

    #[test]
    fn printed_settings_hide_secrets_and_are_settings_again() {
        let small = loaded(&[("MIRROR_SMALL__SERVER__TOKEN", "secret")]).unwrap();
        let text = toml::to_string_pretty(&small).unwrap();
        assert!(!text.contains("secret") && text.contains("token = \"***\""), "{text}");
        toml::from_str::<Small>(&text).unwrap();
    }
}
