//! Starts PostgreSQL and nats-server as child processes, for the demo, for one machine and for tests.
//!
//! It does not know what is kept in them: no schema, no stream, no role but the owner.

mod child;
mod find;
mod nats;
mod place;
mod postgres;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use nats::{Nats, NatsSettings};
pub use place::{scratch, wipe};
pub use postgres::{Postgres, PostgresSettings};

/// Each prints as one sentence a person can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what} was not found ({looked}): ./deploy/bootstrap installs it")]
    Missing { what: &'static str, looked: String },
    #[error("{what} {found} at {} is too old: {wanted} or newer is needed", path.display())]
    TooOld { what: &'static str, path: PathBuf, found: String, wanted: &'static str },
    #[error("{what}: port {port} on 127.0.0.1 is taken")]
    PortTaken { what: &'static str, port: u16 },
    #[error("{} is in use by another running process", path.display())]
    InUse { path: PathBuf },
    #[error("{what} did not start: {reason}")]
    Failed { what: &'static str, reason: String },
    #[error("{0:?} is not a database name: lower-case letters, digits and underscores are")]
    Name(String),
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// Below the ports the kernel hands to outgoing connections, so that no client takes the port between now and its use.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

static HANDED_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port on 127.0.0.1 nobody listens on; never the same twice in one process.
pub fn free_port() -> io::Result<u16> {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let span = PORTS.end - PORTS.start;
    let mut random = u16::from_le_bytes(place::random::<2>()?);
    for _ in 0..span {
        random = random.wrapping_add(1);
        let port = PORTS.start + random % span;
        if !handed_out.contains(&port) && is_free(port)? {
            handed_out.insert(port);
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "every port from 20000 to 31999 is taken"))
}

/// Whether a server could listen on this port of 127.0.0.1 now.
pub(crate) fn is_free(port: u16) -> io::Result<bool> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}

/// How long a port may still be held by a server that has just ended on the same data.
const PORT_LET_GO: Duration = Duration::from_secs(2);

/// Waits for a server that an earlier process left behind, and that has just been stopped, to let go of its port.
pub(crate) fn let_go(port: Option<u16>) {
    let deadline = Instant::now() + PORT_LET_GO;
    while port.is_some_and(|port| matches!(is_free(port), Ok(false))) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The wanted port when it is free, any free one when none is wanted.
pub(crate) fn choose_port(what: &'static str, wanted: Option<u16>) -> Result<u16, Error> {
    match wanted {
        None => free_port().map_err(Error::io(format!("looking for a free port for {what}"))),
        Some(port) => match is_free(port) {
            Ok(true) => Ok(port),
            Ok(false) => Err(Error::PortTaken { what, port }),
            Err(source) => Err(Error::Io { doing: format!("{what}: listening on port {port} of 127.0.0.1"), source }),
        },
    }
}

/// The part of a server's log that says why it ended: its last line that is more than a note.
pub(crate) fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let telling = |line: &&str| ["FATAL", "[FTL]", "could not", "PANIC"].iter().any(|word| line.contains(word));
    let line = text.lines().find(telling).or_else(|| text.lines().rfind(|line| !line.trim().is_empty()));
    line.map_or_else(|| format!("it left no word in {}", log.display()), |line| line.trim().to_owned())
}
