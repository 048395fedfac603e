//! What can go wrong, by what the caller must do about it.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};

pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Try again: the server is away, or did not answer in time. What was published may have arrived.
    #[error("the bus is not available: {doing}")]
    Unavailable {
        doing: &'static str,
        #[source]
        source: Source,
    },
    /// Try again later: the stream is full until its consumers catch up.
    #[error("the stream is full")]
    Full,
    /// Do not try again: the message is larger than the server takes.
    #[error("the message is too large for the bus")]
    TooLarge,
    /// A person has to act: the server, its streams or the settings do not fit.
    #[error("the bus cannot be used: {0}")]
    Misconfigured(String),
}

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full)
    }

    pub(crate) fn unavailable(doing: &'static str, source: impl Into<Source>) -> Self {
        Self::Unavailable { doing, source: source.into() }
    }
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        if error.kind() == PublishErrorKind::MaxPayloadExceeded {
            return Self::TooLarge;
        }
        match refusal(&error) {
            Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM) => Self::TooLarge,
            Some(
                ErrorCode::STREAM_STORE_FAILED
                | ErrorCode::STORAGE_RESOURCES_EXCEEDED
                | ErrorCode::INSUFFICIENT_RESOURCES
                | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
            ) => Self::Full,
            _ => Self::unavailable("publishing", error),
        }
    }
}

/// The code of the server, where the server refused.
pub(crate) fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<ErrorCode> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(refused) = error.downcast_ref::<async_nats::jetstream::Error>() {
            return Some(refused.error_code());
        }
        next = error.source();
    }
    None
}
