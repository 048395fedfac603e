//! What can be typed.

mod audit;
mod connection;
mod erasure;
mod ghl;
mod log;
pub(crate) mod replay;
mod services;
mod sync;
pub(crate) mod time;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use self::audit::{AccessArgs, AsOfArgs, BlameArgs, DiffArgs, Export, ExportArgs, FilterArgs, Format, HistoryArgs, WatchArgs};
pub(crate) use self::connection::Connection;
pub(crate) use self::erasure::{EraseArgs, Keys};
pub(crate) use self::ghl::{CredentialsCommand, GhlArgs, VerifyCommand, VerifySourceArgs};
pub(crate) use self::log::{LogCommand, LogExportArgs, LogImportArgs, LogVerifyArgs};
pub(crate) use self::services::{DrainArgs, Service, ServicesArgs};
pub(crate) use self::sync::{ContactsArgs, Only, RedriveArgs};
use crate::problem::EXIT_CODES;

/// Asks pagico-mirror how far it is, what changed and where it went, and tells it what to do.
#[derive(Parser)]
#[command(name = "mirrorctl", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Prints one JSON object on each line instead of tables: the API's answers in the standard JSON form of their messages.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Shows how far each location is and what each service is doing.
    Status,
    /// Lists contacts and how far each is.
    Contacts(ContactsArgs),
    /// Shows one contact object by object: what GHL holds and what Pagico holds.
    Contact {
        /// The GHL contact id.
        contact_id: String,
    },
    /// Shows what happened to a contact and its records, newest first: fields before and after, cause, trace, deliveries.
    History(HistoryArgs),
    /// Shows every value that a field had: who or what changed it, when, and when it reached Pagico.
    Blame(BlameArgs),
    /// Shows a contact and its records as they were at a position of the log or a time.
    AsOf(AsOfArgs),
    /// Shows how a contact and its records differ between two moments; exits with 0 when they do not, with 1 when they do.
    Diff(DiffArgs),
    /// Writes out what the log holds, for auditors.
    #[command(subcommand)]
    Export(Export),
    /// Lists who asked to see what, newest first.
    AccessLog(AccessArgs),
    /// Prints events as they are recorded, and goes on after an interruption where it stopped.
    Watch(WatchArgs),
    /// Lists what waits for a person.
    Parked {
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Sends parked work again.
    Redrive(RedriveArgs),
    /// Calls an operation of GHL's API through the poller and prints the answer; without one, lists those there are.
    Ghl(GhlArgs),
    /// Shows how the calls to GHL are spent and what is left of them.
    Budget,
    /// Shows how well each kind of record is covered: when each net last looked, and what it found before the others.
    Coverage,
    /// Compares the log with what it mirrors.
    #[command(subcommand)]
    Verify(VerifyCommand),
    /// Shows where the marketplace app is installed, or seals its tokens with a new key.
    #[command(subcommand)]
    Credentials(CredentialsCommand),
    /// Makes services take up no work until they are resumed.
    Pause(ServicesArgs),
    /// Makes services take up work again.
    Resume(ServicesArgs),
    /// Makes services take up no work any more, and waits until nothing is in hand.
    Drain(DrainArgs),
    /// Erases a contact from everything the mirror keeps; exit code 6 while something is left to do.
    Erase(EraseArgs),
    /// Shows how far the erasure of a contact is; exit code 6 while something is left to do.
    Erasure {
        /// The GHL contact id.
        contact_id: String,
    },
    /// Lets an erased contact be observed again; what was erased stays erased.
    LiftErasure {
        /// The GHL contact id.
        contact_id: String,
    },
    /// What is to be done about keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Proves that the log is what was written.
    #[command(subcommand)]
    Log(LogCommand),
    /// Rebuilds Pagico from the log: plan, apply, verify.
    #[command(subcommand)]
    Replay(replay::ReplayCommand),
    /// Handles generations of a location's content: shadow, live, former.
    #[command(subcommand)]
    Workspace(replay::WorkspaceCommand),
    /// Prints a completion script.
    Completions { shell: Shell },
}
