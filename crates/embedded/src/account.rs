//! Whom a server runs as.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::error::Error;

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

pub(crate) fn setpriv_missing(source: io::Error, doing: &str) -> Error {
    if source.kind() == io::ErrorKind::NotFound {
        return Error::Missing { what: "setpriv", looked: "in PATH; it is part of util-linux".to_owned() };
    }
    Error::Io { doing: doing.to_owned(), source }
}
