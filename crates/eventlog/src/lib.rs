//! Remembers: the append-only log of what happened, what is known because of it, and what was brought to Pagico.
//!
//! Does not know how GHL or Pagico speak, nor what travels over the bus.

mod answers;
mod append;
mod appends;
mod chain;
mod columns;
mod error;
mod keys;
mod known;
mod leases;
mod ledger;
mod locations;
mod migrate;
mod proving;
mod read;
mod relay;
mod seal;
mod settings;

use std::sync::Arc;

use sqlx::PgPool;

use crate::appends::Appended;
use crate::keys::ring::Keys;

pub use answers::access::{Access, AccessFilter, Accessed};
pub use answers::contacts::{Contacts, Unread};
pub use answers::history::{Selection, Span, Stretch};
pub use answers::overview::{ContactFilter, ContactState, ContactSummary, LocationOverview, ObjectState, SyncState};
pub use appends::Appends;
pub use chain::Entry;
pub use error::{Error, Result};
pub use keys::kek::{Kek, Wrapped};
pub use known::coverage::{Coverage, Found};
pub use known::passes::{NotesDue, Pass};
pub use known::progress::{Backfill, Progress};
pub use known::remained::Shared;
pub use leases::{Holding, Lease};
pub use ledger::parked::{Parked, Parking, Stage};
pub use ledger::replays::{Phase, Plan, Progressed, Replay, Totals};
pub use ledger::workspaces::{Generation, Role};
pub use ledger::{ParkedMessage, Settlement};
pub use locations::Location;
pub use proving::transfer::{Arrivals, Arrived, Import};
pub use proving::verify::{Verification, Verified};
pub use relay::{RelayBatch, RelayTurn, StreamSeen};
pub use seal::credentials::{Credential, CredentialOwner, CredentialState, RenewalTurn, Tokens};
pub use seal::erase::{Erase, Erasure, Purged, Rewrapped};
pub use seal::{Letter, Opened};
pub use settings::Settings;

/// The event log and everything that is kept beside it. Cheap to clone; clones share their connections and their wake-ups.
#[derive(Clone)]
pub struct EventLog {
    pool: PgPool,
    keys: Arc<Keys>,
    transaction_records_max: usize,
    appended: Appended,
}

impl EventLog {
    /// Prepares a pool that connects when it is first used: a database that is down now is no error here.
    ///
    /// # Errors
    /// `Misconfigured` when the address is not one of a PostgreSQL database or the key-encryption keys cannot be read.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        Ok(Self {
            pool: settings.pool()?,
            keys: Arc::new(Keys::new(settings.kek()?, settings.contact_keys_max, settings.erasures_checked_every)),
            transaction_records_max: settings.transaction_records_max.max(1),
            appended: Appended::new(),
        })
    }

    /// Notices of appends from now on.
    pub fn appends(&self) -> Appends {
        self.appended.listen()
    }

    /// The key-encryption keys that this log was connected with.
    pub fn kek(&self) -> Option<&Kek> {
        self.keys.kek()
    }

    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }
}
