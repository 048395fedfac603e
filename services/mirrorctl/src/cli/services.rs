//! `pause`, `resume` and `drain`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::time::seconds;

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
pub(crate) struct ServicesArgs {
    /// The services.
    #[arg(value_enum, required = true, value_name = "SERVICE")]
    pub(crate) services: Vec<Service>,
}

#[derive(Args)]
pub(crate) struct DrainArgs {
    /// The services.
    #[arg(value_enum, required = true, value_name = "SERVICE")]
    pub(crate) services: Vec<Service>,
    /// How long to wait for the work in hand, in seconds. The services go on draining after that.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) wait: Duration,
}
