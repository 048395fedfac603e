//! The connections to the database, and its tables.

use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

use super::error::{Error, Result};
use crate::config::Database;

/// A connection that was idle for longer is tested before use.
const IDLE_TRUSTED: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(super) pool: PgPool,
}

impl Store {
    /// Connects when first used.
    pub(crate) fn new(database: &Database) -> Result<Self> {
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let options = PgConnectOptions::from_str(database.url.expose_secret())?
            .application_name("pagico-mirror bridge")
            .options([
                ("statement_timeout", milliseconds(*database.statement_timeout)),
                ("idle_in_transaction_session_timeout", milliseconds(*database.idle_transaction_timeout)),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(database.connections_max)
            .acquire_timeout(*database.acquire_timeout)
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
