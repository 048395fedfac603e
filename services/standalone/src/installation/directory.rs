//! The data directory, which one process uses at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;

use crate::failure::Failure;

/// A data directory that no other process can use while this lives.
pub(crate) struct DataDirectory {
    _lock: File,
}

/// Creates the directory, for this user alone, and locks it.
pub(crate) fn lock(data: &Path) -> Result<DataDirectory, Failure> {
    let doing = || format!("using {}", data.display());
    if !data.is_dir() {
        // Others may pass through it: the database's own user must reach its folder inside. Secret files have their own mode.
        DirBuilder::new().recursive(true).mode(0o711).create(data).with_context(doing)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(data.join("lock")).with_context(doing)?;
    match file.try_lock() {
        Ok(()) => Ok(DataDirectory { _lock: file }),
        Err(TryLockError::WouldBlock) => Err(Failure::Unavailable(format!("{} is in use by another running process", data.display()))),
        Err(TryLockError::Error(error)) => Err(Failure::Failed(anyhow::Error::new(error).context(doing()))),
    }
}
