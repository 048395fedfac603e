//! The schema and the roles.

use secrecy::SecretString;

use crate::{EventLog, Result, Settings};

impl EventLog {
    /// Brings the schema up to date, as its owner, one migrator at a time: others wait on an advisory lock.
    pub async fn migrate(owner: &Settings) -> Result<()> {
        todo!("{owner:?}")
    }

    /// Makes sure that there is a login role for services, which may append to the log but never change it.
    pub async fn ensure_service_role(owner: &Settings, user: &str, password: &SecretString) -> Result<()> {
        todo!("{owner:?} {user} {password:?}")
    }
}
