//! One PostgreSQL for all tests, a database and a bridge for each.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chassis::Shutdown;
use embedded::{Postgres, PostgresSettings, free_port, scratch};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

pub(crate) const WRITE_KEY: &str = "write-key-of-the-tests";
pub(crate) const READ_KEY: &str = "read-key-of-the-tests";

static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

pub(crate) async fn database() -> String {
    let start = || async {
        let settings = PostgresSettings { data: scratch("bridge"), ..PostgresSettings::default() };
        Postgres::start(settings).await.expect("PostgreSQL")
    };
    let postgres = POSTGRES.get_or_init(start).await;
    let name = format!("bridge_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    postgres.create_database(&name).await.expect("database");
    postgres.url(&name)
}

pub(crate) fn config(database: &str) -> toml::Table {
    let mut config: toml::Table = include_str!("../../config.default.toml").parse().expect("defaults");
    let port = || format!("127.0.0.1:{}", free_port().expect("port"));
    config.insert("bootstrap_key".to_owned(), WRITE_KEY.into());
    config.insert("reader_keys".to_owned(), toml::Table::from_iter([("tests".to_owned(), READ_KEY.into())]).into());
    config["database"]["url"] = database.into();
    config["database"]["connections_max"] = 8.into();
    config["server"]["http"] = port().into();
    config["server"]["ops"] = config["server"]["http"].clone();
    config["server"]["grpc"] = port().into();
    config["server"]["token"] = "token-of-the-tests".into();
    config["page"]["follow_every"] = "20ms".into();
    config["page"]["look_every"] = "50ms".into();
    config
}

/// A running bridge with a database of its own; stopped when dropped.
pub(crate) struct BridgeFixture {
    pub(crate) url: String,
    pub(crate) grpc: String,
    pub(crate) client: Client,
    shutdown: Shutdown,
}

impl Drop for BridgeFixture {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Follows no redirect and knows no proxy. Tests may share a process: the second finds the provider installed.
pub(crate) fn client() -> Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("client")
}

impl BridgeFixture {
    /// With a workspace `w`.
    pub(crate) async fn start() -> Self {
        let bridge = Self::start_with(config(&database().await)).await;
        bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
        bridge
    }

    pub(crate) async fn start_with(config: toml::Table) -> Self {
        let config: bridge::Config = config.try_into().expect("config");
        let (shutdown, url, grpc) = (Shutdown::new(), format!("http://{}", config.server.http), format!("http://{}", config.server.grpc));
        tokio::spawn(bridge::run(config, shutdown.clone()));
        let client = client();
        let bridge = Self { url, grpc, client, shutdown };
        eventually("the bridge is ready", || async {
            let answer = bridge.client.get(format!("{}/readyz", bridge.url)).send().await;
            answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
        })
        .await;
        bridge
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(WRITE_KEY)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// Into workspace `w`.
    pub(crate) async fn batch(&self, items: &[Value]) -> Answer {
        Answer::of(self.request(Method::POST, "/v1/workspaces/w/batch").json(&json!({ "items": items }))).await
    }

    /// The outcomes of a batch into workspace `w`.
    pub(crate) async fn write(&self, items: &[Value]) -> Vec<String> {
        let results = self.batch(items).await.is(200);
        results["results"]
            .as_array()
            .expect("results")
            .iter()
            .map(|result| result["outcome"].as_str().expect("outcome").to_owned())
            .collect()
    }

    pub(crate) async fn root(&self) -> String {
        self.get("/v1/workspaces/w/digest").await.is(200)["root"].as_str().expect("root").to_owned()
    }

    pub(crate) async fn position(&self) -> u64 {
        self.get("/v1/workspaces/w").await.is(200)["position"].as_u64().expect("position")
    }

    /// The page at this address, as text.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.url)).basic_auth("anybody", Some(READ_KEY)).send().await.expect("page");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.expect("text")
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let answer = request.send().await.expect("answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.expect("text");
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// The body, of an answer with this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Of a refusal with this status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["error"]["code"].as_str()), (status, Some(code)), "{}", self.body);
        self.body
    }
}

pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A mirrored task of contact `c`.
pub(crate) fn task(key: &str, seq: u64, title: &str) -> Value {
    object("task", key, "c", seq, &json!({"title": title, "container": "c"}))
}

pub(crate) fn contact(key: &str, seq: u64, name: &str) -> Value {
    object("contact", key, key, seq, &json!({ "name": name }))
}

pub(crate) fn object(kind: &str, key: &str, contact: &str, seq: u64, content: &Value) -> Value {
    json!({"op": "put", "kind": kind, "key": key, "contact": contact, "revision": {"epoch": 1, "seq": seq}, "policy": "mirror",
        "content": content, "idempotency_key": format!("{seq}/{key}")})
}

pub(crate) fn once(mut item: Value) -> Value {
    item["policy"] = "once".into();
    item
}

pub(crate) fn remove(kind: &str, key: &str, seq: u64) -> Value {
    json!({"op": "remove", "kind": kind, "key": key, "revision": {"epoch": 1, "seq": seq}})
}

pub(crate) fn encoded(key: &str) -> String {
    percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string()
}
