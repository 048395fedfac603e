//! The calls of the marketplace app: they carry forms and belong to no location.

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::answer::{Raw, bounded, syntax_error, unavailable};
use super::transport::Transport;
use super::verdict::{Complaint, is_inactive};
use crate::Error;
use crate::oauth::{AppSettings, OAuthError};

impl Transport {
    /// Posts a form once, with a token or without.
    pub(crate) async fn form(
        &self,
        path: &[&str],
        app: &AppSettings,
        token: Option<&SecretString>,
        form: String,
    ) -> Result<Value, OAuthError> {
        let url = self.plain_url(path, &[]).map_err(OAuthError::Unavailable)?;
        let call = self.http.post(url).header("Content-Type", "application/x-www-form-urlencoded").body(form);
        let call = token.into_iter().fold(call, |call, token| call.bearer_auth(token.expose_secret()));
        let answer = self.plain(call, app).await;
        match self.judge(answer) {
            // What counts is whether it was sent, not whether an answer came.
            Err(OAuthError::Unavailable(error)) => {
                let error = error.of_write();
                let lost = matches!(error, Error::UnknownOutcome { .. });
                Err(if lost { OAuthError::UnknownOutcome(error) } else { OAuthError::Unavailable(error) })
            }
            judged => judged,
        }
    }

    /// Reads a list with the agency's token.
    pub(crate) async fn list(
        &self,
        path: &[&str],
        app: &AppSettings,
        token: &SecretString,
        query: &[(&'static str, String)],
    ) -> Result<Value, OAuthError> {
        let url = self.plain_url(path, query).map_err(OAuthError::Unavailable)?;
        self.judge(self.plain(self.http.get(url).bearer_auth(token.expose_secret()), app).await)
    }

    fn plain_url(&self, path: &[&str], query: &[(&'static str, String)]) -> Result<url::Url, Error> {
        let mut url = self.settings.base_url.clone();
        url.path_segments_mut().map_err(|()| Error::UNSENT)?.pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn plain(&self, call: reqwest::RequestBuilder, app: &AppSettings) -> Result<Raw, Error> {
        let call = call.timeout(*app.request_timeout).header("Version", &app.version).header("Accept", "application/json");
        let mut response = call.send().await.map_err(|error| unavailable("no answer", None, error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let body = bounded(response, self.settings.body_bytes_max.get())
            .await
            .map_err(|error| unavailable("answer broke off", Some(status), error))?;
        Ok(Raw { status, headers, body })
    }

    fn judge(&self, answer: Result<Raw, Error>) -> Result<Value, OAuthError> {
        let Raw { status, body, .. } = answer.map_err(OAuthError::Unavailable)?;
        if status.is_success() {
            let body = body.ok_or_else(|| unreadable("longer than the limit".to_owned()))?;
            return serde_json::from_slice(&body).map_err(|error| unreadable(syntax_error(&error)));
        }
        let complaint = body.as_deref().and_then(Complaint::read);
        let trace_id = complaint.as_ref().and_then(Complaint::trace_id);
        let message = complaint.as_ref().map(Complaint::message).unwrap_or_default().to_lowercase();
        Err(match status.as_u16() {
            _ if is_inactive(&message) => OAuthError::NotActive { trace_id },
            400 | 401 | 422 if message.contains("invalid grant") => OAuthError::InvalidGrant { trace_id },
            408 | 425 | 429 | 500.. => OAuthError::Unavailable(busy(status, trace_id, self.settings.rate.throttled_pause)),
            404 if complaint.is_none() => OAuthError::Unavailable(busy(status, trace_id, self.settings.rate.throttled_pause)),
            other => OAuthError::Refused { status: other, trace_id },
        })
    }
}

fn busy(status: StatusCode, trace_id: Option<String>, retry_after: Duration) -> Error {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Error::Throttled { retry_after, trace_id };
    }
    Error::Unavailable { reason: "failure", status: Some(status.as_u16()), retry_after: None, trace_id, source: None }
}

/// GHL answered, so the code or token that was sent is spent.
fn unreadable(reason: String) -> OAuthError {
    OAuthError::UnknownOutcome(Error::Unreadable { reason, trace_id: None })
}
