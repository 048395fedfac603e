//! Tokens and passwords that are made at the first start and kept, for their owner alone, in the data directory.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use proof::SigningKey;
use serde::{Deserialize, Serialize};

/// A file with the token alone, for programs that read it from one.
pub(crate) const CONTROL_TOKEN: &str = "control-token";

/// The file with the key-encryption keys: without it nothing that was sealed can ever be read again.
const KEK: &str = "key-encryption-keys";

/// Unknown fields are kept out and missing ones made: a later version may need more.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Secrets {
    /// The bearer token of every gRPC service.
    pub(crate) control_token: String,
    /// What the writer shows the bridge.
    pub(crate) bridge_write_key: String,
    /// What a person shows the bridge.
    pub(crate) bridge_read_key: String,
    pub(crate) nats_token: String,
    /// Of the role that the services use.
    pub(crate) log_password: String,
    /// Of the role that the bridge uses.
    pub(crate) bridge_password: String,
    /// What checkpoints of the log are signed with, as PEM.
    pub(crate) seal_key: String,
    /// What the poller shows the sandbox.
    pub(crate) sandbox_token: String,
    /// Where the key-encryption keys lie. A file of its own, which a person may add a key to and which is never written again.
    #[serde(skip)]
    pub(crate) kek_file: PathBuf,
}

impl Default for Secrets {
    fn default() -> Self {
        let secret = || format!("{:032x}", rand::random::<u128>());
        Self {
            control_token: secret(),
            bridge_write_key: secret(),
            bridge_read_key: secret(),
            nats_token: secret(),
            log_password: secret(),
            bridge_password: secret(),
            // Empty only if a key could not be written down, which none is; then nothing is sealed.
            seal_key: SigningKey::from_seed(&rand::random()).to_pem().unwrap_or_default(),
            sandbox_token: secret(),
            kek_file: PathBuf::new(),
        }
    }
}

impl Secrets {
    /// # Errors
    /// When the file can be neither read nor written.
    pub(crate) fn of(data: &Path) -> anyhow::Result<Self> {
        let path = data.join("secrets.json");
        let mut secrets: Self = match fs::read(&path) {
            // What the parser says may quote the content.
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| anyhow::anyhow!("{} cannot be read as secrets", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        keep(&path, &serde_json::to_vec_pretty(&secrets)?)?;
        keep(&data.join(CONTROL_TOKEN), secrets.control_token.as_bytes())?;
        secrets.kek_file = data.join(KEK);
        if !secrets.kek_file.exists() {
            let key = rand::random::<[u8; 32]>().map(|byte| format!("{byte:02x}")).concat();
            keep(&secrets.kek_file, format!("first:{key}\n").as_bytes())?;
        }
        Ok(secrets)
    }
}

/// Whole or not at all, for its owner alone.
fn keep(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let new = path.with_added_extension("new");
    let write = || {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::Secrets;

    #[test]
    fn secrets_are_made_once_and_readable_by_their_owner_alone() {
        let data = embedded::scratch("secrets");
        let made = Secrets::of(&data).expect("made");
        let read = Secrets::of(&data).expect("read");
        assert_eq!(made.control_token, read.control_token);
        assert_ne!(made.control_token, made.bridge_read_key);
        for file in ["secrets.json", super::CONTROL_TOKEN, super::KEK] {
            let mode = std::fs::metadata(data.join(file)).expect("file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}
