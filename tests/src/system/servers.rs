//! The servers under the system, which may die.

use std::path::Path;

use embedded::{Nats, NatsSettings, Postgres, PostgresSettings};

use super::System;

impl System {
    pub fn nats_data(&self) -> &Path {
        &self.nats_data
    }

    /// Ends PostgreSQL without notice and starts it again on what it left.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn crash_postgres(&mut self) -> anyhow::Result<()> {
        let (data, port) = (self.postgres.data().to_owned(), self.postgres.port());
        self.postgres.kill().await;
        self.postgres = Postgres::start(PostgresSettings { data, port: Some(port), ..PostgresSettings::default() }).await?;
        Ok(())
    }

    /// Ends nats-server without notice.
    pub async fn kill_nats(&mut self) {
        self.nats.kill().await;
    }

    /// Starts it again on the same port; with nothing in its store if `wiped`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn revive_nats(&mut self, wiped: bool) -> anyhow::Result<()> {
        let port = self.nats.port();
        if wiped {
            embedded::wipe(&self.nats_data)?;
        }
        self.nats = Nats::start(NatsSettings { data: self.nats_data.clone(), port: Some(port), ..NatsSettings::default() }).await?;
        Ok(())
    }
}
