//! Ports on 127.0.0.1.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::random::random;

/// Below the ports the kernel hands to outgoing connections, so that no client takes the port between now and its use.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

static HANDED_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port on 127.0.0.1 nobody listens on; never the same twice in one process.
pub fn free_port() -> io::Result<u16> {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let span = PORTS.end - PORTS.start;
    let mut random = u16::from_le_bytes(random::<2>()?);
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
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits for a server that an earlier process left behind, and that has just been stopped, to let go of its port.
pub(crate) fn wait_for_release(port: Option<u16>) {
    let deadline = Instant::now() + RELEASE_TIMEOUT;
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
