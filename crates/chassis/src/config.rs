//! Settings: the defaults that are compiled in, then a file, then the environment. Checked whole before anything connects.

mod layers;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settings::Check;
use toml::Table;

use self::layers::Layers;
use crate::TelemetrySettings;

/// The settings of one service.
pub trait Settings: DeserializeOwned + Serialize + Check {
    /// The service's name, lowercase: also the middle of its environment variables, `MIRROR_<SERVICE>__<KEY>`.
    const SERVICE: &'static str;
    /// The commented defaults, TOML.
    const DEFAULTS: &'static str;

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
    let read = || {
        let layers = Layers::new(defaults::<C>()?);
        let layers = match file {
            Some(file) => layers.with_file(file).map_err(|problem| vec![problem])?,
            None => layers,
        };
        layers.with_environment(C::SERVICE, environment).read()
    };
    read().map_err(|problems| ConfigError { service: C::SERVICE, problems })
}

/// Reads the settings of a service from a table over its defaults, which `changed` may change before.
///
/// # Errors
/// Names every mistake at once.
pub fn load_table<C: Settings>(given: &Table, changed: impl FnOnce(Table) -> Table) -> Result<C, Vec<String>> {
    Layers::new(changed(defaults::<C>()?)).with_table(given).map_err(|problem| vec![problem])?.read()
}

fn defaults<C: Settings>() -> Result<Table, Vec<String>> {
    C::DEFAULTS.parse().map_err(|error: toml::de::Error| vec![format!("the built-in defaults: {}", error.message())])
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use secrecy::ExposeSecret as _;
    use serde::Deserialize;
    use settings::Problems;

    use super::*;
    use crate::ServerSettings;

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
        attempts: NonZeroU32,
        names: Vec<String>,
        #[serde(default)]
        key_file: Option<String>,
        server: ServerSettings,
        telemetry: TelemetrySettings,
    }

    impl Check for Small {
        fn check(&self, problems: &mut Problems) {
            problems.nest("server", &self.server);
            problems.nest("telemetry", &self.telemetry);
            problems.check(self.names.len() < 3, "names", "must be two at most");
        }
    }

    impl Settings for Small {
        const SERVICE: &'static str = "small";
        const DEFAULTS: &'static str = DEFAULTS;

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
        assert_eq!((small.attempts.get(), small.names.len(), *small.server.request_timeout), (5, 2, Duration::from_secs(7)));
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
        let problems = loaded(&[
            ("MIRROR_SMALL__ATTEMPTS", "0"),
            ("MIRROR_SMALL__NAMES", "[a, b, c]"),
            ("MIRROR_SMALL__COLOUR", "red"),
            ("MIRROR_SMALL__SERVER__REQUEST_TIMEOUT", "0s"),
            ("MIRROR_SMALL__SERVER__CALLS_PER_CONNECTION_MAX", "many"),
            ("MIRROR_SMALL__TELEMETRY__FILTER", "=,="),
        ]);
        let mut problems = problems.unwrap_err();
        problems.sort();
        assert_eq!(
            problems,
            [
                "attempts must be at least 1 (from MIRROR_SMALL__ATTEMPTS)",
                "colour is not a setting (from MIRROR_SMALL__COLOUR)",
                "names must be two at most",
                "server.calls_per_connection_max must be at least 1 (from MIRROR_SMALL__SERVER__CALLS_PER_CONNECTION_MAX)",
                "server.request_timeout must be a duration greater than zero, such as 500ms or 1h \
                 (from MIRROR_SMALL__SERVER__REQUEST_TIMEOUT)",
                "server.token must not be empty: without it nobody could be told from an operator",
                "telemetry.filter must be a filter such as info,writer=debug",
            ]
        );
    }

    #[test]
    fn mistakes_of_a_file_are_named_with_those_of_the_environment() {
        let file = std::env::temp_dir().join(format!("small-{}.toml", std::process::id()));
        std::fs::write(&file, "attempts = \"hush-hush\"\nnames = [1]\n[server]\ntoken = \"secret\"\nhttp = 7\n").unwrap();
        let variables = [("MIRROR_SMALL__SERVER__HTTP".to_owned(), "8".to_owned())];
        let problems = load_with::<Small>(Some(&file), variables.into_iter()).unwrap_err().problems.join("\n");
        std::fs::write(&file, "attempts = 3\ntoken = hush-hush\n").unwrap();
        let broken = load_with::<Small>(Some(&file), std::iter::empty()).unwrap_err().problems.join("\n");
        std::fs::remove_file(&file).unwrap();
        for key in ["attempts", "names.0", "server.http"] {
            assert!(problems.lines().any(|problem| problem.starts_with(key) && problem.contains(".toml)")), "{key}: {problems}");
        }
        assert!(problems.contains("(from MIRROR_SMALL__SERVER__HTTP)"), "{problems}");
        assert!(!problems.contains("hush-hush") && !problems.contains("server.token"), "{problems}");
        assert!(broken.ends_with("is not TOML from line 2 on") && !broken.contains("hush-hush"), "{broken}");
    }

    #[test]
    fn what_is_left_out_because_it_is_wrong_is_not_missed_as_well() {
        let given = "[server]\ntoken = [\"secret\"]".parse().unwrap();
        assert_eq!(load_table::<Small>(&given, |defaults| defaults).unwrap_err(), ["server.token must be text"]);
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
        assert!(!text.contains("secret") && text.contains("token = \"hidden\""), "{text}");
        toml::from_str::<Small>(&text).unwrap();
    }
}
