//! Why a request had no effect.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

/// A failed request, by what the caller must do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A person must correct the settings.
    #[error("{0}")]
    Misconfigured(String),
    /// Try again: the bridge is down, overloaded or too slow. It may have written nevertheless.
    #[error("the bridge is not available{}", status.map(|status| format!(" (status {status})")).unwrap_or_default())]
    Unavailable { status: Option<u16>, retry_after: Option<Duration> },
    /// Try again later: a person must correct the key.
    #[error("the bridge refuses the key (status {status})")]
    Unauthorized { status: u16 },
    /// Try again later: something else answered, or a bridge of another version; a person must correct the address.
    #[error("the answer does not come from the bridge (status {status})")]
    UnexpectedAnswer { status: u16 },
    /// Create the workspace, then try again.
    #[error("the workspace does not exist")]
    WorkspaceUnknown,
    /// Point the aliases of the workspace elsewhere, then try again.
    #[error("an alias points at the workspace")]
    Aliased,
    /// Do not repeat the request: something in it is refused.
    #[error("refused with status {status} {code}")]
    Refused { status: u16, code: String },
}

impl Error {
    /// The status of the answer, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Misconfigured(_) => None,
            Self::Unavailable { status, .. } => *status,
            Self::Unauthorized { status } | Self::UnexpectedAnswer { status } | Self::Refused { status, .. } => Some(*status),
            Self::WorkspaceUnknown => Some(StatusCode::NOT_FOUND.as_u16()),
            Self::Aliased => Some(StatusCode::CONFLICT.as_u16()),
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error in an answer of the bridge. Its message is not read: it may quote content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    pub code: String,
}

impl ErrorBody {
    /// The code where it is well formed, otherwise `refused`: it reaches logs and the event log.
    #[must_use]
    pub fn safe_code(&self) -> &str {
        let is_code = (1..=40).contains(&self.code.len()) && self.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if is_code { &self.code } else { "refused" }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    error: ErrorBody,
}

pub(crate) fn failure(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Error {
    let Failure { error } = serde_json::from_slice(body).unwrap_or_default();
    let code = status.as_u16();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Unauthorized { status: code },
        StatusCode::NOT_FOUND if error.code == "workspace_unknown" => Error::WorkspaceUnknown,
        StatusCode::CONFLICT if error.code == "aliased" => Error::Aliased,
        StatusCode::NOT_FOUND if matches!(error.code.as_str(), "not_found" | "alias_unknown") => {
            Error::Refused { status: code, code: error.code }
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            Error::Refused { status: code, code: error.safe_code().to_owned() }
        }
        _ if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
            Error::Unavailable { status: Some(code), retry_after: retry_after(headers, now) }
        }
        _ => Error::UnexpectedAnswer { status: code },
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

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn fails(status: u16, body: &str, as_: &Error) {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(failure(status, &HeaderMap::new(), body.as_bytes(), Timestamp::UNIX_EPOCH), *as_);
    }

    #[test]
    fn each_failure_says_what_is_to_be_done() {
        let error = |code: &str| json!({"error": {"code": code, "message": "Ann"}}).to_string();
        for status in [500, 502, 503, 408, 429] {
            fails(status, "busy", &Error::Unavailable { status: Some(status), retry_after: None });
        }
        fails(401, "", &Error::Unauthorized { status: 401 });
        fails(403, &error("scope"), &Error::Unauthorized { status: 403 });
        fails(404, &error("workspace_unknown"), &Error::WorkspaceUnknown);
        fails(404, &error("not_found"), &Error::Refused { status: 404, code: "not_found".to_owned() });
        fails(409, &error("aliased"), &Error::Aliased);
        fails(503, &error("leaving"), &Error::Unavailable { status: Some(503), retry_after: None });
        fails(404, "<html>", &Error::UnexpectedAnswer { status: 404 });
        fails(405, "", &Error::UnexpectedAnswer { status: 405 });
        fails(302, "", &Error::UnexpectedAnswer { status: 302 });
        fails(413, "", &Error::Refused { status: 413, code: "refused".to_owned() });
        fails(400, &error("too_many_items"), &Error::Refused { status: 400, code: "too_many_items".to_owned() });
        fails(400, &error("Ann said: no"), &Error::Refused { status: 400, code: "refused".to_owned() });
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-24T04:00:00Z".parse().unwrap();
        let after = |text: &'static str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]), now);
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Tue, 24 Nov 2026 04:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(after("Tue, 24 Nov 2026 03:00:00 GMT"), None);
        assert_eq!(after("soon"), None);
    }
}
