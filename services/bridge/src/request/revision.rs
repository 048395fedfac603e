//! Revisions, as clients give them.

use serde::Deserialize;

use super::refusal::Refusal;
use crate::object::Revision;

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenRevision {
    epoch: u64,
    seq: u64,
}

impl GivenRevision {
    pub(super) fn read(self) -> Result<Revision, Refusal> {
        checked_revision(self.epoch, self.seq).ok_or_else(|| Refusal::item("epoch or seq is too large"))
    }
}

/// None when a part is out of range.
pub(crate) fn checked_revision(epoch: u64, seq: u64) -> Option<Revision> {
    let epoch = u32::try_from(epoch).ok()?;
    i64::try_from(seq).ok().map(|_| Revision { epoch, seq })
}
