//! Where a server keeps its data: whose directory it is, its password, and the lock that keeps a second process away.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf, absolute};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{geteuid, getpid};

use crate::Error;

/// The unprivileged user a server runs as when this process runs as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// None when this process is not root: then the server simply runs as its user.
    pub(crate) fn for_servers() -> Result<Option<Self>, Error> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").map_err(Error::io("reading /etc/passwd"))?;
        let account = ["postgres", "nobody"].into_iter().find_map(|name| Self::named(name, &users));
        let looked = || "postgres and nobody in /etc/passwd".to_owned();
        account.map(Some).ok_or_else(|| Error::Missing { what: "an unprivileged user", looked: looked() })
    }

    fn named(wanted: &str, users: &str) -> Option<Self> {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            (name == wanted).then_some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
        })
    }
}

/// A command that runs as the account, and is sent the signal named `at_death` when this process ends, however it ends.
pub(crate) fn command(program: &Path, account: Option<&Account>, at_death: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(account) = account {
        command.arg(format!("--reuid={}", account.uid)).arg(format!("--regid={}", account.gid)).arg("--clear-groups");
    }
    if let Some(signal) = at_death {
        command.arg(format!("--pdeathsig={signal}"));
    }
    // A directory that the account can always enter; the one this process stands in may not be.
    command.arg("--").arg(program).current_dir("/").stdin(std::process::Stdio::null());
    command
}

/// A data directory that belongs to this process as long as the value lives.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) account: Option<Account>,
    lock: Option<File>,
}

impl Place {
    /// `account` is who must be able to use the directory; None means this process itself.
    pub(crate) fn take(wanted: &Path, account: Option<Account>) -> Result<Self, Error> {
        let wanted = absolute(wanted).map_err(Error::io(format!("finding {}", wanted.display())))?;
        let directory = own(&wanted, account.as_ref())?;
        let path = directory.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io(format!("opening {}", path.display())))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory, account, lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { path: directory }),
            Err(TryLockError::Error(source)) => Err(Error::Io { doing: format!("locking {}", path.display()), source }),
        }
    }

    /// Lets another value take the directory while this one lives: its server has ended.
    pub(crate) fn let_go(&mut self) {
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
        let path = self.directory.join("log");
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

pub(crate) fn setpriv_missing(source: io::Error, doing: &str) -> Error {
    if source.kind() == io::ErrorKind::NotFound {
        return Error::Missing { what: "setpriv", looked: "in PATH; it is part of util-linux".to_owned() };
    }
    Error::Io { doing: doing.to_owned(), source }
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

pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
