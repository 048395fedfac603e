//! Tokens and passwords, made at the first start and kept in the data directory, readable by their owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use proof::SigningKey;
use serde::{Deserialize, Serialize};

/// A file that holds only the control token, for programs that read it from a file.
pub(crate) const CONTROL_TOKEN: &str = "control-token";

const SECRETS: &str = "secrets.json";

/// The file with the key-encryption keys: without it, nothing that was sealed can be read again.
const KEK: &str = "key-encryption-keys";

/// Unknown fields are dropped and missing ones are made: a later version may need more.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Secrets {
    /// The bearer token of every gRPC service.
    pub(crate) control_token: String,
    /// The key with which the writer calls the bridge.
    pub(crate) bridge_write_key: String,
    /// The key with which a person reads from the bridge.
    pub(crate) bridge_read_key: String,
    pub(crate) nats_token: String,
    /// The password of the services' role.
    pub(crate) log_password: String,
    /// The password of the bridge's role.
    pub(crate) bridge_password: String,
    /// The key that checkpoints of the log are signed with, as PEM.
    pub(crate) seal_key: String,
    /// The token with which the poller calls the sandbox.
    pub(crate) sandbox_token: String,
    /// The file with the key-encryption keys. A person may add a key to it; it is never written again.
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
            // A generated key can always be encoded; if not, no checkpoints would be signed.
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
        let secrets = Self { kek_file: data.join(KEK), ..Self::known(data)?.unwrap_or_default() };
        write_file(&data.join(SECRETS), &serde_json::to_vec_pretty(&secrets)?)?;
        write_file(&data.join(CONTROL_TOKEN), secrets.control_token.as_bytes())?;
        if !secrets.kek_file.exists() {
            let key = rand::random::<[u8; 32]>().map(|byte| format!("{byte:02x}")).concat();
            write_file(&secrets.kek_file, format!("first:{key}\n").as_bytes())?;
        }
        Ok(secrets)
    }

    /// Those that were made before; none before the first start. Writes nothing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn known(data: &Path) -> anyhow::Result<Option<Self>> {
        let path = data.join(SECRETS);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        // The parser's message may quote the content.
        let secrets: Self = serde_json::from_slice(&bytes).map_err(|_| anyhow::anyhow!("{} cannot be read as secrets", path.display()))?;
        Ok(Some(Self { kek_file: data.join(KEK), ..secrets }))
    }
}

/// Writes a file completely or not at all, readable by its owner alone.
pub(crate) fn write_file(path: &Path, content: &[u8]) -> anyhow::Result<()> {
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
