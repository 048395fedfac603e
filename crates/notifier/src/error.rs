//! Why a message did not arrive.

/// A failed attempt, by what the sender must do. No text of the other side is repeated: it may name people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A person must correct the settings.
    #[error("{0}")]
    Misconfigured(String),
    /// Try again later: it certainly did not arrive.
    #[error("not delivered: {0}")]
    NotDelivered(String),
    /// Try again later: it may have arrived, for the answer was lost.
    #[error("it is not known whether it was delivered: {0}")]
    Unknown(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
