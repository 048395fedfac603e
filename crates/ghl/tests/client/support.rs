//! A small server that says what it was asked and answers as prepared.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response};
use domain::{ContactId, LocationId};
use ghl::{Client, Rate, Settings, Transport, Versions};
use serde_json::Value;
use settings::Period;

/// What the server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// A server that gives the prepared answers in turn and the last one for ever.
pub(crate) struct Server {
    pub(crate) base_url: String,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    pub(crate) calls: Arc<Mutex<Vec<Told>>>,
}

/// What was told of a call: its endpoint, its status, what is left.
pub(crate) type Told = (String, Option<u16>, Option<u64>);

pub(crate) type Prepared = (u16, Vec<(&'static str, &'static str)>, Vec<u8>);

pub(crate) fn answer(status: u16, body: &Value) -> Prepared {
    (status, Vec::new(), body.to_string().into_bytes())
}

impl Server {
    pub(crate) async fn start(answers: Vec<Prepared>) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (Arc::clone(&asked), Arc::new(answers));
        let handler = move |request: Request| {
            let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let index = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(Asked {
                        line: format!("{} {}", parts.method, parts.uri),
                        headers: parts.headers,
                        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
                    });
                    seen.len() - 1
                };
                let (status, headers, body) = answers.get(index).or_else(|| answers.last()).unwrap();
                let mut response = Response::builder().status(*status);
                for (name, value) in headers {
                    response = response.header(*name, *value);
                }
                response.body(Body::from(body.clone())).unwrap()
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        Self { base_url, asked, calls: Arc::default() }
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with(|_| {})
    }

    pub(crate) fn client_with(&self, change: impl FnOnce(&mut Settings)) -> Client {
        let mut settings = Settings {
            base_url: self.base_url.parse().unwrap(),
            connect_timeout: Period::from_secs(2),
            request_timeout: Period::from_secs(5),
            body_bytes_max: NonZeroUsize::new(100_000).unwrap(),
            events_bytes_max: NonZeroUsize::new(50_000).unwrap(),
            legacy_contact_list: false,
            versions: Versions::default(),
            rate: Rate { wait_max: Duration::from_secs(2), ..Rate::default() },
        };
        change(&mut settings);
        let calls = Arc::clone(&self.calls);
        let on_call =
            Arc::new(move |call: &ghl::Call<'_>| calls.lock().unwrap().push((call.operation.name.to_owned(), call.status, call.remaining)));
        let location_id = LocationId::new("loc/1").unwrap();
        Client::new(Transport::new(settings, on_call).unwrap(), location_id, "pit-secret".to_owned().into())
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) fn id(id: &str) -> ContactId {
    ContactId::new(id).unwrap()
}
