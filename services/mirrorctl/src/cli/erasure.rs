//! `erase` and `keys`.

use clap::{Args, Subcommand};

#[derive(Args)]
pub(crate) struct EraseArgs {
    /// The GHL contact id.
    pub(crate) contact_id: String,
    /// Why. The reason stays in the log for ever: it must not name the person.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Erases everything else, even though events that were stored before there was a key stay readable in the log.
    #[arg(long)]
    pub(crate) leave_plain_events: bool,
    /// Does not ask for confirmation.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Wraps the keys of all contacts and seals the tokens of the marketplace app with the current key-encryption key, the first one in log.kek,
    /// so that the older ones can be removed. Events are not touched.
    Rotate,
}
