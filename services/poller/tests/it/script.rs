//! Answers that the fake GHL gives before its usual ones, as the files of `tests/cases` write them.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// One answer to a method and path.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scripted {
    method: String,
    path: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    /// Byte for byte, for what no strict reader of JSON takes.
    body_text: Option<String>,
    /// How often it is still given; always when none.
    #[serde(default, deserialize_with = "times")]
    times: Option<u64>,
    /// It is given before this second.
    #[serde(default, deserialize_with = "seconds")]
    until: Option<u64>,
    /// It is given from this second on.
    #[serde(default, deserialize_with = "seconds")]
    after: Option<u64>,
}

/// The answers in their order, and which second it is.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) answers: Vec<Scripted>,
    pub(crate) second: u64,
}

impl Script {
    /// The first answer that is to be given now.
    pub(crate) fn next(&mut self, method: &str, path: &str) -> Option<Response> {
        let second = self.second;
        let answer = self.answers.iter_mut().find(|answer| answer.is_given(method, path, second))?;
        answer.times = answer.times.map(|times| times - 1);
        Some(answer.response())
    }
}

impl Scripted {
    fn is_given(&self, method: &str, path: &str, second: u64) -> bool {
        let in_time = self.until.is_none_or(|until| second < until) && self.after.is_none_or(|after| second >= after);
        self.method == method && self.path == path && self.times != Some(0) && in_time
    }

    fn response(&self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap();
        let body = self.body.as_ref().map(Value::to_string).or_else(|| self.body_text.clone()).unwrap_or_default();
        let mut response = (status, [("content-type", "application/json")], body).into_response();
        for (name, value) in &self.headers {
            let name = axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

/// A number, or `always`.
fn times<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let times = Value::deserialize(deserializer)?;
    match times.as_u64() {
        None if times != "always" => Err(serde::de::Error::custom(format!("neither a number nor always: {times}"))),
        number => Ok(number),
    }
}

/// The number of seconds at the beginning of a text such as `20 s after the webhook`.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let number = text.split(" s").next().unwrap_or_default();
    number.parse().map(Some).map_err(serde::de::Error::custom)
}
