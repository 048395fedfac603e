//! What can be typed.

mod audit;
pub(crate) mod replay;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use self::audit::{AccessArgs, AsOfArgs, BlameArgs, DiffArgs, Export, ExportArgs, FilterArgs, Format, HistoryArgs};
use crate::problem::EXIT_CODES;

/// Asks pagico-mirror how far it is, what changed and where it went, and tells it what to do.
#[derive(Parser)]
#[command(name = "mirrorctl", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Prints one JSON object on each line instead of tables: the API's answers in the standard JSON form of their messages.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Clone)]
pub(crate) struct Connection {
    /// The admin API.
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_ADMIN_ENDPOINT", default_value = "http://127.0.0.1:7142")]
    pub(crate) endpoint: String,
    /// The bearer token of the services.
    #[arg(long, global = true, env = "MIRROR_TOKEN", hide_env_values = true, default_value = "", hide_default_value = true)]
    pub(crate) token: String,
    /// A file that holds the token; counts where no token is given.
    #[arg(long, global = true, value_name = "FILE", env = "MIRROR_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A PEM file with the authority that vouches for https addresses.
    #[arg(long, global = true, value_name = "FILE", env = "MIRROR_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// How long one call may take, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// The GHL location; may be left out where only one is connected.
    #[arg(long, global = true, value_name = "ID", env = "MIRROR_LOCATION", default_value = "", hide_default_value = true)]
    pub(crate) location: String,
    /// Who asks, for the log of who looked and did what; without it, the name of the user.
    #[arg(long, global = true, value_name = "NAME", env = "MIRROR_WHO", default_value = "", hide_default_value = true)]
    pub(crate) who: String,
    #[command(flatten)]
    pub(crate) control: Control,
}

/// Where each service is controlled.
#[derive(Args, Clone)]
#[command(next_help_heading = "Control addresses")]
pub(crate) struct Control {
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_POLLER", default_value = "http://127.0.0.1:7102")]
    pub(crate) control_poller: String,
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_MAPPER", default_value = "http://127.0.0.1:7112")]
    pub(crate) control_mapper: String,
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_WRITER", default_value = "http://127.0.0.1:7122")]
    pub(crate) control_writer: String,
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_BRIDGE", default_value = "http://127.0.0.1:7132")]
    pub(crate) control_bridge: String,
}

#[derive(Subcommand)]
pub enum Command {
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

#[derive(Args)]
pub struct EraseArgs {
    /// The GHL contact id.
    pub(crate) contact_id: String,
    /// Why, for the log, where it stays for ever: it must not name the person.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Erases all else although events from before there was a key stay readable in the log.
    #[arg(long)]
    pub(crate) leave_plain_events: bool,
    /// Does not ask to confirm.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Subcommand)]
pub enum Keys {
    /// Wraps the keys of all contacts with the current key-encryption key, the first one of log.kek, and seals the tokens of the marketplace
    /// app with it, so that the other keys can be taken away. Events are not touched.
    Rotate,
}

#[derive(Subcommand)]
pub enum VerifyCommand {
    /// Reads GHL again, within the budget, and compares it with the log, field by field; exit code 1 when something differs.
    Source(VerifySourceArgs),
}

#[derive(Args)]
pub struct VerifySourceArgs {
    /// One contact alone.
    #[arg(long, value_name = "ID")]
    pub(crate) contact: Option<String>,
}

#[derive(Subcommand)]
pub enum LogCommand {
    /// Goes along the whole chain of a location; exit code 1 names the first position that does not fit.
    Verify(LogVerifyArgs),
    /// Lists the signed checkpoints of a location; with --json, as the file that `log verify --checkpoints` reads.
    Checkpoints,
    /// Writes the log into a file: every event as it is stored, checkpoints, public key. Keys of sealed payloads are not part of it.
    Export(LogExportArgs),
    /// Brings an exported log into a database that knows nothing of its location, hash for hash.
    Import(LogImportArgs),
    /// Prints the public key that checkpoints are signed with, as the file that `log verify --public-key` reads.
    Key,
}

#[derive(Args)]
pub struct LogExportArgs {
    /// The file to make; one that is there is left alone.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args)]
pub struct LogImportArgs {
    /// A file that `log export` made.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args)]
pub struct LogVerifyArgs {
    /// An export file to prove offline, from it alone; without one the service walks its log.
    #[arg(value_name = "EXPORT")]
    pub(crate) export: Option<PathBuf>,
    /// Checkpoints that you keep: the log must extend every one of its location.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoints: Option<PathBuf>,
    /// The key that checkpoints must be signed with (PEM), as you got it when sealing began.
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
}

#[derive(Args)]
pub struct ContactsArgs {
    /// Only those in this state.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Only>,
    /// How many at most.
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// All of them, however many.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Only {
    /// Pagico holds the newest state.
    InSync,
    /// It does not yet.
    Behind,
    /// Something of it waits for a person.
    Parked,
}

#[derive(Args)]
pub struct WatchArgs {
    /// Starts after this position of the log (0: from the beginning) instead of with what is recorded from now on.
    #[arg(long, value_name = "POSITION")]
    pub(crate) after: Option<u64>,
    /// Only what concerns this contact.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) contact: String,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Ends after this many events.
    #[arg(long)]
    pub(crate) count: Option<u64>,
}

#[derive(Args)]
pub struct RedriveArgs {
    /// The ids that `parked` shows.
    #[arg(required_unless_present = "all", value_name = "PARKED_ID")]
    pub(crate) parked_ids: Vec<String>,
    /// Everything that waits.
    #[arg(long, conflicts_with = "parked_ids")]
    pub(crate) all: bool,
}

#[derive(Subcommand)]
pub enum CredentialsCommand {
    /// Lists installations and what a person must do about them; never a token.
    List,
    /// The same as `keys rotate`: seals the stored tokens with the current key-encryption key, and wraps the keys of all contacts with it.
    RotateKek,
}

#[derive(Args)]
pub struct GhlArgs {
    /// Which operation, for instance get-contact.
    pub(crate) operation: Option<String>,
    /// The ids that its path needs, in order.
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// An argument by GHL's name for it. Lists are texts with commas between, or JSON.
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) args: Vec<(String, String)>,
    /// Says that a write is meant.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    Poller,
    Mapper,
    Writer,
    Bridge,
}

impl Service {
    pub(crate) const ALL: [Self; 4] = [Self::Poller, Self::Mapper, Self::Writer, Self::Bridge];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Poller => "poller",
            Self::Mapper => "mapper",
            Self::Writer => "writer",
            Self::Bridge => "bridge",
        }
    }
}

#[derive(Args)]
pub struct ServicesArgs {
    /// Which services.
    #[arg(value_enum, required = true, value_name = "SERVICE")]
    pub(crate) services: Vec<Service>,
}

#[derive(Args)]
pub struct DrainArgs {
    /// Which services.
    #[arg(value_enum, required = true, value_name = "SERVICE")]
    pub(crate) services: Vec<Service>,
    /// How long to wait for work in hand, in seconds. A service goes on draining also when this is over.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) wait: Duration,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "not NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero()).ok_or_else(|| "must be more than 0".to_owned())
}
