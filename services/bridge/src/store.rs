//! The workspace in PostgreSQL.

mod aliases;
mod answers;
mod digests;
mod erase;
mod keys;
mod lists;
mod outdate;
pub(crate) mod page;
mod plan;
mod prune;
mod retire;
mod write;

use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

pub(crate) use aliases::Alias;
pub(crate) use answers::Once;
pub(crate) use digests::{ContactDigest, Root};
pub(crate) use keys::{Scope, StoredKey};
pub(crate) use lists::{Change, Filter, Head, Object, Slice, Spot};
pub(crate) use plan::Applied;
pub(crate) use retire::Leaving;
pub(crate) use write::Written;

use crate::config::Database;

/// What the caller must do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the workspace is not known")]
    WorkspaceUnknown,
    #[error("the alias is not known")]
    AliasUnknown,
    /// Point the alias elsewhere first.
    #[error("the alias {0} points at the workspace")]
    Aliased(String),
    /// Wait: a workspace of that name is still being removed.
    #[error("a workspace of that name is still being removed")]
    Leaving,
    /// Create the workspace again, or ask for a newer position.
    #[error("the feed begins after position {0}")]
    Pruned(u64),
    /// Send another idempotency key.
    #[error("the idempotency key was used for another request")]
    OtherRequest,
    /// Wait and try again.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    #[error("the database refused")]
    Failed(#[source] sqlx::Error),
}

impl Error {
    /// For the log. Of what the database says about data only the code: its message may quote a row.
    pub(crate) fn told(&self) -> String {
        let source = match self {
            Self::WorkspaceUnknown | Self::AliasUnknown | Self::Aliased(_) | Self::Leaving | Self::Pruned(_) | Self::OtherRequest => {
                return self.to_string();
            }
            Self::Unavailable(source) | Self::Failed(source) => source,
        };
        match source.as_database_error() {
            Some(database) => {
                format!("{self}: code {}, table {}", database.code().unwrap_or_default(), database.table().unwrap_or("unknown"))
            }
            None => format!("{self}: {source}"),
        }
    }
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_transient(&error) { Self::Unavailable(error) } else { Self::Failed(error) }
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Database(database) = error {
        let code = database.code().unwrap_or_default();
        // Connection lost, rolled back by the server, out of something, stopped by an operator, storage full or failing.
        return ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "25006" || code == "25P03";
    }
    matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed
    )
}

/// How long a connection may have idled before it is tried out before use.
const IDLE_TRUSTED: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: PgPool,
}

impl Store {
    /// Connects when first used.
    pub(crate) fn new(database: &Database) -> Result<Self> {
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let options = PgConnectOptions::from_str(database.url.expose_secret())?
            .application_name("pagico-mirror bridge")
            .options([
                ("statement_timeout", milliseconds(database.statement_timeout)),
                ("idle_in_transaction_session_timeout", milliseconds(database.idle_transaction_timeout)),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(database.connections_max)
            .acquire_timeout(database.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, idle| {
                Box::pin(async move { Ok(idle.idle_for < IDLE_TRUSTED || connection.ping().await.is_ok()) })
            });
        Ok(Self { pool: pool.connect_lazy_with(options) })
    }

    /// Makes or upgrades the tables. Several starts at once wait for each other on an advisory lock.
    pub(crate) async fn migrate(&self) -> Result<()> {
        let migrated = sqlx::migrate!("./migrations").run(&self.pool).await;
        migrated.map_err(
            |error| {
                if let sqlx::migrate::MigrateError::Execute(error) = error { error.into() } else { Error::Failed(error.into()) }
            },
        )
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// A position or count as the database has it: never negative there.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
