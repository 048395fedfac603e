//! What can go wrong, and the exit code for it.

use tonic::{Code, Status};

/// Also what clap ends with.
pub(crate) const USAGE: u8 = 2;

/// Of `diff`: what was compared is not the same.
pub(crate) const DIFFERENT: u8 = 1;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the service failed; of `diff`: the two moments differ; of `replay verify` and `verify source`: something differs; of `log verify`: the log is not what was written
  2  the command line is wrong
  3  there is no such contact, location, plan or parked work
  4  the token is missing or wrong
  5  refused: not possible as asked, or not in this state; or not confirmed
  6  not reachable, too busy or too slow; the same command may work later; of `resync --follow`: something could not be looked at
  7  of `diff`, `replay verify` and `verify source`: the service failed

Addresses and the token may come from the environment, as shown beside the options.";

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Usage(String),
    #[error("cannot reach {service} at {address}: {why}; is it running, and is this its address?")]
    Unreachable { service: &'static str, address: String, why: String },
    #[error("{}", message_of(.0))]
    Refused(#[from] Box<Status>),
    #[error("cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
    #[error("cannot write the answer as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The log is not what was written.
    #[error("{0}")]
    Unproved(String),
    /// What was compared is not the same, and the answer has shown how.
    #[error("it differs")]
    Different,
    /// The answer has shown what is wrong; only the exit code is left.
    #[error("exit code {0}")]
    Reported(u8),
    #[error("nothing was done")]
    Declined,
    /// A failure of a command whose exit code 1 says that something differs.
    #[error("{0}")]
    NotCompared(Box<Problem>),
    /// Something was started and goes on by itself.
    #[error("{0}")]
    Unfinished(String),
    /// Some of several things failed; each failure has been shown.
    #[error("{failed} of {requested} failed")]
    Several { failed: usize, requested: usize, exit_code: u8 },
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

fn message_of(status: &Status) -> String {
    match (status.code(), status.message()) {
        // What the transport reports for a deadline of ours.
        (Code::Cancelled | Code::DeadlineExceeded, "Timeout expired") => "no answer in time; --timeout waits longer".to_owned(),
        (code, "") => code.description().to_owned(),
        (_, message) => message.to_owned(),
    }
}

impl Problem {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Unreachable { .. } | Self::Unfinished(_) => 6,
            Self::Output(_) | Self::Json(_) | Self::Unproved(_) => 1,
            Self::Different => DIFFERENT,
            Self::NotCompared(_) => 7,
            Self::Several { exit_code, .. } | Self::Reported(exit_code) => *exit_code,
            Self::Declined => 5,
            Self::Refused(status) => match status.code() {
                Code::NotFound => 3,
                Code::Unauthenticated | Code::PermissionDenied => 4,
                Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::AlreadyExists | Code::Aborted => 5,
                Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled => 6,
                Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => 1,
            },
        }
    }

    /// Keeps a failed comparison apart from one that found a difference.
    pub(crate) fn of_comparison(self) -> Self {
        let failed = self.exit_code() == 1 && !matches!(self, Self::Different);
        if failed { Self::NotCompared(Box::new(self)) } else { self }
    }

    /// Whether the same call may succeed in a moment.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unfinished(_) => true,
            Self::Refused(status) => match status.code() {
                Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => true,
                // A stream that is cut reports it as unknown, with the transport's error as source.
                Code::Unknown | Code::Internal => std::error::Error::source(status.as_ref()).is_some(),
                Code::Ok
                | Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::ResourceExhausted
                | Code::FailedPrecondition
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unimplemented
                | Code::DataLoss
                | Code::Unauthenticated => false,
            },
            Self::NotCompared(problem) => problem.is_transient(),
            Self::Usage(_)
            | Self::Output(_)
            | Self::Json(_)
            | Self::Unproved(_)
            | Self::Different
            | Self::Reported(_)
            | Self::Declined
            | Self::Several { .. } => false,
        }
    }
}

/// What several requests came to: each failure has been shown, and the first gives the exit code.
pub(crate) fn ok_if_all(requested: usize, failures: &[Problem]) -> Result<(), Problem> {
    match failures.first() {
        None => Ok(()),
        Some(first) => Err(Problem::Several { failed: failures.len(), requested, exit_code: first.exit_code() }),
    }
}
