//! `contacts` and `redrive`.

use clap::{Args, ValueEnum};

#[derive(Args)]
pub(crate) struct ContactsArgs {
    /// Only those in this state.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Only>,
    /// How many to list at most.
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Only {
    /// Pagico holds the newest state.
    InSync,
    /// Pagico does not hold the newest state yet.
    Behind,
    /// Some of the contact's work waits for a person.
    Parked,
}

#[derive(Args)]
pub(crate) struct RedriveArgs {
    /// The ids that `parked` shows.
    #[arg(required_unless_present = "all", value_name = "PARKED_ID")]
    pub(crate) parked_ids: Vec<String>,
    /// Everything that is parked.
    #[arg(long, conflicts_with = "parked_ids")]
    pub(crate) all: bool,
}
