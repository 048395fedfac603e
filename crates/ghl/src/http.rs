//! One call: its address, its headers, its limits, and what its answer means for the caller.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::LocationId;
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::Instrument;
use url::Url;

use crate::Error;
use crate::budget::{Budget, Left, Rate};

/// How GHL is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub base_url: Url,
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// The whole of one call, its answer included.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// The longest answer that is read. A contact's notes come in one answer, however many there are.
    pub body_bytes_max: usize,
    pub versions: Versions,
    pub rate: Rate,
}

/// The `Version` header by family of endpoints. GHL promises none of them an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    pub contacts: String,
    pub locations: String,
    pub users: String,
    pub calendars: String,
}

impl Default for Versions {
    fn default() -> Self {
        let most = "2021-07-28".to_owned();
        Self { contacts: most.clone(), locations: most.clone(), users: most, calendars: "2021-04-15".to_owned() }
    }
}

/// One call that was made, for whoever counts them.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub location_id: &'a LocationId,
    pub endpoint: &'static str,
    /// None when no answer came.
    pub status: Option<u16>,
    pub elapsed: Duration,
    /// Calls left in GHL's short interval and today, where it said so.
    pub remaining: Option<u64>,
    pub remaining_today: Option<u64>,
}

/// Is told of every call.
pub type OnCall = Arc<dyn Fn(&Call<'_>) + Send + Sync>;

/// What GHL answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    pub value: T,
    /// When the question left, after it waited for its turn.
    pub asked_at: Timestamp,
    pub trace_id: Option<String>,
}

impl<T> Answer<T> {
    pub(crate) fn try_map<U>(self, read: impl FnOnce(T) -> Result<U, String>) -> Result<Answer<U>, Error> {
        match read(self.value) {
            Ok(value) => Ok(Answer { value, asked_at: self.asked_at, trace_id: self.trace_id }),
            Err(reason) => Err(Error::Unreadable { reason, trace_id: self.trace_id }),
        }
    }
}

/// The connections to GHL, shared by the clients of all locations.
#[derive(Clone)]
pub struct Transport {
    http: reqwest::Client,
    settings: Arc<Settings>,
    on_call: OnCall,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base_url", &self.settings.base_url.as_str()).finish_non_exhaustive()
    }
}

/// Which `Version` header an endpoint takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Family {
    Contacts,
    Locations,
    Users,
    Calendars,
}

/// One question.
pub(crate) struct Request<'a> {
    pub(crate) endpoint: &'static str,
    pub(crate) family: Family,
    pub(crate) path: &'a [&'a str],
    pub(crate) query: Vec<(&'static str, String)>,
    /// A body makes it a `POST`.
    pub(crate) body: Option<Value>,
    /// The id that a "not found" must be about to be believed.
    pub(crate) about: Option<&'a str>,
}

impl Transport {
    /// # Errors
    /// Fails when the HTTP client cannot be set up, for instance without any trusted root certificate.
    pub fn new(settings: Settings, on_call: OnCall) -> Result<Self, reqwest::Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Only fails when another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let http = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            // A redirect would carry the token to another host.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pagico-mirror/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, settings: Arc::new(settings), on_call })
    }

    pub(crate) fn rate(&self) -> &Rate {
        &self.settings.rate
    }

    /// Asks once, after waiting for the budget. Safe to cancel: asking changes nothing at GHL.
    pub(crate) async fn ask(
        &self,
        location_id: &LocationId,
        token: &SecretString,
        budget: &Budget,
        request: Request<'_>,
    ) -> Result<Answer<Value>, Error> {
        let span =
            tracing::info_span!("ghl", ghl.endpoint = request.endpoint, location.id = %location_id, http.status = tracing::field::Empty);
        async {
            let url = self.url(&request)?;
            budget.admit().await.map_err(|retry_after| Error::Throttled { retry_after, trace_id: None })?;
            let (asked_at, started) = (Timestamp::now(), Instant::now());
            let outcome = self.send(url, token, &request).await;
            let mut call = Call {
                location_id,
                endpoint: request.endpoint,
                status: None,
                elapsed: started.elapsed(),
                remaining: None,
                remaining_today: None,
            };
            if let Ok(answer) = &outcome {
                tracing::Span::current().record("http.status", answer.status.as_u16());
                call.status = Some(answer.status.as_u16());
                call.remaining = header(&answer.headers, "x-ratelimit-remaining");
                call.remaining_today = header(&answer.headers, "x-ratelimit-daily-remaining");
                budget.answered(Left {
                    remaining: call.remaining,
                    limit: header(&answer.headers, "x-ratelimit-max"),
                    interval: header(&answer.headers, "x-ratelimit-interval-milliseconds").map(Duration::from_millis),
                });
            }
            (self.on_call)(&call);
            read(outcome?, asked_at, budget, request.about)
        }
        .instrument(span)
        .await
    }

    fn url(&self, request: &Request<'_>) -> Result<Url, Error> {
        let never_sent = || Error::Refused { status: None, trace_id: None };
        // URLs know no way to write a segment that is `.` or `..`, however encoded: it would ask for something else.
        if request.path.iter().any(|segment| matches!(*segment, "." | "..")) {
            return Err(never_sent());
        }
        let mut url = self.settings.base_url.clone();
        url.path_segments_mut().map_err(|()| never_sent())?.pop_if_empty().extend(request.path);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }

    async fn send(&self, url: Url, token: &SecretString, request: &Request<'_>) -> Result<Raw, Error> {
        let versions = &self.settings.versions;
        let version = match request.family {
            Family::Contacts => &versions.contacts,
            Family::Locations => &versions.locations,
            Family::Users => &versions.users,
            Family::Calendars => &versions.calendars,
        };
        let method = if request.body.is_some() { Method::POST } else { Method::GET };
        let mut call = self
            .http
            .request(method, url)
            .bearer_auth(token.expose_secret())
            .header("Version", version)
            .header("Accept", "application/json");
        if let Some(body) = &request.body {
            call = call.json(body);
        }
        let mut response = call.send().await.map_err(|error| unavailable("no answer", None, error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let body =
            bounded(response, self.settings.body_bytes_max).await.map_err(|error| unavailable("answer broke off", Some(status), error))?;
        Ok(Raw { status, headers, body })
    }
}

struct Raw {
    status: StatusCode,
    headers: HeaderMap,
    /// None when it is longer than is read.
    body: Option<Vec<u8>>,
}

async fn bounded(mut response: Response, bytes_max: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn unavailable(reason: &'static str, status: Option<StatusCode>, error: reqwest::Error) -> Error {
    let reason = if error.is_timeout() { "time-out" } else { reason };
    let status = status.map(|status| status.as_u16());
    Error::Unavailable { reason, status, retry_after: None, trace_id: None, source: Some(error.without_url()) }
}

fn read(raw: Raw, asked_at: Timestamp, budget: &Budget, about: Option<&str>) -> Result<Answer<Value>, Error> {
    let retry_after = header(&raw.headers, "retry-after").map(Duration::from_secs);
    if raw.status == StatusCode::TOO_MANY_REQUESTS {
        let retry_after = budget.throttled(retry_after.map(|after| after.min(RETRY_AFTER_MAX)), rand::random());
        return Err(Error::Throttled {
            retry_after,
            trace_id: raw.body.as_deref().and_then(Complaint::read).and_then(|said| said.trace_id()),
        });
    }
    if !raw.status.is_success() {
        return Err(refusal(raw.status, retry_after, raw.body.as_deref().and_then(Complaint::read), about));
    }
    let Some(body) = raw.body else {
        return Err(Error::Unreadable { reason: "longer than is read".to_owned(), trace_id: None });
    };
    match serde_json::from_slice::<Value>(&body) {
        Ok(value) => {
            let trace_id = value.get("traceId").and_then(Value::as_str).map(str::to_owned).and_then(presentable);
            Ok(Answer { value, asked_at, trace_id })
        }
        Err(error) => Err(Error::Unreadable { reason: place(&error), trace_id: None }),
    }
}

/// Where the JSON breaks. The parser's own message is left out: it may quote what it read.
fn place(error: &serde_json::Error) -> String {
    let what = if error.is_eof() { "cut short" } else { "broken JSON" };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// No answer may silence a location for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// An error body in any of the documented forms.
struct Complaint(serde_json::Map<String, Value>);

impl Complaint {
    fn read(body: &[u8]) -> Option<Self> {
        let Value::Object(said) = serde_json::from_slice(body).ok()? else { return None };
        ["message", "statusCode", "status", "error"].iter().any(|key| said.contains_key(*key)).then_some(Self(said))
    }

    /// A string or the first of several, at the top or in `error`.
    fn message(&self) -> &str {
        let nested = self.0.get("error").and_then(|error| error.get("message"));
        match self.0.get("message").or(nested) {
            Some(Value::String(message)) => message,
            Some(Value::Array(messages)) => messages.first().and_then(Value::as_str).unwrap_or_default(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => "",
        }
    }

    fn trace_id(&self) -> Option<String> {
        self.0.get("traceId").and_then(Value::as_str).map(str::to_owned).and_then(presentable)
    }
}

/// The vendor's trace id goes into logs and the event log, so it must look like an id.
fn presentable(trace_id: String) -> Option<String> {
    let fits = !trace_id.is_empty() && trace_id.len() <= 128 && trace_id.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(trace_id)
}

/// What a status means. "Not found" leads to a deletion, so it is believed only in GHL's own form: a proxy's page or a route that GHL
/// does not have says nothing about a record.
fn refusal(status: StatusCode, retry_after: Option<Duration>, said: Option<Complaint>, about: Option<&str>) -> Error {
    let trace_id = said.as_ref().and_then(Complaint::trace_id);
    let message = said.as_ref().map(Complaint::message).unwrap_or_default();
    let refused = |trace_id| Error::Refused { status: Some(status.as_u16()), trace_id };
    let unavailable = |reason, trace_id| Error::Unavailable { reason, status: Some(status.as_u16()), retry_after, trace_id, source: None };
    match status.as_u16() {
        401 | 403 => Error::Unauthorized { status: status.as_u16(), trace_id },
        404 if said.is_none() => unavailable("not GHL's answer", trace_id),
        404 if message.starts_with("Cannot ") => refused(trace_id),
        404 => Error::NotFound { trace_id },
        400 if about.is_some_and(|id| message.contains(id)) && message.to_lowercase().contains("not found") => Error::NotFound { trace_id },
        408 | 425 | 500.. => unavailable("failure", trace_id),
        _ => refused(trace_id),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(status: u16, body: &Value, about: &str) -> Error {
        refusal(StatusCode::from_u16(status).unwrap(), None, Complaint::read(body.to_string().as_bytes()), Some(about))
    }

    #[test]
    fn a_missing_contact_is_recognised_in_both_forms() {
        let told = json!({"statusCode": 404, "message": "Contact not found", "traceId": "t-1"});
        assert!(matches!(judge(404, &told, "abc"), Error::NotFound { trace_id: Some(id) } if id == "t-1"));
        let oddly = json!({"statusCode": 400, "message": "Contact with id abc not found"});
        assert!(matches!(judge(400, &oddly, "abc"), Error::NotFound { .. }));
    }

    #[test]
    fn what_is_not_about_this_contact_deletes_nothing() {
        let other = json!({"statusCode": 400, "message": "Contact with id xyz not found"});
        assert!(matches!(judge(400, &other, "abc"), Error::Refused { status: Some(400), .. }));
        let route = json!({"statusCode": 404, "message": "Cannot GET /v9/contacts/abc", "error": "Not Found"});
        assert!(matches!(judge(404, &route, "abc"), Error::Refused { status: Some(404), .. }));
        let page = refusal(StatusCode::NOT_FOUND, None, Complaint::read(b"<html>nginx</html>"), Some("abc"));
        assert!(matches!(page, Error::Unavailable { status: Some(404), .. }));
    }

    #[test]
    fn every_status_says_what_to_do() {
        let body = json!({"status": 400, "message": ["one", "two"], "name": "HttpException", "traceId": "t"});
        assert!(matches!(judge(401, &body, "x"), Error::Unauthorized { status: 401, .. }));
        assert!(matches!(judge(403, &body, "x"), Error::Unauthorized { status: 403, .. }));
        assert!(matches!(judge(422, &body, "x"), Error::Refused { status: Some(422), .. }));
        assert!(matches!(judge(302, &body, "x"), Error::Refused { status: Some(302), .. }));
        assert!(judge(503, &body, "x").is_transient());
    }

    #[test]
    fn errors_say_status_and_trace_id_and_nothing_that_was_said() {
        let body = json!({"statusCode": 422, "message": "email ann@example.com is taken", "traceId": "9f"});
        assert_eq!(judge(422, &body, "x").to_string(), "GHL refuses the request, status 422, trace 9f");
        let odd = json!({"message": "no", "traceId": "Ann Smith <ann@example.com>"});
        assert_eq!(judge(422, &odd, "x").to_string(), "GHL refuses the request, status 422");
    }
}
