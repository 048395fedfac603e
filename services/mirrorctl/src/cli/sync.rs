//! What can be typed about how far the mirror is.

use clap::{Args, ValueEnum};

#[derive(Args)]
pub(crate) struct ContactsArgs {
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
pub(crate) struct RedriveArgs {
    /// The ids that `parked` shows.
    #[arg(required_unless_present = "all", value_name = "PARKED_ID")]
    pub(crate) parked_ids: Vec<String>,
    /// Everything that waits.
    #[arg(long, conflicts_with = "parked_ids")]
    pub(crate) all: bool,
}
