//! The ways to people.

use crate::mail::Mail;
use crate::webhook::Webhook;
use crate::{MailSettings, Message, Result, WebhookSettings};

/// A way to people.
pub enum Channel {
    Webhook(Webhook),
    Mail(Mail),
}

impl Channel {
    /// The ways that are given. Nothing is connected yet.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn all(webhook: &WebhookSettings, mail: &MailSettings) -> Result<Vec<Self>> {
        let webhook = webhook.is_given().then(|| Webhook::new(webhook)).transpose()?;
        let mail = mail.is_given().then(|| Mail::new(mail)).transpose()?;
        Ok(webhook.map(Self::Webhook).into_iter().chain(mail.map(Self::Mail)).collect())
    }

    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Mail(_) => "mail",
        }
    }

    /// # Errors
    /// `NotDelivered` or `Unknown`.
    pub async fn send(&self, message: &Message) -> Result<()> {
        match self {
            Self::Webhook(webhook) => webhook.send(message).await,
            Self::Mail(mail) => mail.send(message).await,
        }
    }
}
