//! Sends a short message to people: to a webhook that Slack or Teams gave out, and by e-mail.
//!
//! Does not know what the message is about, and neither repeats nor remembers it.

mod channel;
mod error;
mod mail;
mod message;
mod settings;
mod webhook;

pub use channel::Channel;
pub use error::{Error, Result};
pub use message::Message;
pub use settings::{MailSettings, MailTls, WebhookFormat, WebhookSettings};
