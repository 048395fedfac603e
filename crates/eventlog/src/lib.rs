//! Remembers: the append-only log of what happened, what is known because of it, and what was brought to Pagico.
//!
//! Does not know how GHL or Pagico speak, nor what travels over the bus.

mod access;
mod cipher;
mod columns;
mod contacts;
mod copy;
mod coverage;
mod credentials;
mod erase;
mod error;
mod history;
mod kek;
mod keys;
mod known;
mod leases;
mod ledger;
mod locations;
mod log;
mod migrate;
mod overview;
mod parked;
mod passes;
mod progress;
mod read;
mod rebuild;
mod relay;
mod remained;
mod replays;
mod retention;
mod seal;
mod settings;
mod transfer;
mod verify;
mod workspaces;

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::watch;

use crate::keys::Keys;

pub use access::{Access, AccessFilter, Accessed};
pub use contacts::{Contacts, Unread};
pub use coverage::{Coverage, Found};
pub use credentials::{Credential, CredentialOwner, CredentialState, RenewalTurn, Tokens};
pub use erase::{Erase, Erasure, Purged, Rewrapped};
pub use error::{Error, Result};
pub use history::{Selection, Span, Stretch};
pub use kek::{Kek, Wrapped};
pub use leases::{Holding, Lease};
pub use ledger::{ParkedMessage, Settlement};
pub use locations::Location;
pub use log::{Appends, Entry};
pub use overview::{ContactFilter, ContactState, ContactSummary, LocationOverview, ObjectState, SyncState};
pub use parked::{Parked, Parking, Stage};
pub use passes::{NotesDue, Pass};
pub use progress::{Backfill, Progress};
pub use relay::{RelayBatch, RelayTurn, StreamSeen};
pub use remained::Shared;
pub use replays::{Phase, Plan, Progressed, Replay, Totals};
pub use seal::{Letter, Opened};
pub use settings::Settings;
pub use transfer::{Arrivals, Arrived, Import};
pub use verify::{Verification, Verified};
pub use workspaces::{Generation, Role};

/// The event log and everything that is kept beside it. Cheap to clone; clones share their connections and their wake-ups.
#[derive(Clone)]
pub struct EventLog {
    pool: PgPool,
    keys: Arc<Keys>,
    transaction_records_max: usize,
    appended: Arc<watch::Sender<u64>>,
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
            appended: Arc::new(watch::Sender::new(0)),
        })
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
