//! One call: its address, its headers, its limits and its answer.

mod oauth;
mod verdict;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::LocationId;
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::Instrument;
use url::Url;

use self::verdict::{Complaint, presentable, refusal};
use crate::Error;
use crate::budget::{Budget, Lane, Left, Rate};
use crate::operations::{Family, LIST_EVENTS, Method, Operation, Place};

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
    /// The longest list of calendar events that is read: there is no paging, and whoever asked can ask for a shorter time span.
    #[serde(default = "events_bytes_max")]
    pub events_bytes_max: usize,
    /// Whether the deprecated `GET /contacts/` may be asked. GHL's v3 does not have it.
    #[serde(default)]
    pub legacy_contact_list: bool,
    pub versions: Versions,
    pub rate: Rate,
}

fn events_bytes_max() -> usize {
    2 << 20
}

/// The `Version` header by family of endpoints. GHL promises none of them an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Versions {
    pub contacts: String,
    pub locations: String,
    pub users: String,
    pub calendars: String,
    pub businesses: String,
}

impl Default for Versions {
    fn default() -> Self {
        let most = "2021-07-28".to_owned();
        Self { contacts: most.clone(), locations: most.clone(), users: most.clone(), calendars: "2021-04-15".to_owned(), businesses: most }
    }
}

impl Versions {
    fn of(&self, family: Family) -> &str {
        match family {
            Family::Contacts => &self.contacts,
            Family::Locations => &self.locations,
            Family::Users => &self.users,
            Family::Calendars => &self.calendars,
            Family::Businesses => &self.businesses,
        }
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
    pub(crate) fn map<U>(self, read: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: read(self.value), asked_at: self.asked_at, trace_id: self.trace_id }
    }

    /// As `try_map`, of a write that GHL says it made: what it made of it is not known.
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

/// One question.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    pub(crate) operation: &'static Operation,
    /// What fills the path, in its order, but for the location.
    pub(crate) path: &'a [&'a str],
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
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

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn rate(&self) -> &Rate {
        &self.settings.rate
    }

    /// Asks once, after waiting for the budget. A read is safe to cancel; after a cancelled write its outcome is unknown.
    pub(crate) async fn ask(
        &self,
        location_id: &LocationId,
        token: &SecretString,
        (budget, lane): (&Budget, Lane),
        request: Request<'_>,
    ) -> Result<Answer<Value>, Error> {
        let span = tracing::info_span!("ghl", ghl.endpoint = request.operation.name, location.id = %location_id, http.status = tracing::field::Empty);
        async {
            let url = self.url(location_id, &request)?;
            budget.admit(lane).await.map_err(|retry_after| Error::Throttled { retry_after, trace_id: None })?;
            let (asked_at, started) = (Timestamp::now(), Instant::now());
            let outcome = self.send(url, location_id, token, &request).await;
            let mut call = Call {
                location_id,
                endpoint: request.operation.name,
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
                    remaining_today: call.remaining_today,
                    limit_a_day: header(&answer.headers, "x-ratelimit-limit-daily"),
                });
            }
            (self.on_call)(&call);
            let answer = outcome.and_then(|raw| read(raw, asked_at, budget, request.path));
            if request.operation.writes { answer.map_err(Error::of_write) } else { answer }
        }
        .instrument(span)
        .await
    }

    fn url(&self, location_id: &LocationId, request: &Request<'_>) -> Result<Url, Error> {
        let mut url = self.settings.base_url.clone();
        let path = filled(location_id, request).ok_or(Error::UNSENT)?;
        url.path_segments_mut().map_err(|()| Error::UNSENT)?.pop_if_empty().extend(path);
        if request.operation.names_location(Place::Query) {
            url.query_pairs_mut().append_pair("locationId", location_id.as_str());
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }

    async fn send(&self, url: Url, location_id: &LocationId, token: &SecretString, request: &Request<'_>) -> Result<Raw, Error> {
        let method = match request.operation.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut call = self
            .http
            .request(method, url)
            .bearer_auth(token.expose_secret())
            .header("Version", self.settings.versions.of(request.operation.family))
            .header("Accept", "application/json");
        if let Some(body) = &request.body {
            let mut body = body.clone();
            if let (Value::Object(fields), true) = (&mut body, request.operation.names_location(Place::Body)) {
                fields.insert("locationId".to_owned(), Value::from(location_id.as_str()));
            }
            call = call.json(&body);
        }
        let mut response = call.send().await.map_err(|error| unavailable("no answer", None, error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let body = bounded(response, self.settings.bytes_max(request.operation)).await;
        let body = body.map_err(|error| unavailable("answer broke off", Some(status), error))?;
        Ok(Raw { status, headers, body })
    }
}

impl Settings {
    fn bytes_max(&self, operation: &Operation) -> usize {
        if operation.name == LIST_EVENTS.name { self.events_bytes_max } else { self.body_bytes_max }
    }
}

/// The segments of the path. URLs know no way to write one that is `.` or `..`, however encoded: it would ask for something else, as an
/// empty one would.
fn filled<'a>(location_id: &'a LocationId, request: &'a Request<'_>) -> Option<Vec<&'a str>> {
    let mut given = request.path.iter().copied();
    let mut fill = |part: &'a str| {
        match part {
            "{locationId}" => Some(location_id.as_str()),
            part if part.starts_with('{') => given.next(),
            part => return Some(part),
        }
        .filter(|value| !matches!(*value, "" | "." | ".."))
    };
    request.operation.path.trim_start_matches('/').split('/').map(&mut fill).collect()
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

fn read(raw: Raw, asked_at: Timestamp, budget: &Budget, about: &[&str]) -> Result<Answer<Value>, Error> {
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
    let Some(body) = raw.body else { return Err(Error::TooLong) };
    // Some writes are answered with nothing.
    match if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice::<Value>(&body) } {
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

fn header(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
