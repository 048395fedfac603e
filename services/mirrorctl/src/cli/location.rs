//! `location`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum LocationCommand {
    /// Lists every location that is or was mirrored: its state, since when, by whose word, and where its token comes from.
    List,
    /// Has a location mirrored, or gives it another token. A token is tried with one call to GHL and kept sealed; without one, that of the poller's
    /// settings or of the app counts. One that was retired is active again, and everything in it is looked at again.
    Add(LocationAddArgs),
    /// Pauses a location: GHL is asked nothing for it until it is resumed. Its webhooks are still taken.
    Pause(LocationArgs),
    /// Resumes a location that is paused: what changed meanwhile is found.
    Resume(LocationArgs),
    /// Ends the mirroring of a location and destroys its token here. What was mirrored stays.
    Retire(LocationArgs),
    /// Purges a location that is retired: destroys the keys of all its contacts, removes what was mirrored, closes its log. It cannot be undone, and
    /// the location can never be added again. Exit code 6 while something is left to do; the same command again says how far it is.
    Purge(LocationPurgeArgs),
}

#[derive(Args)]
pub(crate) struct LocationPurgeArgs {
    /// The id of the location again.
    #[arg(long, value_name = "ID")]
    pub(crate) confirm: String,
    /// Why. The reason stays in the log for ever: it must name nobody.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Purges everything else, even though events that were stored before there was a key stay readable in the log.
    #[arg(long)]
    pub(crate) leave_plain_events: bool,
}

#[derive(Args)]
pub(crate) struct LocationAddArgs {
    /// A file with the private integration token of the location; - reads it from standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) ghl_token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) why: LocationArgs,
}

#[derive(Args)]
pub(crate) struct LocationArgs {
    /// Why. It is kept, so it must name nobody who is mirrored.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}
