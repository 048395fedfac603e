//! What an operator may set; the commented defaults are `config.default.toml`.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use chassis::{ServerSettings, TelemetrySettings};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use settings::{Check, Period, Problems, hidden};
use url::Url;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// An API key with write scope that exists after every start. Empty: none is made.
    #[serde(serialize_with = "hidden")]
    pub bootstrap_key: SecretString,
    /// API keys with read scope that exist after every start, by name.
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
    pub acquire_timeout: Period,
    pub statement_timeout: Period,
    pub idle_transaction_timeout: Period,
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
    pub page_items: NonZeroU32,
    pub page_items_max: NonZeroU32,
    /// A page of a list ends early when its contents reach this.
    pub page_bytes_max: usize,
    pub writes_in_flight_max: NonZeroUsize,
    pub reads_in_flight_max: NonZeroUsize,
    /// How long a request waits for a permit before it is answered 503.
    #[serde(with = "humantime_serde")]
    pub turn_timeout: Duration,
    /// How long a request may take once it has its permit.
    pub request_timeout: Period,
    /// The `Retry-After` of an answer 503.
    pub retry_after: Period,
    pub idempotency_kept: Period,
    pub changes_kept: Period,
    pub prune_every: Period,
    pub prune_rows_max: NonZeroU32,
    pub retire_rows_max: NonZeroU32,
    pub retire_every: Period,
    /// How long a key that was removed or added elsewhere may go unnoticed.
    pub keys_refresh: Period,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Contacts or projects listed at once.
    pub containers_max: u32,
    /// Tasks, notes or appointments shown at once in a section.
    pub section_max: u32,
    /// The longest text shown in full in a list, in characters.
    pub text_chars_max: usize,
    /// Pages that follow changes at the same time.
    pub followers_max: NonZeroUsize,
    /// The shortest time between two signals to a page.
    pub follow_every: Period,
    /// How often the database is asked what other processes wrote.
    pub look_every: Period,
}

/// Keys shorter than this could be guessed: they are hashed without salt.
const KEY_CHARS_MIN: usize = 16;

impl Check for Config {
    fn check(&self, problems: &mut Problems) {
        problems.nest("database", &self.database);
        problems.nest("limits", &self.limits);
        problems.nest("page", &self.page);
        problems.nest("server", &self.server);
        problems.nest("telemetry", &self.telemetry);
        let key = self.bootstrap_key.expose_secret();
        problems.check(key.is_empty() || key.len() >= KEY_CHARS_MIN, "bootstrap_key", "must have at least 16 characters");
        let readers = &self.reader_keys;
        let are_long = readers.values().all(|key| key.expose_secret().len() >= KEY_CHARS_MIN);
        problems.check(are_long, "reader_keys", "must have at least 16 characters each");
        problems.check(!readers.contains_key("bootstrap"), "reader_keys.bootstrap", "is the name of the write key");
        let mut keys: Vec<&str> = readers.values().map(ExposeSecret::expose_secret).chain([key]).collect();
        keys.sort_unstable();
        let differ = keys.windows(2).all(|pair| pair.first() != pair.get(1));
        problems.check(differ, "reader_keys", "must differ from each other and from bootstrap_key");
    }
}

impl Check for Database {
    fn check(&self, problems: &mut Problems) {
        let url = Url::parse(self.url.expose_secret());
        let is_postgres = url.is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
        problems.check(is_postgres, "url", "must be postgres://user:password@host:port/database");
        problems.check(self.connections_max > 1, "connections_max", "must be at least 2");
    }
}

impl Check for Limits {
    fn check(&self, problems: &mut Problems) {
        problems.check((1..=500).contains(&self.batch_items_max), "batch_items_max", "must be from 1 to 500");
        problems.check((65_536..=67_108_864).contains(&self.body_bytes_max), "body_bytes_max", "must be from 64 KiB to 64 MiB");
        problems.check(self.content_bytes_max >= 1_024, "content_bytes_max", "must be at least 1024");
        problems.check((64..=1_024).contains(&self.key_bytes_max), "key_bytes_max", "must be from 64 to 1024");
        problems.check((64..=1_024).contains(&self.workspace_bytes_max), "workspace_bytes_max", "must be from 64 to 1024");
        problems.check((64..=2_048).contains(&self.idempotency_key_bytes_max), "idempotency_key_bytes_max", "must be from 64 to 2048");
        problems.check(self.page_items <= self.page_items_max, "page_items", "must not be greater than limits.page_items_max");
        problems.check(self.page_items_max.get() <= 5_000, "page_items_max", "must be at most 5000");
        problems.check(self.page_bytes_max >= 1_024, "page_bytes_max", "must be at least 1024");
    }
}

impl Check for Page {
    fn check(&self, problems: &mut Problems) {
        problems.check((1..=500).contains(&self.containers_max), "containers_max", "must be from 1 to 500");
        problems.check((1..=500).contains(&self.section_max), "section_max", "must be from 1 to 500");
        problems.check(self.text_chars_max >= 200, "text_chars_max", "must be at least 200");
    }
}

impl chassis::Settings for Config {
    const SERVICE: &'static str = "bridge";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
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
