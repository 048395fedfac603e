//! One request and its answer.

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::error::failure;
use crate::{Error, Result, Settings};

/// A client of the bridge. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Bridge {
    http: reqwest::Client,
    settings: Settings,
    authorization: HeaderValue,
}

impl Bridge {
    /// Connects when first used.
    ///
    /// # Errors
    /// `Misconfigured` when the key cannot be read or cannot stand in a header, or the HTTP client cannot be set up.
    pub fn new(settings: Settings) -> Result<Self> {
        let key = settings.read_key()?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
            .map_err(|_| Error::Misconfigured("the key of the bridge contains a character that is not allowed in a header".to_owned()))?;
        authorization.set_sensitive(true);
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Only fails when another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let http = reqwest::Client::builder()
            .connect_timeout(*settings.connect_timeout)
            .timeout(*settings.request_timeout)
            // A redirect would carry the key to another host.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pagico-mirror/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Misconfigured(format!("the HTTP client for the bridge cannot be set up: {error}")))?;
        Ok(Self { http, settings, authorization })
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// An address below `/v1`, each segment percent-encoded.
    pub(crate) fn address(&self, segments: &[&str]) -> Result<Url> {
        // No encoding keeps `.` and `..` from being resolved as relative paths.
        if segments.iter().any(|segment| matches!(*segment, "." | ".." | "")) {
            return Err(Error::Refused { status: 400, code: "invalid_path".to_owned() });
        }
        let mut url = self.settings.url.clone();
        let mut path = url.path_segments_mut().map_err(|()| Error::UnexpectedAnswer { status: 0 })?;
        path.pop_if_empty().push("v1").extend(segments);
        drop(path);
        Ok(url)
    }

    /// Reads what is at the address as the expected type.
    pub(crate) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T> {
        let (status, body) = self.ask(Method::GET, url, None).await?;
        serde_json::from_slice(&body).map_err(|_| Error::UnexpectedAnswer { status })
    }

    /// Sends a request that changes something, and reads its answer as the expected type.
    pub(crate) async fn send<T: DeserializeOwned>(&self, method: Method, url: Url, body: Option<Value>) -> Result<T> {
        let (status, body) = self.ask(method, url, body.map(|body| body.to_string().into_bytes())).await?;
        serde_json::from_slice(&body).map_err(|_| Error::UnexpectedAnswer { status })
    }

    pub(crate) async fn ask(&self, method: Method, url: Url, body: Option<Vec<u8>>) -> Result<(u16, Vec<u8>)> {
        let mut request = self.http.request(method, url).header(AUTHORIZATION, self.authorization.clone());
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let answer = request.send().await.map_err(|_| Error::Unavailable { status: None, retry_after: None })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = self.read(answer).await?;
        if status.is_success() {
            return Ok((status.as_u16(), body));
        }
        Err(failure(status, &headers, &body, Timestamp::now()))
    }

    async fn read(&self, mut answer: Response) -> Result<Vec<u8>> {
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        loop {
            let chunk = answer.chunk().await.map_err(|_| Error::Unavailable { status: Some(status), retry_after: None })?;
            let Some(chunk) = chunk else { return Ok(body) };
            if body.len() + chunk.len() > self.settings.answer_bytes_max.get() {
                return Err(Error::UnexpectedAnswer { status });
            }
            body.extend_from_slice(&chunk);
        }
    }
}
