//! E-mail by SMTP.

use std::time::Duration;

use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;

use crate::{Error, MailSettings, MailTls, Message, Result};

pub struct Mail {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    timeout: Duration,
}

impl Mail {
    pub(crate) fn new(settings: &MailSettings) -> Result<Self> {
        let tls = || {
            let parameters = TlsParameters::new(settings.host.clone());
            parameters.map_err(|_| Error::Misconfigured("TLS for the mail server cannot be set up".to_owned()))
        };
        let tls = match settings.tls {
            MailTls::Implicit => Tls::Wrapper(tls()?),
            MailTls::Starttls => Tls::Required(tls()?),
            MailTls::None => Tls::None,
        };
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port.get())
            .tls(tls)
            .timeout(Some(*settings.timeout));
        if !settings.user.is_empty() {
            let password = settings.read_password()?.expose_secret().to_owned();
            server = server.credentials(Credentials::new(settings.user.clone(), password));
        }
        Ok(Self {
            server: server.build(),
            from: MailSettings::mailbox(&settings.from)?,
            to: settings.to.iter().map(|address| MailSettings::mailbox(address)).collect::<Result<_>>()?,
            timeout: *settings.timeout,
        })
    }

    pub(crate) async fn send(&self, message: &Message) -> Result<()> {
        let mut mail = lettre::Message::builder().from(self.from.clone()).subject(&message.subject);
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        // Receivers show a message of the same id once.
        let mail = mail
            .message_id(Some(format!("<{}@{}>", message.id, self.from.email.domain())))
            .header(header::ContentType::TEXT_PLAIN)
            .body(message.text())
            .map_err(|_| Error::NotDelivered("the message cannot be written as an e-mail".to_owned()))?;
        let sent = tokio::time::timeout(self.timeout, self.server.send(mail)).await;
        let sent = sent.map_err(|_| Error::Unknown("the mail server did not answer in time".to_owned()))?;
        sent.map(drop).map_err(|error| failure(&error))
    }
}

/// What a server says is not repeated: it names the receivers.
fn failure(error: &lettre::transport::smtp::Error) -> Error {
    if let Some(code) = error.status() {
        return Error::NotDelivered(format!("the mail server answered {code}"));
    }
    if error.is_client() || error.is_tls() {
        return Error::NotDelivered("the mail server lacks what the settings ask for: TLS, or a way to log in".to_owned());
    }
    if error.is_timeout() || error.is_response() {
        return Error::Unknown("the mail server did not answer, or not by the rules".to_owned());
    }
    Error::Unknown("the connection to the mail server failed".to_owned())
}
