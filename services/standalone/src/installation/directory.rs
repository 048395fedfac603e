//! The data directory, used by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;

use crate::failure::Failure;

/// A data directory that no other process uses.
pub(crate) struct Hold {
    _lock: File,
}

/// Makes the directory, for this user alone, and keeps others away from it as long as the answer lives.
pub(crate) fn hold(data: &Path) -> Result<Hold, Failure> {
    let doing = || format!("using {}", data.display());
    if !data.is_dir() {
        // Open to be passed through: the database's own user must reach its folder in it. What is secret has its own mode.
        DirBuilder::new().recursive(true).mode(0o711).create(data).with_context(doing)?;
    }
    let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(data.join("lock")).with_context(doing)?;
    match lock.try_lock() {
        Ok(()) => Ok(Hold { _lock: lock }),
        Err(TryLockError::WouldBlock) => Err(Failure::Unavailable(format!("{} is in use by another running process", data.display()))),
        Err(TryLockError::Error(error)) => Err(Failure::Failed(anyhow::Error::new(error).context(doing()))),
    }
}
