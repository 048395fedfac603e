//! Remembers: the append-only log of what happened, what is known because of it, and what was brought to Pagico.
//!
//! Does not know how GHL or Pagico speak, nor what travels over the bus.
//!
//! In the order in which data passes:
//! - `settings`, `migrate`: where the log is, its schema and its roles
//! - `locations`, `leases`: which locations there are, and who looks after each
//! - `append`: what was observed becomes events, in one transaction with what is known
//! - `known`: what is known of GHL, and how far each net has come
//! - `keys`, `seal`: the contacts' own keys, and what is sealed with them
//! - `chain`: the head of a location's log, and the hash over each event and its predecessor
//! - `read`: from rows to events
//! - `appends`, `relay`: waking whoever waits, and what is published to the bus
//! - `ledger`: what was brought to Pagico, what is parked, workspaces and replays
//! - `proving`: a location's whole log, verified, exported and imported
//! - `answers`: answers for people and for replays
//! - `columns`, `error`: how values become columns, and what can go wrong

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
use crate::keys::ring::KeyRing;

pub use answers::Answers;
pub use answers::access::{Access, AccessEntry, AccessFilter};
pub use answers::contacts::{ContactRange, RawEvent};
pub use answers::history::{EventFilter, EventPage, TimeRange};
pub use answers::overview::{ContactFilter, ContactState, ContactSummary, LocationOverview, ObjectState, SyncState};
pub use appends::Appends;
pub use chain::Entry;
pub use error::{Error, Result};
pub use keys::kek::{Kek, Wrapped};
pub use keys::{Keys, Rewrapped};
pub use known::coverage::{Coverage, Found};
pub use known::passes::{Pass, Passes};
pub use known::progress::{Backfill, Progress};
pub use known::records::{KnownRecords, NotesDue};
pub use known::remained::SharedRecords;
pub use leases::{Holding, Lease, Leases};
pub use ledger::parked::{Parked, Parking, Parkings, Stage};
pub use ledger::replays::{Phase, Plan, Replay, ReplayProgress, Replays, Totals};
pub use ledger::workspaces::{Generation, Role, Workspaces};
pub use ledger::{Ledger, ParkedMessage, Settlement};
pub use locations::{Location, Locations};
pub use migrate::{ensure_service_role, migrate};
pub use proving::Chain;
pub use proving::transfer::{Import, ImportBatch, ImportBuffer};
pub use proving::verify::{Verification, Verified};
pub use relay::{Relay, RelayBatch, RelayTurn, StreamState};
pub use seal::credentials::{Credential, CredentialOwner, CredentialState, Credentials, RenewalPermit, Tokens};
pub use seal::erase::{Erasure, ErasureRequest, Erasures, PurgedPart};
pub use seal::{ContactMessage, Opened};
pub use settings::Settings;

/// The event log, and the doors to everything that is kept beside it. Cheap to clone; clones, and what stands behind the doors, share
/// their connections and their wake-ups.
#[derive(Clone)]
pub struct EventLog {
    pool: PgPool,
    appended: Appended,
    transaction_records_max: usize,
    doors: Arc<Doors>,
}

struct Doors {
    locations: Locations,
    leases: Leases,
    known: KnownRecords,
    passes: Passes,
    keys: Keys,
    credentials: Credentials,
    erasures: Erasures,
    relay: Relay,
    ledger: Ledger,
    parked: Parkings,
    workspaces: Workspaces,
    replays: Replays,
    chain: Chain,
    answers: Answers,
}

impl EventLog {
    /// Prepares a pool that connects when it is first used: a database that is down now is no error here.
    ///
    /// # Errors
    /// `Misconfigured` when the address is not one of a PostgreSQL database or the key-encryption keys cannot be read.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        let pool = settings.pool()?;
        let ring = Arc::new(KeyRing::new(settings.kek()?, settings.contact_keys_max, settings.erasures_checked_every));
        let keys = Keys { pool: pool.clone(), ring: Arc::clone(&ring) };
        let appended = Appended::new();
        let transaction_records_max = settings.transaction_records_max.max(1);
        let doors = Doors {
            locations: Locations { pool: pool.clone() },
            leases: Leases { pool: pool.clone() },
            known: KnownRecords { pool: pool.clone(), keys: keys.clone(), transaction_records_max },
            passes: Passes { pool: pool.clone() },
            credentials: Credentials { pool: pool.clone(), ring: Arc::clone(&ring) },
            erasures: Erasures { pool: pool.clone(), ring: Arc::clone(&ring), appended: appended.clone() },
            relay: Relay { pool: pool.clone(), appended: appended.clone() },
            ledger: Ledger { pool: pool.clone(), ring, appended: appended.clone(), transaction_records_max },
            parked: Parkings { pool: pool.clone(), appended: appended.clone() },
            workspaces: Workspaces { pool: pool.clone(), appended: appended.clone() },
            replays: Replays { pool: pool.clone(), appended: appended.clone(), transaction_records_max },
            chain: Chain { pool: pool.clone(), keys: keys.clone(), appended: appended.clone() },
            answers: Answers { pool: pool.clone() },
            keys,
        };
        Ok(Self { pool, appended, transaction_records_max, doors: Arc::new(doors) })
    }

    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Notices of appends from now on.
    pub fn appends(&self) -> Appends {
        self.appended.listen()
    }

    pub fn locations(&self) -> &Locations {
        &self.doors.locations
    }

    pub fn leases(&self) -> &Leases {
        &self.doors.leases
    }

    pub fn known(&self) -> &KnownRecords {
        &self.doors.known
    }

    pub fn passes(&self) -> &Passes {
        &self.doors.passes
    }

    pub fn keys(&self) -> &Keys {
        &self.doors.keys
    }

    pub fn credentials(&self) -> &Credentials {
        &self.doors.credentials
    }

    pub fn erasures(&self) -> &Erasures {
        &self.doors.erasures
    }

    pub fn relay(&self) -> &Relay {
        &self.doors.relay
    }

    pub fn ledger(&self) -> &Ledger {
        &self.doors.ledger
    }

    pub fn parked(&self) -> &Parkings {
        &self.doors.parked
    }

    pub fn workspaces(&self) -> &Workspaces {
        &self.doors.workspaces
    }

    pub fn replays(&self) -> &Replays {
        &self.doors.replays
    }

    pub fn chain(&self) -> &Chain {
        &self.doors.chain
    }

    pub fn answers(&self) -> &Answers {
        &self.doors.answers
    }
}
