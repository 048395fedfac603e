//! The schema and the roles.

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use crate::{Error, Result, Settings};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How often a role is tried when another database of the same server changes roles at the same moment: roles belong to the
/// server, and no lock reaches across its databases.
const ROLE_ATTEMPTS: u32 = 5;

/// Brings the schema up to date, as its owner, one migrator at a time: others wait on an advisory lock.
///
/// # Errors
/// `Misconfigured` when the schema was changed by something else or is newer than this program.
pub async fn migrate(owner: &Settings) -> Result<()> {
    // One migrator may wait long for another: the lock, not a time-out, decides.
    let options = owner.connect_options()?.options([("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "0")]);
    let mut connection = options.connect().await?;
    let migrated = MIGRATIONS.run_direct(None, &mut connection, false).await;
    // Closing gives the advisory lock back, also after an error.
    connection.close().await?;
    migrated.map_err(|error| {
        if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
            Error::from(error)
        } else {
            Error::Misconfigured(error.to_string())
        }
    })
}

/// Makes sure that there is a login role for services, which may append to the log but never change it.
///
/// # Errors
/// `Misconfigured` when the owner may not create roles.
pub async fn ensure_service_role(owner: &Settings, user: &str, password: &SecretString) -> Result<()> {
    let mut connection = owner.connect_options()?.connect().await?;
    let mut attempt = 1;
    loop {
        match service_role(&mut connection, user, password).await {
            Err(Error::Refused { .. }) if attempt < ROLE_ATTEMPTS => attempt += 1,
            other => break other,
        }
    }?;
    Ok(connection.close().await?)
}

async fn service_role(connection: &mut PgConnection, user: &str, password: &SecretString) -> Result<()> {
    // The server quotes: names and passwords cannot be parameters of these statements.
    let statement = sqlx::query(
        "SELECT format(CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = $1) \
         THEN 'ALTER ROLE %I LOGIN PASSWORD %L' ELSE 'CREATE ROLE %I LOGIN PASSWORD %L' END, $1, $2), \
         format('GRANT mirror_service TO %I', $1)",
    )
    .bind(user)
    .bind(password.expose_secret())
    .fetch_one(&mut *connection)
    .await?;
    for column in [0, 1] {
        let statement: String = statement.try_get(column)?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    Ok(())
}
