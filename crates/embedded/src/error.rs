//! Why a server could not be started or stopped.

use std::io;
use std::path::PathBuf;

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
    #[error("{0:?} is not a valid database name: use lower-case letters, digits and underscores")]
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
