//! Why a request cannot be accepted.

/// Why an item or a request cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The item's key, as far as it could be read.
    pub(crate) key: Option<String>,
}

impl Refusal {
    pub(super) fn item(message: impl Into<String>) -> Self {
        Self { code: "invalid_item", message: message.into(), key: None }
    }
}
