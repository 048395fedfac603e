//! What an operator may set; the commented defaults are `config.default.toml`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use chassis::{ServerSettings, TelemetrySettings};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use settings::{Check, Problems, hidden};
use url::Url;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// An API key with write scope that is there after every start. Empty: none is made.
    #[serde(serialize_with = "hidden")]
    pub bootstrap_key: SecretString,
    /// API keys with read scope that are there after every start, by name.
    #[serde(serialize_with = "all_hidden")]
    pub reader_keys: BTreeMap<String, SecretString>,
    pub database: Database,
    pub limits: Limits,
    pub page: Page,
    pub server: ServerSettings,
    #[serde(default)]
    pub telemetry: TelemetrySettings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `postgres://user:password@host:port/database`; the user owns the tables.
    #[serde(serialize_with = "without_password")]
    pub url: SecretString,
    pub connections_max: u32,
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub idle_transaction_timeout: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub body_bytes_max: usize,
    pub batch_items_max: usize,
    pub content_bytes_max: usize,
    pub key_bytes_max: usize,
    pub workspace_bytes_max: usize,
    pub idempotency_key_bytes_max: usize,
    /// The page size of lists when none is asked for, and the largest.
    pub page_items: u32,
    pub page_items_max: u32,
    /// A page of a list ends early when its contents reach this.
    pub page_bytes_max: usize,
    pub writes_in_flight_max: NonZeroUsize,
    pub reads_in_flight_max: NonZeroUsize,
    /// How long a request waits for its turn before it is sent away.
    #[serde(with = "humantime_serde")]
    pub turn_timeout: Duration,
    /// How long a request may take from its turn to its answer.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// What a client that was sent away is told to wait.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    #[serde(with = "humantime_serde")]
    pub idempotency_kept: Duration,
    #[serde(with = "humantime_serde")]
    pub changes_kept: Duration,
    #[serde(with = "humantime_serde")]
    pub prune_every: Duration,
    pub prune_rows_max: u32,
    pub retire_rows_max: u32,
    #[serde(with = "humantime_serde")]
    pub retire_every: Duration,
    /// How long a key that was removed or added elsewhere may go unnoticed.
    #[serde(with = "humantime_serde")]
    pub keys_refresh: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Contacts or projects listed at once.
    pub containers_max: u32,
    /// Tasks, notes or appointments shown at once in a section.
    pub section_max: u32,
    /// The longest text shown in full among others, in characters.
    pub text_chars_max: usize,
    /// Pages that follow changes at the same time.
    pub followers_max: NonZeroUsize,
    /// The shortest time between two signals to a page.
    #[serde(with = "humantime_serde")]
    pub follow_every: Duration,
    /// How often the database is asked for what other processes wrote.
    #[serde(with = "humantime_serde")]
    pub look_every: Duration,
}

/// Keys shorter than this could be guessed: they are hashed without salt.
const KEY_CHARS_MIN: usize = 16;

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
        let mut check = |right: bool, problem: &str| {
            if !right {
                problems.push(problem.to_owned());
            }
        };
        let url = Url::parse(self.database.url.expose_secret());
        let is_postgres = url.is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
        check(is_postgres, "database.url must be postgres://user:password@host:port/database");
        check(self.database.connections_max > 1, "database.connections_max must be at least 2");
        let key = self.bootstrap_key.expose_secret();
        check(key.is_empty() || key.len() >= KEY_CHARS_MIN, "bootstrap_key must have at least 16 characters");
        let readers = &self.reader_keys;
        let long = readers.values().all(|key| key.expose_secret().len() >= KEY_CHARS_MIN);
        check(long, "reader_keys must have at least 16 characters each");
        check(!readers.contains_key("bootstrap"), "reader_keys.bootstrap is the name of the write key");
        let mut keys: Vec<&str> = readers.values().map(ExposeSecret::expose_secret).chain([key]).collect();
        keys.sort_unstable();
        check(keys.windows(2).all(|pair| pair.first() != pair.get(1)), "reader_keys must differ from each other and from bootstrap_key");
        self.limit_problems(&mut check);
        problems
    }
}

impl chassis::Settings for Config {
    const SERVICE: &'static str = "bridge";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }
}

impl Config {
    fn limit_problems(&self, check: &mut impl FnMut(bool, &str)) {
        let Limits { page_items, page_items_max, .. } = self.limits;
        check((1..=500).contains(&self.limits.batch_items_max), "limits.batch_items_max must be from 1 to 500");
        check((65_536..=67_108_864).contains(&self.limits.body_bytes_max), "limits.body_bytes_max must be from 64 KiB to 64 MiB");
        check(self.limits.content_bytes_max >= 1_024, "limits.content_bytes_max must be at least 1024");
        check((64..=1_024).contains(&self.limits.key_bytes_max), "limits.key_bytes_max must be from 64 to 1024");
        check((64..=1_024).contains(&self.limits.workspace_bytes_max), "limits.workspace_bytes_max must be from 64 to 1024");
        check((64..=2_048).contains(&self.limits.idempotency_key_bytes_max), "limits.idempotency_key_bytes_max must be from 64 to 2048");
        check(page_items >= 1 && page_items <= page_items_max, "limits.page_items must be from 1 to limits.page_items_max");
        check(page_items_max <= 5_000, "limits.page_items_max must be at most 5000");
        check(self.limits.page_bytes_max >= 1_024, "limits.page_bytes_max must be at least 1024");
        check(self.limits.retire_rows_max >= 1, "limits.retire_rows_max must be at least 1");
        check(self.limits.prune_rows_max >= 1, "limits.prune_rows_max must be at least 1");
        check((1..=500).contains(&self.page.containers_max), "page.containers_max must be from 1 to 500");
        check((1..=500).contains(&self.page.section_max), "page.section_max must be from 1 to 500");
        check(self.page.text_chars_max >= 200, "page.text_chars_max must be at least 200");
        let durations = [
            ("database.acquire_timeout", self.database.acquire_timeout),
            ("database.statement_timeout", self.database.statement_timeout),
            ("database.idle_transaction_timeout", self.database.idle_transaction_timeout),
            ("limits.request_timeout", self.limits.request_timeout),
            ("limits.retry_after", self.limits.retry_after),
            ("limits.idempotency_kept", self.limits.idempotency_kept),
            ("limits.changes_kept", self.limits.changes_kept),
            ("limits.prune_every", self.limits.prune_every),
            ("limits.retire_every", self.limits.retire_every),
            ("limits.keys_refresh", self.limits.keys_refresh),
            ("page.follow_every", self.page.follow_every),
            ("page.look_every", self.page.look_every),
        ];
        for (key, duration) in durations {
            check(!duration.is_zero(), &format!("{key} must be longer than nothing"));
        }
    }
}

fn all_hidden<S: Serializer>(secrets: &BTreeMap<String, SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(secrets.keys().map(|name| (name, "***")))
}

fn without_password<S: Serializer>(url: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    let Ok(mut url) = Url::parse(url.expose_secret()) else {
        return hidden(url, serializer);
    };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return serializer.serialize_str("***");
    }
    serializer.serialize_str(url.as_str())
}

#[cfg(test)]
pub(crate) fn test_limits() -> Limits {
    let mut defaults: toml::Table = include_str!("../config.default.toml").parse().expect("TOML");
    defaults.remove("limits").expect("limits").try_into().expect("limits")
}
