//! Why something that was stored cannot be read.

/// What was stored cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Decode {
    #[error("event payload has version {0}, newer than this program understands")]
    Newer(u64),
    #[error("event payload has version {0}, which was never written")]
    Never(u64),
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    #[error("the payload is sealed, and its contact's key was not asked for")]
    Sealed,
    #[error("the payload does not open with its contact's key: it was changed or moved, or the key is lost")]
    Unopened,
    #[error("not an event: {kind} at line {line} column {column}")]
    Malformed { kind: &'static str, line: usize, column: usize },
}

impl From<serde_json::Error> for Decode {
    /// Keeps the place and kind of the mistake and drops the message, which may quote personal data.
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
