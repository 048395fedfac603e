//! The clocks.

use std::time::Instant;

use jiff::Timestamp;

/// Both clocks: what is paced runs on the one that never jumps, days are counted on the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) steady: Instant,
    pub(crate) wall: Timestamp,
}

impl Now {
    pub(super) fn read() -> Self {
        Self { steady: Instant::now(), wall: Timestamp::now() }
    }
}
