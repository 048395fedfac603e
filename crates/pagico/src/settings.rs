//! Where the bridge is and how much one request may take.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::{Error, Result};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub url: Url,
    /// Used where no file is named.
    #[serde(serialize_with = "hidden")]
    pub key: SecretString,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// The whole of one request, its answer included.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// The longest answer that is read; a longer one counts as none.
    #[serde(default = "answer_bytes_max")]
    pub answer_bytes_max: usize,
    /// How many objects one write carries; the bridge takes 500.
    #[serde(default = "items_max")]
    pub items_max: usize,
    /// How long a write may be, in bytes; the bridge takes 8 MiB.
    #[serde(default = "body_bytes_max")]
    pub body_bytes_max: usize,
    /// How many entries of a list are asked for at once; the bridge gives 500.
    #[serde(default = "page_items")]
    pub page_items: u32,
}

fn answer_bytes_max() -> usize {
    16 * 1024 * 1024
}

fn items_max() -> usize {
    500
}

fn body_bytes_max() -> usize {
    4 * 1024 * 1024
}

fn page_items() -> u32 {
    500
}

impl Settings {
    /// Every mistake at once, each naming its key.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !matches!(self.url.scheme(), "http" | "https") {
            problems.push("url must be an http or https address".to_owned());
        }
        if self.key.expose_secret().is_empty() == self.key_file.is_none() {
            problems.push("key or key_file must be given, and not both".to_owned());
        }
        let nothing = [
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("request_timeout", self.request_timeout.is_zero()),
            ("answer_bytes_max", self.answer_bytes_max == 0),
            ("items_max", self.items_max == 0),
            ("body_bytes_max", self.body_bytes_max == 0),
            ("page_items", self.page_items == 0),
        ];
        problems.extend(nothing.into_iter().filter(|(_, nothing)| *nothing).map(|(key, _)| format!("{key} must be more than nothing")));
        problems
    }

    /// The API key, from the file where it lies in one.
    pub(crate) fn read_key(&self) -> Result<SecretString> {
        let Some(file) = &self.key_file else { return Ok(self.key.clone()) };
        let key = std::fs::read_to_string(file)
            .map_err(|error| Error::Misconfigured(format!("cannot read the bridge key file {}: {error}", file.display())))?;
        Ok(key.trim().to_owned().into())
    }
}

fn hidden<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.expose_secret().is_empty() { "" } else { "hidden" })
}
