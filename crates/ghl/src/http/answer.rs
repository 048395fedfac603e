//! An answer: as it came, and as it is read.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::verdict::{Complaint, presentable, refusal};
use crate::budget::Budget;
use crate::operations::Operation;
use crate::{Error, json};

/// What GHL answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    pub value: T,
    /// When the request was sent, after it waited for its turn.
    pub asked_at: Timestamp,
    pub trace_id: Option<String>,
}

impl<T> Answer<T> {
    pub(crate) fn map<U>(self, read: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: read(self.value), asked_at: self.asked_at, trace_id: self.trace_id }
    }

    /// Like `try_map`, for a write that GHL says it made: if its answer cannot be read, the outcome is unknown.
    pub(crate) fn try_map_written<U>(self, read: impl FnOnce(T) -> Result<U, String>) -> Result<Answer<U>, Error> {
        self.try_map(read).map_err(Error::of_write)
    }

    pub(crate) fn try_map<U>(self, read: impl FnOnce(T) -> Result<U, String>) -> Result<Answer<U>, Error> {
        match read(self.value) {
            Ok(value) => Ok(Answer { value, asked_at: self.asked_at, trace_id: self.trace_id }),
            Err(reason) => Err(Error::Unreadable { reason, trace_id: self.trace_id }),
        }
    }
}

pub(super) struct Raw {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// None when it is longer than the limit.
    pub(super) body: Option<Vec<u8>>,
}

pub(super) async fn bounded(mut response: Response, bytes_max: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

pub(super) fn unavailable(reason: &'static str, status: Option<StatusCode>, error: reqwest::Error) -> Error {
    let reason = if error.is_timeout() { "time-out" } else { reason };
    let status = status.map(|status| status.as_u16());
    Error::Unavailable { reason, status, retry_after: None, trace_id: None, source: Some(error.without_url()) }
}

pub(super) fn read(
    raw: Raw,
    asked_at: Timestamp,
    budget: &Budget,
    operation: &'static Operation,
    about: &[&str],
) -> Result<Answer<Value>, Error> {
    let retry_after = header(&raw.headers, "retry-after").map(Duration::from_secs);
    if raw.status == StatusCode::TOO_MANY_REQUESTS {
        let retry_after = budget.throttled(retry_after.map(|after| after.min(RETRY_AFTER_MAX)), rand::random());
        return Err(Error::Throttled {
            retry_after,
            trace_id: raw.body.as_deref().and_then(Complaint::read).and_then(|complaint| complaint.trace_id()),
        });
    }
    if !raw.status.is_success() {
        return Err(refusal(raw.status, retry_after, raw.body.as_deref().and_then(Complaint::read), operation, about));
    }
    let Some(body) = raw.body else { return Err(Error::TooLong) };
    // Some writes are answered with an empty body.
    match if body.is_empty() { Ok(Value::Null) } else { json::read::<Value>(&body) } {
        Ok(value) => {
            let trace_id = value.get("traceId").and_then(Value::as_str).map(str::to_owned).and_then(presentable);
            Ok(Answer { value, asked_at, trace_id })
        }
        Err(error) => Err(Error::Unreadable { reason: syntax_error(&error), trace_id: None }),
    }
}

/// Where the JSON breaks. The parser's own message is left out: it may quote what it read.
pub(super) fn syntax_error(error: &serde_json::Error) -> String {
    let what = if error.is_eof() { "cut short" } else { "broken JSON" };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// No answer may pause a location for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// When GHL answered, by its own clock.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
