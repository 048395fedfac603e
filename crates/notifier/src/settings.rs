//! Where messages go.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems, Secret as _, hidden};
use url::Url;

use crate::{Error, Result};

/// A webhook. Its address is a secret: whoever knows it may post.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Empty: there is none, unless `url_file` names a file.
    #[serde(serialize_with = "hidden")]
    pub url: SecretString,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    pub format: WebhookFormat,
    pub timeout: Period,
}

/// What a webhook takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookFormat {
    /// `{"text": …}`: Slack, and what follows it.
    Slack,
    /// An adaptive card, as Teams' workflows take it.
    Teams,
}

/// A server that takes e-mail by SMTP.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// Empty: there is none.
    pub host: String,
    pub port: NonZeroU16,
    pub tls: MailTls,
    /// Empty: without logging in.
    pub user: String,
    /// Unless `password_file` names a file.
    #[serde(serialize_with = "hidden")]
    pub password: SecretString,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// `mirror@example.com`, or `Mirror <mirror@example.com>`.
    pub from: String,
    pub to: Vec<String>,
    /// For one message, from connecting to the last answer.
    pub timeout: Period,
}

/// How the connection to a server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// TLS from the first byte, usually on port 465.
    Implicit,
    /// Plain at first, then STARTTLS, usually on port 587. A server that does not offer it gets nothing.
    Starttls,
    /// Not at all: for a server on the same machine.
    None,
}

impl WebhookSettings {
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.url.is_given() || self.url_file.is_some()
    }

    pub(crate) fn read_url(&self) -> Result<Url> {
        let url = secret(&self.url, self.url_file.as_deref(), "the file of the webhook's address")?;
        let url = Url::parse(url.expose_secret()).ok().filter(is_http);
        url.ok_or_else(|| Error::Misconfigured("the webhook's address is not one of http or https".to_owned()))
    }
}

impl Check for WebhookSettings {
    fn check(&self, problems: &mut Problems) {
        problems.check(!(self.url.is_given() && self.url_file.is_some()), "url", "or url_file may be given, not both");
        let is_address = || Url::parse(self.url.expose_secret()).ok().is_some_and(|url| is_http(&url));
        problems.check(!self.url.is_given() || is_address(), "url", "must be an http or https address");
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

impl MailSettings {
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.host.is_empty()
    }

    pub(crate) fn read_password(&self) -> Result<SecretString> {
        secret(&self.password, self.password_file.as_deref(), "the file of the mail password")
    }

    pub(crate) fn mailbox(address: &str) -> Result<Mailbox> {
        address.parse().map_err(|_| Error::Misconfigured("an e-mail address cannot be read".to_owned()))
    }
}

impl Check for MailSettings {
    fn check(&self, problems: &mut Problems) {
        if !self.is_given() {
            return;
        }
        let is_address = |address: &String| Self::mailbox(address).is_ok();
        problems.check(is_address(&self.from), "from", "must be an e-mail address");
        problems.check(!self.to.is_empty(), "to", "must name somebody");
        for (place, address) in self.to.iter().enumerate() {
            problems.check(is_address(address), format_args!("to[{place}]"), "must be an e-mail address");
        }
        let has_password = self.password.is_given() || self.password_file.is_some();
        problems.check(!(self.password.is_given() && self.password_file.is_some()), "password", "or password_file may be given, not both");
        problems.check(self.user.is_empty() != has_password, "user", "and a password must be given together");
    }
}

/// A secret, from its file if there is one.
fn secret(given: &SecretString, file: Option<&Path>, what: &str) -> Result<SecretString> {
    let Some(file) = file else { return Ok(given.clone()) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::Misconfigured(format!("{what}, {}, cannot be read: {}", file.display(), error.kind())))?;
    Ok(text.trim().to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(more: &str) -> MailSettings {
        let text = format!("port = 25\ntls = \"none\"\npassword = \"\"\ntimeout = \"1s\"\n{more}");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_server_needs_a_sender_somebody_and_a_whole_login() {
        let wrong = mail("host = \"mail\"\nuser = \"ann\"\nfrom = \"nobody\"\nto = [\"a@example.com\", \"b\"]");
        assert_eq!(
            wrong.problems(),
            ["from must be an e-mail address", "to[1] must be an e-mail address", "user and a password must be given together"]
        );
        assert_eq!(mail("host = \"mail\"\nuser = \"\"\nfrom = \"a@b.example\"\nto = []").problems(), ["to must name somebody"]);
        assert!(mail("host = \"\"\nuser = \"\"\nfrom = \"\"\nto = []").problems().is_empty(), "off");
    }

    #[test]
    fn the_address_of_a_webhook_is_checked_and_never_shown() {
        let webhook: WebhookSettings = toml::from_str("url = \"ftp://secret\"\nformat = \"slack\"\ntimeout = \"1s\"").unwrap();
        assert_eq!(webhook.problems(), ["url must be an http or https address"]);
        assert!(!toml::to_string(&webhook).unwrap().contains("secret"));
        assert!(!webhook.read_url().unwrap_err().to_string().contains("secret"));
    }
}
