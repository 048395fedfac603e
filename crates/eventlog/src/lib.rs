//! Remembers: the append-only log of what happened, what is known because of it, and what was brought to Pagico.
//!
//! Does not know how GHL or Pagico speak, nor what travels over the bus.
//!
//! In the order in which data passes:
//! - `log`: `EventLog`, which holds the connections and gives the parts below
//! - `settings`, `migrate`: where the log is, its schema and its roles
//! - `locations`, `mirrored`, `leases`: which locations there are, what was decided about each, and who looks after it
//! - `append`: what was observed becomes events, in one transaction with what is known
//! - `known`: what is known of GHL, and how far each net has come
//! - `keys`, `seal`: the contacts' own keys, and what is sealed with them
//! - `chain`: the head of a location's log, and the hash over each event and its predecessor
//! - `read`: from rows to events
//! - `appends`, `relay`: waking whoever waits, and what is published to the bus
//! - `ledger`: what was brought to Pagico, what is parked, workspaces and replays
//! - `proving`: a location's whole log, verified, exported and imported
//! - `webhooks`: which webhooks were taken, and the secrets of those that workflows send
//! - `answers`: answers for people and for replays
//! - `alerts`: what a person has to be told, and what was told
//! - `columns`, `error`: how values become columns, and what can go wrong

mod alerts;
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
mod log;
mod migrate;
mod mirrored;
mod proving;
mod read;
mod relay;
mod seal;
mod settings;
mod webhooks;

pub use alerts::Alerts;
pub use alerts::facts::{
    CallsNearlySpent, Drifted, LostStream, OverdueSweep, ParkedWork, PollersSeen, StuckBackfill, UnsettledWork, VanishingHeld,
};
pub use alerts::open::{Alert, Finding};
pub use alerts::silences::Silence;
pub use alerts::told::{Change, Due};
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
pub use known::names::Renaming;
pub use known::parity::Parity;
pub use known::passes::{BrokenOff, Pass, Passes};
pub use known::premises::Premises;
pub use known::progress::{Backfill, Progress};
pub use known::records::{KnownRecords, NotesDue};
pub use known::remained::SharedRecords;
pub use known::resyncs::{Resync, ResyncProgress, ResyncTarget, Resyncs};
pub use known::source::{SourceState, SourceTrouble};
pub use known::vanishing::Vanishing;
pub use leases::{Lease, Leases, Replica, Turn};
pub use ledger::parked::{Parked, Parking, Parkings, Stage};
pub use ledger::replays::{Phase, Plan, Replay, ReplayProgress, Replays, Totals};
pub use ledger::workspaces::{Generation, Role, Workspaces};
pub use ledger::{Ledger, ParkedMessage, Settlement};
pub use locations::{Location, Locations};
pub use log::EventLog;
pub use migrate::{ensure_service_role, migrate};
pub use mirrored::state::MirrorState;
pub use mirrored::{Decision, MirroredLocation, MirroredLocations};
pub use proving::Chain;
pub use proving::transfer::{Import, ImportBatch, ImportBuffer};
pub use proving::verify::{Verification, Verified};
pub use relay::{Relay, RelayBatch, RelayTurn, StreamState};
pub use seal::credentials::{Credential, CredentialOwner, CredentialState, Credentials, RenewalPermit, Tokens};
pub use seal::erase::{Erasure, ErasureRequest, Erasures, PurgedPart};
pub use seal::purge::{Purge, PurgeRequest, PurgeStep, Purges};
pub use seal::{ContactMessage, Opened};
pub use settings::Settings;
pub use webhooks::{SecretHash, WebhookDigest, Webhooks, WorkflowSecret};
