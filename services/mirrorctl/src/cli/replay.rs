//! `replay` and `workspace`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::time::Instant;

#[derive(Subcommand)]
pub(crate) enum ReplayCommand {
    /// Shows what a replay would do, object by object, and changes nothing.
    #[command(after_help = PLAN_CODES)]
    Plan(PlanArgs),
    /// Carries out a plan: the one with this hash, or one that is made and shown now. Asks for confirmation.
    #[command(after_help = APPLY_CODES)]
    Apply(ApplyArgs),
    /// Shows how far a replay is; follows it to its end with --watch.
    Status(StatusArgs),
    /// Lists replays, newest first.
    List {
        /// How many to list at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Pauses a replay: nothing more is sent until it is resumed.
    Pause(WhichArgs),
    /// Resumes a paused replay.
    Resume(WhichArgs),
    /// Cancels a replay. What it has written stays; a new plan covers the rest.
    Cancel(WhichArgs),
    /// Compares what the log says with what a workspace really holds, by digest, down to the differing fields.
    #[command(after_help = VERIFY_CODES)]
    Verify(VerifyArgs),
}

const PLAN_CODES: &str = "\
Exit codes of this command, besides the general ones:
  0  a plan was made; with --detailed-exitcode: nothing to do
  2  with --detailed-exitcode: something to do";

const APPLY_CODES: &str = "\
Exit codes of this command, besides the general ones:
  0  the workspace holds what the log says, or the replay was started (--detach)
  1  the replay failed
  5  the plan is stale (make a new one), the replay was cancelled, or it was not confirmed";

const VERIFY_CODES: &str = "\
Exit codes of this command, besides the general ones:
  0  equal, object by object, or nothing differs but what another version of the mapping has written
  1  different
  7  the comparison failed";

/// Which part of the log, and into which workspace.
#[derive(Args, Clone, Default)]
#[command(group(ArgGroup::new("until").args(["upto", "recorded_until"])), group(ArgGroup::new("rules").args(["rules_file", "rules_revision"])))]
pub(crate) struct SelectionArgs {
    /// This GHL contact only.
    #[arg(long, value_name = "ID", conflicts_with = "all_locations")]
    pub(crate) contact: Option<String>,
    /// Every connected location, each into its live workspace.
    #[arg(long, conflicts_with_all = ["workspace", "until"])]
    pub(crate) all_locations: bool,
    /// The workspace. Defaults to the live one.
    #[arg(long, value_name = "NAME")]
    pub(crate) workspace: Option<String>,
    /// Only events up to this position of the log.
    #[arg(long, value_name = "POSITION")]
    pub(crate) upto: Option<u64>,
    /// Only events recorded up to this time: 2026-01-31, 2026-01-31T12:00Z or 2h (ago).
    #[arg(long, value_name = "TIME")]
    pub(crate) recorded_until: Option<Instant>,
    /// Maps by the rules in this file instead of the workspace's own. Applying such a plan changes the rules of the workspace.
    #[arg(long, value_name = "FILE")]
    pub(crate) rules_file: Option<PathBuf>,
    /// Maps by the rules of this revision, which were used or given before.
    #[arg(long, value_name = "REVISION")]
    pub(crate) rules_revision: Option<String>,
    /// What the log is compared with.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) against: Against,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// What was recorded as delivered.
    #[default]
    Ledger,
    /// What the workspace really holds, which may have been dropped or changed by someone else.
    Live,
}

#[derive(Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) shown: ShownArgs,
    /// Ends with exit code 2 if there is something to do.
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

#[derive(Args, Clone)]
pub(crate) struct ShownArgs {
    /// Shows every action with whole values, and also what is already equal.
    #[arg(long)]
    pub(crate) full: bool,
    /// How many actions to show at most, without --full and --json. All are counted.
    #[arg(long, default_value_t = 200)]
    pub(crate) limit: usize,
}

#[derive(Args)]
pub(crate) struct ApplyArgs {
    /// The hash that `replay plan` showed.
    #[arg(value_name = "HASH", conflicts_with_all = ["contact", "all_locations", "workspace", "until", "rules"])]
    pub(crate) plan_hash: Option<String>,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) shown: ShownArgs,
    /// Does not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Applies the plan even if newer changes have overtaken parts of it; those changes stay.
    #[arg(long)]
    pub(crate) accept_newer: bool,
    /// Does not wait for the end; `replay status --watch` follows it later.
    #[arg(long)]
    pub(crate) detach: bool,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// The replay. Defaults to the last one.
    #[arg(value_name = "REPLAY_ID", default_value = "", hide_default_value = true)]
    pub(crate) replay_id: String,
    /// Follows it to its end.
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Args)]
pub(crate) struct WhichArgs {
    /// The replay. Defaults to the last one.
    #[arg(value_name = "REPLAY_ID", default_value = "", hide_default_value = true)]
    pub(crate) replay_id: String,
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// Every connected location, each with its live workspace.
    #[arg(long, conflicts_with_all = ["workspace", "contact"])]
    pub(crate) all_locations: bool,
    /// The workspace. Defaults to the live one.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) workspace: String,
    /// This GHL contact only.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) contact: String,
    /// How many differing contacts to compare object by object. All are counted.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) contacts: u32,
    /// Shows whole values.
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Subcommand)]
pub(crate) enum WorkspaceCommand {
    /// Lists the workspaces of a location, the live one first.
    List,
    /// Creates a shadow workspace. It receives every change from now on; a replay brings what came before.
    Create {
        /// Its name: letters, digits, - and _. One is made up if it is left out.
        #[arg(default_value = "", hide_default_value = true)]
        workspace: String,
        /// A file with rules of its own. Defaults to the rules of the live workspace.
        #[arg(long, value_name = "FILE", conflicts_with = "rules_revision")]
        rules_file: Option<PathBuf>,
        /// The revision of rules that were used or given before.
        #[arg(long, value_name = "REVISION")]
        rules_revision: Option<String>,
    },
    /// Makes a shadow the live workspace in one step. The live one becomes former and still receives changes. Asks for confirmation.
    Promote(WorkspaceArgs),
    /// Makes the former workspace live again. The live one becomes a shadow.
    Rollback,
    /// Retires a shadow or former workspace and deletes its objects. Asks for confirmation.
    Retire(WorkspaceArgs),
}

#[derive(Args)]
pub(crate) struct WorkspaceArgs {
    /// The workspace.
    pub(crate) workspace: String,
    /// Does not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
}
