//! The log as its users hold it: one connection pool, one more connection for leases, and the parts of what is kept in the database.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use domain::{LocationId, Stored};
use sqlx::PgPool;

use crate::appends::Appended;
use crate::keys::ring::KeyRing;
use crate::{
    Alerts, Answers, Appends, Chain, Credentials, Erasures, Keys, KnownRecords, Leases, Ledger, Locations, MirroredLocations, Parkings,
    Passes, Purges, Relay, Replays, Result, Resyncs, Settings, Webhooks, Workspaces, read,
};

/// The event log and everything that is kept beside it. Cheap to clone: clones and parts share their connections and their wake-ups.
#[derive(Clone)]
pub struct EventLog {
    pub(crate) pool: PgPool,
    pub(crate) appended: Appended,
    pub(crate) transaction_records_max: NonZeroUsize,
    parts: Arc<Parts>,
}

struct Parts {
    locations: Locations,
    mirrored: MirroredLocations,
    leases: Leases,
    known: KnownRecords,
    passes: Passes,
    resyncs: Resyncs,
    keys: Keys,
    credentials: Credentials,
    erasures: Erasures,
    purges: Purges,
    relay: Relay,
    ledger: Ledger,
    parked: Parkings,
    workspaces: Workspaces,
    replays: Replays,
    chain: Chain,
    answers: Answers,
    alerts: Alerts,
    webhooks: Webhooks,
}

impl EventLog {
    /// Prepares a pool that connects when it is first used: a database that is down now is no error here.
    ///
    /// # Errors
    /// `Misconfigured` when the address is not one of a PostgreSQL database or the key-encryption keys cannot be read.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        let pool = settings.pool(settings.connections_max)?;
        let ring = Arc::new(KeyRing::new(settings.kek()?, settings.contact_keys_max, *settings.erasures_checked_every));
        let keys = Keys { pool: pool.clone(), ring: Arc::clone(&ring) };
        let appended = Appended::new();
        let transaction_records_max = settings.transaction_records_max;
        let parts = Parts {
            locations: Locations { pool: pool.clone() },
            mirrored: MirroredLocations { pool: pool.clone(), ring: Arc::clone(&ring) },
            leases: Leases { pool: settings.pool(NonZeroU32::MIN)? },
            known: KnownRecords { pool: pool.clone(), keys: keys.clone(), transaction_records_max },
            passes: Passes { pool: pool.clone() },
            resyncs: Resyncs { pool: pool.clone() },
            credentials: Credentials { pool: pool.clone(), ring: Arc::clone(&ring) },
            erasures: Erasures { pool: pool.clone(), ring: Arc::clone(&ring), appended: appended.clone() },
            purges: Purges { pool: pool.clone(), ring: Arc::clone(&ring), appended: appended.clone() },
            relay: Relay { pool: pool.clone(), appended: appended.clone() },
            ledger: Ledger { pool: pool.clone(), ring, appended: appended.clone(), transaction_records_max },
            parked: Parkings { pool: pool.clone(), appended: appended.clone() },
            workspaces: Workspaces { pool: pool.clone(), appended: appended.clone() },
            replays: Replays { pool: pool.clone(), appended: appended.clone(), transaction_records_max },
            chain: Chain { pool: pool.clone(), keys: keys.clone(), appended: appended.clone() },
            answers: Answers { pool: pool.clone() },
            alerts: Alerts { pool: pool.clone() },
            webhooks: Webhooks { pool: pool.clone() },
            keys,
        };
        Ok(Self { pool, appended, transaction_records_max, parts: Arc::new(parts) })
    }

    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// The events after a position, oldest first.
    pub async fn read(&self, location_id: &LocationId, after: u64, limit: u32) -> Result<Vec<Stored>> {
        let mut connection = self.pool.acquire().await?;
        read::after(&mut connection, location_id, after, limit).await
    }

    /// Notices of appends from now on.
    pub fn appends(&self) -> Appends {
        self.appended.listen()
    }

    pub fn locations(&self) -> &Locations {
        &self.parts.locations
    }

    pub fn mirrored(&self) -> &MirroredLocations {
        &self.parts.mirrored
    }

    pub fn leases(&self) -> &Leases {
        &self.parts.leases
    }

    pub fn known(&self) -> &KnownRecords {
        &self.parts.known
    }

    pub fn passes(&self) -> &Passes {
        &self.parts.passes
    }

    pub fn resyncs(&self) -> &Resyncs {
        &self.parts.resyncs
    }

    pub fn keys(&self) -> &Keys {
        &self.parts.keys
    }

    pub fn credentials(&self) -> &Credentials {
        &self.parts.credentials
    }

    pub fn erasures(&self) -> &Erasures {
        &self.parts.erasures
    }

    pub fn purges(&self) -> &Purges {
        &self.parts.purges
    }

    pub fn relay(&self) -> &Relay {
        &self.parts.relay
    }

    pub fn ledger(&self) -> &Ledger {
        &self.parts.ledger
    }

    pub fn parked(&self) -> &Parkings {
        &self.parts.parked
    }

    pub fn workspaces(&self) -> &Workspaces {
        &self.parts.workspaces
    }

    pub fn replays(&self) -> &Replays {
        &self.parts.replays
    }

    pub fn chain(&self) -> &Chain {
        &self.parts.chain
    }

    pub fn webhooks(&self) -> &Webhooks {
        &self.parts.webhooks
    }

    pub fn answers(&self) -> &Answers {
        &self.parts.answers
    }

    pub fn alerts(&self) -> &Alerts {
        &self.parts.alerts
    }
}
