//! `alerts`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::time::span;

#[derive(Args)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<AlertsCommand>,
}

#[derive(Subcommand)]
pub(crate) enum AlertsCommand {
    /// Lists what is open: since when, why, what to do, and whether it was told. The same as without a command.
    List {
        /// How many to list at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Tells nothing of a condition for a while, of one location with --location; it is still listed.
    Silence {
        /// The condition, as `alerts` lists it, or `all`.
        condition: String,
        /// For how long: 2h, 3days.
        #[arg(long = "for", value_name = "TIME", value_parser = span)]
        duration: Duration,
    },
    /// Ends a silence: of the same condition, with the same --location or without.
    Unsilence {
        /// The condition, as it was silenced, or `all`.
        condition: String,
    },
}
