//! What keeps a sandbox from starting.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// What keeps a sandbox from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("sandbox: address {address} cannot be listened on: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("sandbox: {path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("sandbox: {path} is not a sandbox's world", path = path.display())]
    NotAWorld { path: PathBuf },
    #[error("sandbox: {path} is a world of another seed ({seed}) or version", path = path.display())]
    OtherWorld { path: PathBuf, seed: u64 },
    #[error("sandbox: there is no time zone {name}")]
    TimeZone { name: String },
    #[error("sandbox: the client for webhooks cannot be made")]
    Client,
    #[error("sandbox: webhooks go to plain http only")]
    WebhookUrl,
    #[error("sandbox: a signing key cannot be made or used")]
    Key,
}

impl Error {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}
