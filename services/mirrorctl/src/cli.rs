//! The command line: one file for each group of commands, as in `commands/`.

mod alerts;
mod audit;
mod connection;
mod erasure;
mod ghl;
mod location;
mod log;
pub(crate) mod replay;
mod services;
mod sync;
pub(crate) mod time;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use self::alerts::{AlertsArgs, AlertsCommand};
pub(crate) use self::audit::{AccessArgs, AsOfArgs, BlameArgs, DiffArgs, Export, ExportArgs, FilterArgs, Format, HistoryArgs, WatchArgs};
pub(crate) use self::connection::Connection;
pub(crate) use self::erasure::{EraseArgs, Keys};
pub(crate) use self::ghl::{CredentialsCommand, GhlArgs, ResyncArgs, VerifyCommand, VerifySourceArgs, WebhookCommand};
pub(crate) use self::location::{LocationAddArgs, LocationArgs, LocationCommand, LocationPurgeArgs};
pub(crate) use self::log::{LogCommand, LogExportArgs, LogImportArgs, LogVerifyArgs};
pub(crate) use self::services::{DrainArgs, Service, ServicesArgs};
pub(crate) use self::sync::{ContactsArgs, Only, RedriveArgs};
use crate::problem::EXIT_CODES;

/// Operates pagico-mirror: how far it is, what changed, where it went, and what to do about it.
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
    /// Shows one contact, object by object: what GHL holds and what Pagico holds.
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
    /// Exports what the log says, for auditors.
    #[command(subcommand)]
    Export(Export),
    /// Lists who asked to see what, newest first.
    AccessLog(AccessArgs),
    /// Prints events as they are recorded. After an interruption it continues where it stopped.
    Watch(WatchArgs),
    /// Lists parked work: what waits for a person.
    Parked {
        /// How many to list at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Sends parked work again.
    Redrive(RedriveArgs),
    /// Lists what a person has to know, or silences it for a while.
    Alerts(AlertsArgs),
    /// Calls an operation of GHL's API through the poller and prints the answer. Without an operation, lists all of them.
    Ghl(GhlArgs),
    /// Shows how many calls to GHL were made, and how many are left today.
    Budget,
    /// Shows how well each kind of record is covered: when each net last looked, and what it found before the others.
    Coverage,
    /// Looks at GHL again, now: at contacts, at what was updated since a time, at everything of a kind, or at all contacts, tasks and appointments.
    Resync(ResyncArgs),
    /// Lets vanish what is held back because unusually much of it vanished at once: the next looks at GHL conclude it.
    Release,
    /// Adds, pauses, resumes, retires and purges locations while everything runs, and lists them.
    #[command(subcommand)]
    Location(LocationCommand),
    /// Compares the log with GHL.
    #[command(subcommand)]
    Verify(VerifyCommand),
    /// Shows where the marketplace app is installed, or seals its tokens with a new key.
    #[command(subcommand)]
    Credentials(CredentialsCommand),
    /// Manages the secrets by which a location's workflows say which contacts have changed.
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Pauses services: they finish what is in hand and take no new work until they are resumed.
    Pause(ServicesArgs),
    /// Resumes paused services.
    Resume(ServicesArgs),
    /// Drains services: they take no new work, and the command waits until nothing is in hand.
    Drain(DrainArgs),
    /// Erases a contact from everything the mirror keeps; exit code 6 while something is left to do.
    Erase(EraseArgs),
    /// Shows how far the erasure of a contact is; exit code 6 while something is left to do.
    Erasure {
        /// The GHL contact id.
        contact_id: String,
    },
    /// Allows an erased contact to be observed again. What was erased stays erased.
    LiftErasure {
        /// The GHL contact id.
        contact_id: String,
    },
    /// Manages the keys that payloads and tokens are sealed with.
    #[command(subcommand)]
    Keys(Keys),
    /// Verifies, exports and imports the log.
    #[command(subcommand)]
    Log(LogCommand),
    /// Rebuilds Pagico from the log: plan, apply, verify.
    #[command(subcommand)]
    Replay(replay::ReplayCommand),
    /// Manages workspaces, the generations of a location's content: live, shadow, former.
    #[command(subcommand)]
    Workspace(replay::WorkspaceCommand),
    /// Prints a completion script.
    Completions { shell: Shell },
}
