//! A plain client of the simulated API, and a receiver of webhooks.
#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::{
    sync::{Arc, Mutex, Once},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use sandbox::{Sandbox, Settings};
use serde_json::Value;
use url::Url;

pub(crate) async fn start(settings: Settings) -> Sandbox {
    provide_tls();
    Sandbox::start(settings).await.expect("the sandbox starts")
}

/// The HTTP client asks for it even where no TLS is spoken.
fn provide_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// Waits for a condition, with a deadline.
pub(crate) async fn eventually(condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "it did not come about in 20 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
    /// None: the one of the family; Some(None): no header.
    version: Option<Option<&'static str>>,
}

impl Client {
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("the client builds");
        Self { http, base: sandbox.base_url(), token: sandbox.token().to_owned(), version: None }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) fn with_version(&self, version: Option<&'static str>) -> Self {
        Self { version: Some(version), ..self.clone() }
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let of_family = if path.starts_with("/calendars") { "2021-04-15" } else { "2021-07-28" };
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        match self.version.unwrap_or(Some(of_family)) {
            Some(version) => request.header("Version", version),
            None => request,
        }
    }

    async fn sent(request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.expect("the sandbox answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        Self::sent(self.request(reqwest::Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        Self::sent(self.request(reqwest::Method::POST, path).json(body)).await
    }

    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(reqwest::Method::POST, path).header("content-type", "application/x-www-form-urlencoded").body(body);
        Self::sent(request).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        Self::sent(self.request(reqwest::Method::PUT, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str, body: Option<&Value>) -> (u16, Value) {
        let request = self.request(reqwest::Method::DELETE, path);
        Self::sent(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    pub(crate) async fn raw_get(&self, path: &str) -> reqwest::Response {
        self.request(reqwest::Method::GET, path).send().await.expect("the sandbox answers")
    }

    pub(crate) async fn raw_post(&self, path: &str, body: Vec<u8>) -> reqwest::Response {
        self.request(reqwest::Method::POST, path).body(body).send().await.expect("the sandbox answers")
    }
}

/// Keeps every webhook it gets, and answers as it is told.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    got: Arc<Mutex<Vec<Got>>>,
    /// Statuses to answer, first one first; then 200.
    answers: Arc<Mutex<Vec<u16>>>,
}

#[derive(Clone)]
pub(crate) struct Got {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("webhooks are JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).expect("the header is there").to_str().expect("it is text")
    }
}

impl Receiver {
    pub(crate) async fn start(&self) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let app = Router::new().route("/hooks", post(take)).with_state(self.clone());
        drop(tokio::spawn(async move { axum::serve(listener, app).await }));
        format!("http://{address}/hooks").parse().expect("it is an address")
    }

    pub(crate) fn answer_first(&self, statuses: &[u16]) {
        *self.answers.lock().expect("not poisoned") = statuses.to_vec();
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().expect("not poisoned").clone()
    }

    /// In the order they came.
    pub(crate) fn types(&self) -> Vec<String> {
        let kind = |got: &Got| got.json().get("type").and_then(Value::as_str).expect("it has a type").to_owned();
        self.got().iter().map(kind).collect()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    receiver.got.lock().expect("not poisoned").push(Got { headers, body });
    let mut answers = receiver.answers.lock().expect("not poisoned");
    if answers.is_empty() { StatusCode::OK } else { StatusCode::from_u16(answers.remove(0)).expect("it is a status") }
}
