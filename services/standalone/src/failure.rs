//! How a run can fail, and the exit code for it.

use std::fmt;

use crate::compare::Difference;

/// How many differences are listed; the others are counted.
const LISTED_MAX: usize = 20;

#[derive(Debug)]
pub(crate) enum Failure {
    /// Mistakes in the settings.
    Config(String),
    /// A port is taken, a program is missing, or the data directory is in use.
    Unavailable(String),
    /// The deadline passed before the workspace equalled GHL.
    NotInSync {
        differences: Vec<Difference>,
        unfinished: Option<String>,
    },
    Interrupted,
    /// The command line lacks something, or has something that makes no sense.
    Usage(String),
    /// GHL does not accept the token or the location.
    NotAccepted(String),
    /// Nothing was done: something is in the way, or a person said no.
    Declined(String),
    Failed(anyhow::Error),
}

impl Failure {
    pub(crate) fn bad_config(problems: &[String]) -> Self {
        Self::Config(format!("bad config\n  {}", problems.join("\n  ")))
    }

    #[must_use]
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NotInSync { .. } => 3,
            Self::NotAccepted(_) => 4,
            Self::Declined(_) => 5,
            Self::Config(_) => 64,
            Self::Unavailable(_) => 69,
            Self::Interrupted => 130,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(text) | Self::Unavailable(text) | Self::Usage(text) | Self::NotAccepted(text) | Self::Declined(text) => {
                f.write_str(text)
            }
            Self::Interrupted => f.write_str("interrupted"),
            Self::Failed(error) => write!(f, "{error:#}"),
            Self::NotInSync { differences, unfinished } => {
                f.write_str("the workspace does not equal GHL")?;
                if let Some(unfinished) = unfinished {
                    write!(f, ": {unfinished}")?;
                }
                for difference in differences.iter().take(LISTED_MAX) {
                    write!(f, "\n  {difference}")?;
                }
                match differences.len().saturating_sub(LISTED_MAX) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more differences"),
                }
            }
        }
    }
}

impl std::error::Error for Failure {}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<embedded::Error> for Failure {
    fn from(error: embedded::Error) -> Self {
        use embedded::Error;
        match error {
            Error::Missing { .. } | Error::TooOld { .. } | Error::PortTaken { .. } | Error::InUse { .. } => {
                Self::Unavailable(error.to_string())
            }
            Error::Failed { .. } | Error::Name(_) | Error::Io { .. } => Self::Failed(error.into()),
        }
    }
}

impl From<chassis::ConfigError> for Failure {
    fn from(error: chassis::ConfigError) -> Self {
        Self::bad_config(&error.problems)
    }
}
