//! Where a server keeps its data: whose directory it is, its password, and the lock that keeps a second process away.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf, absolute};

use rustix::process::geteuid;

use crate::account::{Account, command, setpriv_missing};
use crate::error::Error;
use crate::random::random;

/// A data directory that belongs to this process as long as the value lives.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    pub(crate) account: Option<Account>,
    lock: Option<File>,
}

impl Directory {
    /// `account` is who must be able to use the directory; None means this process itself.
    pub(crate) fn take(wanted: &Path, account: Option<Account>) -> Result<Self, Error> {
        let wanted = absolute(wanted).map_err(Error::io(format!("finding {}", wanted.display())))?;
        let path = own(&wanted, account.as_ref())?;
        let file = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&file)
            .map_err(Error::io(format!("opening {}", file.display())))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, account, lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { path }),
            Err(TryLockError::Error(source)) => Err(Error::Io { doing: format!("locking {}", file.display()), source }),
        }
    }

    /// Lets another value take the directory while this one lives: its server has ended.
    pub(crate) fn unlock(&mut self) {
        self.lock = None;
    }

    /// The password of the servers of this directory; written once, readable by its owner alone.
    pub(crate) fn password(&self, path: &Path) -> Result<String, Error> {
        match fs::read_to_string(path) {
            Ok(password) => return Ok(password.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Io { doing: format!("reading {}", path.display()), source }),
        }
        let doing = || Error::io(format!("writing {}", path.display()));
        let bytes = random::<24>().map_err(doing())?;
        let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.write(path, &password).map_err(doing())?;
        Ok(password)
    }

    /// Writes a file of the server's: whole or not at all, for its owner alone.
    pub(crate) fn write(&self, path: &Path, content: &str) -> io::Result<()> {
        let new = path.with_added_extension("new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        if let Some(account) = &self.account {
            chown(&new, Some(account.uid), Some(account.gid))?;
        }
        fs::rename(&new, path)
    }

    /// The server's log, begun anew.
    pub(crate) fn log(&self) -> Result<(File, PathBuf), Error> {
        let path = self.path.join("log");
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
        Ok((file.map_err(Error::io(format!("writing {}", path.display())))?, path))
    }
}

/// Makes the directory, gives it to the account, and goes elsewhere when the account cannot reach it (a checkout below /root).
fn own(wanted: &Path, account: Option<&Account>) -> Result<PathBuf, Error> {
    let Some(account) = account else {
        make(wanted, None)?;
        return Ok(wanted.to_owned());
    };
    make(wanted, Some(account))?;
    if can_use(wanted, account)? {
        return Ok(wanted.to_owned());
    }
    let elsewhere = elsewhere(wanted);
    make(&elsewhere, Some(account))?;
    if !can_use(&elsewhere, account)? {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        return Err(Error::Io { doing: format!("letting user {} use {}", account.uid, elsewhere.display()), source });
    }
    tracing::warn!(wanted = %wanted.display(), used = %elsewhere.display(), "the server's user cannot reach the data directory; another is used");
    Ok(elsewhere)
}

fn make(path: &Path, account: Option<&Account>) -> Result<(), Error> {
    let doing = || Error::io(format!("making {}", path.display()));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(doing())?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(doing()(source)),
    }
    // Not followed: in a directory that everyone may write to, a link somebody else left must not lead anywhere.
    let found = fs::symlink_metadata(path).map_err(doing())?;
    let ours = [Some(geteuid().as_raw()), account.map(|account| account.uid)];
    if !found.is_dir() || !ours.contains(&Some(found.uid())) {
        return Err(doing()(io::Error::new(io::ErrorKind::AlreadyExists, "it exists and belongs to somebody else")));
    }
    if let Some(account) = account {
        chown(path, Some(account.uid), Some(account.gid)).map_err(doing())?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(doing())
}

fn can_use(path: &Path, account: &Account) -> Result<bool, Error> {
    let mut enter = command(Path::new("sh"), Some(account), None);
    let tried = enter.args(["-c", "cd \"$1\" 2>/dev/null && test -w .", "sh"]).arg(path).status();
    tried.map(|status| status.success()).map_err(|source| setpriv_missing(source, "looking at the data directory"))
}

/// The same for the same path, for ever (FNV-1a).
fn elsewhere(wanted: &Path) -> PathBuf {
    let bytes = wanted.as_os_str().as_encoded_bytes();
    let key = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    Path::new("/var/tmp").join(format!("pagico-mirror-{key:016x}"))
}

/// Removes the data directory of a stopped server, wherever it really is.
pub fn wipe(data: &Path) -> Result<(), Error> {
    let data = absolute(data).map_err(Error::io(format!("finding {}", data.display())))?;
    for path in [elsewhere(&data), data] {
        match fs::remove_dir_all(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Io { doing: format!("removing {}", path.display()), source }),
        }
    }
    Ok(())
}
