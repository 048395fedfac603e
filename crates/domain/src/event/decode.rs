//! Why stored bytes cannot be read.

/// Why stored bytes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Decode {
    #[error("event payload has version {0}, newer than this program understands")]
    NewerVersion(u64),
    #[error("event payload has version {0}, which was never written")]
    UnknownVersion(u64),
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    #[error("the payload is sealed and the key of its contact was not loaded")]
    Sealed,
    #[error("the payload does not open with the key of its contact: it was changed or moved, or the key is lost")]
    Unopened,
    #[error("not an event: {kind} at line {line} column {column}")]
    Malformed { kind: &'static str, line: usize, column: usize },
}

impl From<serde_json::Error> for Decode {
    /// Keeps the position and kind of the error and drops the message, which may quote personal data.
    fn from(error: serde_json::Error) -> Self {
        let kind = match error.classify() {
            serde_json::error::Category::Io => "unreadable",
            serde_json::error::Category::Syntax => "broken JSON",
            serde_json::error::Category::Data => "unexpected content",
            serde_json::error::Category::Eof => "cut short",
        };
        Self::Malformed { kind, line: error.line(), column: error.column() }
    }
}
