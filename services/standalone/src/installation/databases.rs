//! The databases and their roles: the log's owner only migrates, the services have roles of their own.

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use super::secrets::Secrets;
use super::servers::{BRIDGE_DATABASE, LOG_DATABASE, Servers};
use crate::settings::{PostgresSettings, Settings};

/// The role of the services in the log's database.
const LOG_USER: &str = "mirror_app";
/// The role of the bridge in its own database on an embedded server.
const BRIDGE_USER: &str = "mirror_bridge";

/// Where the services find their databases.
pub(crate) struct Databases {
    /// As the role of the services, which may append to the log and never change it.
    pub(crate) log: SecretString,
    pub(crate) bridge: SecretString,
}

/// Migrates the log and creates the roles. Doing it again changes nothing.
pub(crate) async fn prepare(settings: &Settings, servers: &Servers, secrets: &Secrets) -> anyhow::Result<Databases> {
    let (owner, bridge) = match servers.postgres_url(LOG_DATABASE).zip(servers.postgres_url(BRIDGE_DATABASE)) {
        Some((log, bridge)) => (SecretString::from(log), bridge_role(&bridge, &secrets.bridge_password).await?),
        None => external(&settings.postgres),
    };
    let as_owner = eventlog::Settings { url: owner.clone(), ..eventlog::Settings::default() };
    eventlog::migrate(&as_owner).await.context("migrating the event log")?;
    let password = SecretString::from(secrets.log_password.clone());
    eventlog::ensure_service_role(&as_owner, LOG_USER, &password).await.context("making the role of the services")?;
    Ok(Databases { log: with_user(owner.expose_secret(), LOG_USER, &secrets.log_password)?, bridge })
}

/// Where they are while everything runs, or where the settings say.
pub(crate) fn of_running(settings: &Settings, secrets: &Secrets) -> anyhow::Result<Databases> {
    if !settings.postgres.is_embedded() {
        let (log, bridge) = external(&settings.postgres);
        return Ok(Databases { log, bridge });
    }
    let url = |database: &str| format!("postgres://127.0.0.1:{}/{database}", settings.ports.postgres);
    let log = with_user(&url(LOG_DATABASE), LOG_USER, &secrets.log_password)?;
    Ok(Databases { log, bridge: with_user(&url(BRIDGE_DATABASE), BRIDGE_USER, &secrets.bridge_password)? })
}

fn external(settings: &PostgresSettings) -> (SecretString, SecretString) {
    (settings.log_url.clone(), settings.bridge_url.clone())
}

/// The bridge owns its database and nothing else.
async fn bridge_role(as_superuser: &str, password: &str) -> anyhow::Result<SecretString> {
    let mut connection = PgConnection::connect(as_superuser).await.context("connecting to the bridge's database")?;
    // Both names and the password consist of letters, digits and underscores: they are made here.
    let statements = format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{BRIDGE_USER}') THEN CREATE ROLE {BRIDGE_USER} LOGIN; END IF; END $$; \
         ALTER ROLE {BRIDGE_USER} PASSWORD '{password}'; \
         ALTER DATABASE {BRIDGE_DATABASE} OWNER TO {BRIDGE_USER}; \
         ALTER SCHEMA public OWNER TO {BRIDGE_USER}"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.context("making the role of the bridge")?;
    connection.close().await.context("closing the connection to the bridge's database")?;
    with_user(as_superuser, BRIDGE_USER, password)
}

fn with_user(url: &str, user: &str, password: &str) -> anyhow::Result<SecretString> {
    // The parser's error does not quote the address.
    let mut url = Url::parse(url).context("the address of a database")?;
    let changed = url.set_username(user).and_then(|()| url.set_password(Some(password)));
    changed.map_err(|()| anyhow::anyhow!("the address of a database has no place for a user"))?;
    Ok(SecretString::from(url.to_string()))
}
