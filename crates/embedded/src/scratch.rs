//! Directories for tests.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{geteuid, getpid};

/// A fresh directory for a test, which servers of every user can reach. Those of processes that have ended are removed on the way.
///
/// # Panics
/// When the directory for temporary files cannot be written.
#[must_use]
#[expect(clippy::panic, reason = "for tests alone, which can do nothing without it")]
pub fn scratch(name: &str) -> PathBuf {
    static SWEPT: Once = Once::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let root = std::env::temp_dir().join(format!("pagico-mirror-tests-{}", geteuid().as_raw()));
    let path = root.join(format!("{}-{}-{name}", getpid().as_raw_pid(), NEXT.fetch_add(1, Ordering::Relaxed)));
    SWEPT.call_once(|| sweep(&root));
    // What a process of the same id may have left behind is not fresh.
    drop(fs::remove_dir_all(&path));
    let made = DirBuilder::new().recursive(true).mode(0o755).create(&path);
    made.unwrap_or_else(|error| panic!("making {}: {error}", path.display()));
    path
}

fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.split('-').next()).filter(|pid| pid.parse::<u32>().is_ok());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}
