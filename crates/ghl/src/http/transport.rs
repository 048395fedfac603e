//! One call: its address, its headers, its limits and its answer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::LocationId;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tracing::Instrument;
use url::Url;

use super::answer::{Answer, Raw, bounded, date, header, read, unavailable};
use super::settings::Settings;
use super::verdict::is_vague;
use crate::Error;
use crate::budget::{Budget, Lane, Left, Rate};
use crate::operations::{Area, GET_LOCATION, Method, Operation, RequestPart, SEARCH_CONTACTS};

/// One call that was made, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub location_id: &'a LocationId,
    pub operation: &'static Operation,
    pub reply: Reply,
    /// None when no answer came.
    pub status: Option<u16>,
    pub elapsed: Duration,
    /// Calls left in GHL's short interval and today, where its headers say so.
    pub remaining: Option<u64>,
    pub remaining_today: Option<u64>,
    /// What GHL's clock said when it answered, to a second.
    pub date: Option<Timestamp>,
}

/// What a call says about the operation itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// GHL answers it, be it with an error about what was asked for.
    Given,
    /// GHL refuses it, for want of a scope.
    Forbidden,
    /// No answer came, or none of GHL's own.
    Failed,
    /// Nothing: GHL did not get so far.
    Other,
}

impl Reply {
    fn of(answer: &Result<Answer<Value>, Error>) -> Self {
        match answer {
            Err(Error::Forbidden { .. }) => Self::Forbidden,
            Err(Error::Unavailable { .. }) => Self::Failed,
            Err(Error::Unauthorized { .. } | Error::LocationInactive { .. } | Error::Throttled { .. }) => Self::Other,
            Ok(_)
            | Err(
                Error::RecordForbidden { .. }
                | Error::NotFound { .. }
                | Error::Duplicate { .. }
                | Error::Refused { .. }
                | Error::TooLong
                | Error::Unreadable { .. }
                | Error::UnknownOutcome { .. },
            ) => Self::Given,
        }
    }
}

/// Called after every call.
pub type OnCall = Arc<dyn Fn(&Call<'_>) + Send + Sync>;

/// The connections to GHL, shared by the clients of all locations.
#[derive(Clone)]
pub struct Transport {
    pub(super) http: reqwest::Client,
    pub(super) settings: Arc<Settings>,
    on_call: OnCall,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base_url", &self.settings.base_url.as_str()).finish_non_exhaustive()
    }
}

/// One request to GHL.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    pub(crate) operation: &'static Operation,
    /// What fills the placeholders of the path, in order; the location is filled in by itself.
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
            .connect_timeout(*settings.connect_timeout)
            .timeout(*settings.request_timeout)
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

    /// Asks once, after waiting for the budget. Cancelling a read is safe; the outcome of a cancelled write is unknown.
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
                operation: request.operation,
                reply: Reply::Other,
                status: None,
                elapsed: started.elapsed(),
                remaining: None,
                remaining_today: None,
                date: None,
            };
            if let Ok(answer) = &outcome {
                tracing::Span::current().record("http.status", answer.status.as_u16());
                call.status = Some(answer.status.as_u16());
                call.remaining = header(&answer.headers, "x-ratelimit-remaining");
                call.remaining_today = header(&answer.headers, "x-ratelimit-daily-remaining");
                call.date = date(&answer.headers);
                budget.answered(Left {
                    remaining: call.remaining,
                    limit: header(&answer.headers, "x-ratelimit-max"),
                    interval: header(&answer.headers, "x-ratelimit-interval-milliseconds").map(Duration::from_millis),
                    remaining_today: call.remaining_today,
                    limit_a_day: header(&answer.headers, "x-ratelimit-limit-daily"),
                });
            }
            let is_vague = outcome.as_ref().is_ok_and(|raw| is_vague(raw.status, raw.body.as_deref()));
            let mut answer = outcome.and_then(|raw| read(raw, asked_at, budget, request.operation, request.path));
            if let (true, Err(Error::Unauthorized { status, trace_id })) = (is_vague, &answer)
                && Box::pin(self.is_accepted(location_id, token, (budget, lane), request.operation)).await
            {
                answer = Err(Error::Forbidden { operation: request.operation, status: *status, trace_id: trace_id.clone() });
            }
            call.reply = Reply::of(&answer);
            (self.on_call)(&call);
            if request.operation.writes { answer.map_err(Error::of_write) } else { answer }
        }
        .instrument(span)
        .await
    }

    /// Whether GHL accepts the token for something else: one small call, after a refusal that does not say what it concerns.
    async fn is_accepted(
        &self,
        location_id: &LocationId,
        token: &SecretString,
        (budget, lane): (&Budget, Lane),
        refused: &Operation,
    ) -> bool {
        let one = json!({"pageLimit": 1, "sort": [{"field": "dateAdded", "direction": "asc"}]});
        let (operation, body) = if refused.area == Area::Contacts { (GET_LOCATION, None) } else { (SEARCH_CONTACTS, Some(one)) };
        let other = Request { operation, path: &[], query: Vec::new(), body };
        let Ok(url) = self.url(location_id, &other) else { return false };
        if budget.admit(lane).await.is_err() {
            return false;
        }
        let (asked_at, started) = (Timestamp::now(), Instant::now());
        let Ok(raw) = self.send(url, location_id, token, &other).await else { return false };
        let status = Some(raw.status.as_u16());
        let answer = read(raw, asked_at, budget, operation, other.path);
        let (reply, elapsed) = (Reply::of(&answer), started.elapsed());
        (self.on_call)(&Call { location_id, operation, reply, status, elapsed, remaining: None, remaining_today: None, date: None });
        matches!(reply, Reply::Given | Reply::Forbidden)
    }

    fn url(&self, location_id: &LocationId, request: &Request<'_>) -> Result<Url, Error> {
        let mut url = self.settings.base_url.clone();
        let path = filled(location_id, request).ok_or(Error::UNSENT)?;
        url.path_segments_mut().map_err(|()| Error::UNSENT)?.pop_if_empty().extend(path);
        if request.operation.names_location(RequestPart::Query) {
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
            if let (Value::Object(fields), true) = (&mut body, request.operation.names_location(RequestPart::Body)) {
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

/// The segments of the path. No encoding lets a URL have a segment `.` or `..`: it would address something else, as an empty one would.
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
