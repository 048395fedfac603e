//! What can be typed about erasing people, and keys.

use clap::{Args, Subcommand};

#[derive(Args)]
pub(crate) struct EraseArgs {
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
pub(crate) enum Keys {
    /// Wraps the keys of all contacts with the current key-encryption key, the first one of log.kek, and seals the tokens of the marketplace
    /// app with it, so that the other keys can be taken away. Events are not touched.
    Rotate,
}
