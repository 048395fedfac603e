//! What is done with a location.

use std::fmt;

/// What is done with a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MirrorState {
    /// It is read, as far as there is a token for it.
    Active,
    /// Nothing is asked of GHL until it is resumed.
    Paused,
    /// It is not read any more and its token is gone; what was mirrored stays.
    Retired,
    /// What was mirrored is gone, too. Nothing is ever appended to its log again.
    Purged,
}

impl MirrorState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Retired => "retired",
            Self::Purged => "purged",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let all = [Self::Active, Self::Paused, Self::Retired, Self::Purged];
        all.into_iter().find(|state| state.as_str() == name)
    }
}

impl fmt::Display for MirrorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
