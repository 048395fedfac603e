//! Speaks to the bridge: its contract in wire types of our own.

use std::time::Duration;

use domain::{Action, Content, Intent, ObjectKey, Revision, Workspace};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::config::BridgeSettings;

/// Why a request had no effect, by what the caller must do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Try again: the bridge is away, overloaded or too slow. It may have written nevertheless.
    #[error("the bridge is not available{}", status.map(|status| format!(" (status {status})")).unwrap_or_default())]
    Unavailable { status: Option<u16>, retry_after: Option<Duration> },
    /// Try again later: a person must put the key right.
    #[error("the bridge refuses the key (status {status})")]
    Unauthorized { status: u16 },
    /// Try again later: what answered is not the bridge, or one of another version; a person must put it right.
    #[error("the answer is not one of the bridge (status {status})")]
    Foreign { status: u16 },
    /// Create the workspace, then try again.
    #[error("the workspace does not exist")]
    WorkspaceUnknown,
    /// Do not try the same again: something in it is refused.
    #[error("refused with status {status} {code}")]
    Refused { status: u16, code: String },
}

impl Error {
    /// The status of the answer, where there was one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Unavailable { status, .. } => *status,
            Self::Unauthorized { status } | Self::Foreign { status } | Self::Refused { status, .. } => Some(*status),
            Self::WorkspaceUnknown => Some(StatusCode::NOT_FOUND.as_u16()),
        }
    }
}

/// What the bridge says of one item.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    pub(crate) key: Option<String>,
    pub(crate) status: u16,
    pub(crate) outcome: String,
    #[serde(default)]
    pub(crate) error: Option<Fault>,
}

/// An error as the bridge words it. The message may speak of content and goes no further.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Fault {
    pub(crate) code: String,
}

impl Fault {
    /// The code if it is one, and a word for it if not: it reaches logs and the event log.
    pub(crate) fn word(&self) -> &str {
        let is_word = (1..=40).contains(&self.code.len()) && self.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if is_word { &self.code } else { "refused" }
    }
}

#[derive(Clone)]
pub(crate) struct Bridge {
    http: reqwest::Client,
    settings: BridgeSettings,
    authorization: HeaderValue,
}

impl Bridge {
    /// # Errors
    /// Fails when the key cannot be a header or the HTTP client cannot be set up.
    pub(crate) fn new(settings: BridgeSettings, key: &SecretString) -> anyhow::Result<Self> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
            .map_err(|_| anyhow::anyhow!("bridge.key holds a character that no header may hold"))?;
        authorization.set_sensitive(true);
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Only fails when another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let http = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            // A redirect would carry the key to another host.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pagico-mirror/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, settings, authorization })
    }

    /// Writes a batch: one answer for each item, in their order. Writing the same again is harmless.
    pub(crate) async fn write(&self, workspace: &Workspace, items: &[&[u8]]) -> Result<Vec<Answer>, Error> {
        let url = self.address(workspace, Some("batch"))?;
        let (status, body) = self.ask(Method::POST, url, body(items)).await?;
        let Results { results } = serde_json::from_slice(&body).map_err(|_| Error::Foreign { status })?;
        if results.len() == items.len() { Ok(results) } else { Err(Error::Foreign { status }) }
    }

    /// Creates a workspace, unless it is there.
    pub(crate) async fn create(&self, workspace: &Workspace) -> Result<(), Error> {
        let url = self.address(workspace, None)?;
        self.ask(Method::PUT, url, b"{}".to_vec()).await.map(drop)
    }

    fn address(&self, workspace: &Workspace, rest: Option<&str>) -> Result<Url, Error> {
        // No encoding keeps these two from meaning a place.
        if matches!(workspace.as_str(), "." | "..") {
            return Err(Error::Refused { status: 400, code: "workspace_name".to_owned() });
        }
        let mut url = self.settings.url.clone();
        let mut path = url.path_segments_mut().map_err(|()| Error::Foreign { status: 0 })?;
        path.pop_if_empty().extend(["v1", "workspaces", workspace.as_str()]).extend(rest);
        drop(path);
        Ok(url)
    }

    async fn ask(&self, method: Method, url: Url, body: Vec<u8>) -> Result<(u16, Vec<u8>), Error> {
        let request = self.http.request(method, url).header(AUTHORIZATION, self.authorization.clone());
        let answer = request.header(CONTENT_TYPE, "application/json").body(body).send().await;
        let answer = answer.map_err(|_| Error::Unavailable { status: None, retry_after: None })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = self.read(answer).await?;
        if status.is_success() {
            return Ok((status.as_u16(), body));
        }
        Err(failure(status, &headers, &body, Timestamp::now()))
    }

    async fn read(&self, mut answer: Response) -> Result<Vec<u8>, Error> {
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        loop {
            let part = answer.chunk().await.map_err(|_| Error::Unavailable { status: Some(status), retry_after: None })?;
            let Some(part) = part else { return Ok(body) };
            if body.len() + part.len() > self.settings.answer_bytes_max {
                return Err(Error::Foreign { status });
            }
            body.extend_from_slice(&part);
        }
    }
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Answer>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    error: Fault,
}

fn failure(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Error {
    let Failure { error } = serde_json::from_slice(body).unwrap_or_default();
    let code = status.as_u16();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Unauthorized { status: code },
        StatusCode::NOT_FOUND if error.code == "workspace_unknown" => Error::WorkspaceUnknown,
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            Error::Refused { status: code, code: error.word().to_owned() }
        }
        _ if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
            Error::Unavailable { status: Some(code), retry_after: retry_after(headers, now) }
        }
        _ => Error::Foreign { status: code },
    }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Duration::try_from(at.duration_since(now)).ok()
}

/// One item as it travels.
///
/// # Errors
/// None of these types can fail to become JSON; the error is passed on rather than hidden.
pub(crate) fn item(intent: &Intent, traceparent: Option<&str>) -> Result<Vec<u8>, serde_json::Error> {
    let (op, policy, content) = match &intent.action {
        Action::Put(content) => ("put", Some(intent.policy), Some(Bare(content))),
        Action::Remove => ("remove", None, None),
    };
    serde_json::to_vec(&Item {
        op,
        kind: intent.kind.as_str(),
        key: &intent.object,
        contact: ObjectKey::of_contact(&intent.contact_id),
        revision: intent.revision,
        policy,
        content,
        idempotency_key: format!("{}/{}", intent.event_id, intent.object),
        traceparent,
    })
}

fn body(items: &[&[u8]]) -> Vec<u8> {
    [b"{\"items\":[".as_slice(), &items.join(b",".as_slice()), b"]}"].concat()
}

#[derive(Serialize)]
struct Item<'a> {
    op: &'static str,
    kind: &'static str,
    key: &'a ObjectKey,
    contact: ObjectKey,
    revision: Revision,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<domain::Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Bare<'a>>,
    idempotency_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

/// A content without the name of its kind around it.
struct Bare<'a>(&'a Content);

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Content::Contact(content) => content.serialize(serializer),
            Content::Project(content) => content.serialize(serializer),
            Content::Task(content) => content.serialize(serializer),
            Content::Note(content) => content.serialize(serializer),
            Content::Appointment(content) => content.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests;
