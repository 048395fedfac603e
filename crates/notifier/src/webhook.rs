//! A webhook of Slack or Teams.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use url::Url;

use crate::{Error, Message, Result, WebhookFormat, WebhookSettings};

pub struct Webhook {
    http: reqwest::Client,
    url: Url,
    format: WebhookFormat,
}

impl Webhook {
    pub(crate) fn new(settings: &WebhookSettings) -> Result<Self> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Only fails when another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let http = reqwest::Client::builder()
            .timeout(*settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pagico-mirror/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| Error::Misconfigured("the HTTP client for the webhook cannot be set up".to_owned()))?;
        Ok(Self { http, url: settings.read_url()?, format: settings.format })
    }

    pub(crate) async fn send(&self, message: &Message) -> Result<()> {
        let body = match self.format {
            WebhookFormat::Slack => slack(message),
            WebhookFormat::Teams => teams(message),
        };
        let request = self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body.to_string());
        // The errors of the HTTP client show the address, which is a secret.
        let answer = request.send().await.map_err(|error| {
            if error.is_connect() { Error::NotDelivered("no connection".to_owned()) } else { Error::Unknown("no answer".to_owned()) }
        })?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(Error::NotDelivered(format!("status {}", status.as_u16()))) }
    }
}

/// Slack reads these three characters as its own marks.
fn slack(message: &Message) -> Value {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": format!("*{}*\n\n{}", escaped(&message.subject), escaped(&message.text())) })
}

/// Workflows refuse a message without attachments. A text block reads Markdown, in which one line break is none.
fn teams(message: &Message) -> Value {
    let block = |text: String| json!({ "type": "TextBlock", "text": text, "wrap": true });
    let mut body = vec![json!({ "type": "TextBlock", "text": message.subject, "wrap": true, "weight": "Bolder", "size": "Medium" })];
    body.extend(message.paragraphs.iter().map(|paragraph| block(paragraph.replace('\n', "\n\n"))));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    });
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card });
    json!({ "type": "message", "attachments": [attachment] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message { id: "1".to_owned(), subject: "a < b".to_owned(), paragraphs: vec!["one\ntwo".to_owned(), "R&D".to_owned()] }
    }

    #[test]
    fn slack_gets_one_text_without_marks_of_its_own() {
        assert_eq!(slack(&message()), json!({ "text": "*a &lt; b*\n\none\ntwo\n\nR&amp;D" }));
    }

    #[test]
    fn teams_gets_a_card_with_a_block_for_each_paragraph() {
        let sent = teams(&message());
        assert_eq!(sent["type"], "message");
        let card = &sent["attachments"][0];
        assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
        let texts: Vec<_> = card["content"]["body"].as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["a < b", "one\n\ntwo", "R&D"]);
    }
}
