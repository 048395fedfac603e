//! Where the bridge is, and the limits of one request.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems, Secret as _, hidden};
use url::Url;

use crate::{Error, Result};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub url: Url,
    /// The API key, unless `key_file` names a file.
    #[serde(serialize_with = "hidden")]
    pub key: SecretString,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    pub connect_timeout: Period,
    /// For one whole request, including its answer.
    pub request_timeout: Period,
    /// The longest answer that is read; a longer one is an unexpected answer.
    #[serde(default = "answer_bytes_max")]
    pub answer_bytes_max: NonZeroUsize,
    /// Objects per write at most; the bridge takes 500.
    #[serde(default = "items_max")]
    pub items_max: NonZeroUsize,
    /// Bytes per write at most; the bridge takes 8 MiB.
    #[serde(default = "body_bytes_max")]
    pub body_bytes_max: NonZeroUsize,
    /// Entries per page of a list; the bridge gives at most 500.
    #[serde(default = "page_items")]
    pub page_items: NonZeroU32,
}

const fn answer_bytes_max() -> NonZeroUsize {
    const { NonZeroUsize::new(16 << 20).unwrap() }
}

const fn items_max() -> NonZeroUsize {
    const { NonZeroUsize::new(500).unwrap() }
}

const fn body_bytes_max() -> NonZeroUsize {
    const { NonZeroUsize::new(4 << 20).unwrap() }
}

const fn page_items() -> NonZeroU32 {
    const { NonZeroU32::new(500).unwrap() }
}

impl Check for Settings {
    fn check(&self, problems: &mut Problems) {
        problems.check(matches!(self.url.scheme(), "http" | "https"), "url", "must be an http or https address");
        problems.check(self.key.is_given() != self.key_file.is_some(), "key", "or key_file must be given, and not both");
    }
}

impl Settings {
    /// The API key, from its file if there is one.
    pub(crate) fn read_key(&self) -> Result<SecretString> {
        let Some(file) = &self.key_file else { return Ok(self.key.clone()) };
        let key = std::fs::read_to_string(file)
            .map_err(|error| Error::Misconfigured(format!("cannot read the bridge key file {}: {error}", file.display())))?;
        Ok(key.trim().to_owned().into())
    }
}
