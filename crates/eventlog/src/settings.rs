//! Where the log is and how much of it may be used at once.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use settings::{Check, Period, Problems, hidden};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::{Error, Kek, Result};

/// How long a connection may have idled before it is tried out before use.
const IDLE_TRUSTED: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `postgres://user:password@host:port/database`. Printed without the password.
    #[serde(serialize_with = "without_password")]
    pub url: SecretString,
    /// The key-encryption keys, as `Kek::parse` takes them; empty: none. Never printed.
    #[serde(serialize_with = "hidden")]
    pub kek: SecretString,
    /// A file with them instead, readable by its owner alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kek_file: Option<PathBuf>,
    /// How many contacts' keys are remembered unwrapped, of each location.
    pub contact_keys_max: NonZeroUsize,
    /// How long an erasure by another process may go unnoticed by whoever reads.
    pub erasures_checked_every: Period,
    pub connections_max: NonZeroU32,
    /// How long to wait for a free connection, connecting included.
    pub acquire_timeout: Period,
    /// How long one statement may take before the database cancels it.
    pub statement_timeout: Period,
    /// How long a transaction may do nothing before the database ends it: bounds how long a hung process can hold a lock.
    pub idle_transaction_timeout: Period,
    /// How many observed records or settlements one transaction takes at most; a longer batch becomes several. One observation
    /// is never split.
    pub transaction_records_max: NonZeroUsize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: SecretString::from(String::new()),
            kek: SecretString::from(String::new()),
            kek_file: None,
            contact_keys_max: const { NonZeroUsize::new(100_000).unwrap() },
            erasures_checked_every: Period::from_secs(2),
            connections_max: const { NonZeroU32::new(8).unwrap() },
            acquire_timeout: Period::from_secs(5),
            statement_timeout: Period::from_secs(30),
            idle_transaction_timeout: Period::from_secs(60),
            transaction_records_max: const { NonZeroUsize::new(2_000).unwrap() },
        }
    }
}

impl Check for Settings {
    fn check(&self, problems: &mut Problems) {
        let is_postgres = url::Url::parse(self.url.expose_secret()).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
        problems.check(is_postgres, "url", "must be postgres://user:password@host:port/database");
        if let Err(error) = self.kek() {
            problems.refuse("kek", error);
        }
    }
}

impl Settings {
    /// The key-encryption keys, where there are any.
    pub(crate) fn kek(&self) -> Result<Option<Kek>> {
        match (&self.kek_file, self.kek.expose_secret().is_empty()) {
            (None, true) => Ok(None),
            (None, false) => Kek::parse(&self.kek).map(Some),
            (Some(file), true) => Kek::read(file).map(Some),
            (Some(_), false) => Err(Error::Misconfigured("kek and kek_file are given, one is enough".to_owned())),
        }
    }

    pub(crate) fn connect_options(&self) -> Result<PgConnectOptions> {
        let options = PgConnectOptions::from_str(self.url.expose_secret())
            .map_err(|_| Error::Misconfigured("url is not the address of a PostgreSQL database".to_owned()))?;
        let milliseconds = |period: Period| period.as_millis().to_string();
        Ok(options
            .application_name("pagico-mirror")
            .options([
                ("statement_timeout", milliseconds(self.statement_timeout)),
                ("idle_in_transaction_session_timeout", milliseconds(self.idle_transaction_timeout)),
            ])
            .disable_statement_logging())
    }

    pub(crate) fn pool(&self, connections_max: NonZeroU32) -> Result<PgPool> {
        let options = PgPoolOptions::new()
            .max_connections(connections_max.get())
            .acquire_timeout(*self.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, idle| {
                Box::pin(async move {
                    if idle.idle_for < IDLE_TRUSTED {
                        return Ok(true);
                    }
                    Ok(sqlx::Connection::ping(connection).await.is_ok())
                })
            });
        Ok(options.connect_lazy_with(self.connect_options()?))
    }
}

fn without_password<S: Serializer>(url: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    let shown = match url::Url::parse(url.expose_secret()) {
        Ok(mut url) => {
            if url.password().is_some() && url.set_password(Some("hidden")).is_err() {
                String::from("hidden")
            } else {
                url.to_string()
            }
        }
        Err(_) if url.expose_secret().is_empty() => String::new(),
        Err(_) => String::from("hidden"),
    };
    serializer.serialize_str(&shown)
}
