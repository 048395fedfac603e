use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Answer, BridgeFixture, WRITE_KEY, client, config, database, eventually, task};

#[tokio::test]
async fn a_request_without_a_free_permit_is_answered_with_retry_after() {
    let mut config = config(&database().await);
    config["limits"]["writes_in_flight_max"] = 1.into();
    config["limits"]["turn_timeout"] = "10ms".into();
    let bridge = BridgeFixture::start_with(config).await;
    bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
    // A client that takes the only turn and never sends its body.
    let mut slow = TcpStream::connect(bridge.url.trim_start_matches("http://")).await.unwrap();
    let head = format!("POST /v1/workspaces/w/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {WRITE_KEY}\r\ncontent-length: 9\r\n\r\n");
    slow.write_all(head.as_bytes()).await.unwrap();
    eventually("the turn is taken", || async { bridge.batch(&[task("t", 1, "x")]).await.status == 503 }).await;
    let refused = bridge.batch(&[task("t", 1, "x")]).await;
    assert_eq!(refused.headers["retry-after"], "1");
    refused.refused(503, "overloaded");
    bridge.get("/v1/workspaces/w").await.is(200);
    drop(slow);
    eventually("the turn is free", || async { bridge.batch(&[task("t", 1, "x")]).await.status == 200 }).await;
}

#[tokio::test]
async fn a_body_that_never_ends_loses_its_turn() {
    let mut config = config(&database().await);
    config["limits"]["writes_in_flight_max"] = 1.into();
    config["limits"]["turn_timeout"] = "10ms".into();
    config["limits"]["request_timeout"] = "200ms".into();
    let bridge = BridgeFixture::start_with(config).await;
    bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
    let mut slow = TcpStream::connect(bridge.url.trim_start_matches("http://")).await.unwrap();
    let head = format!("POST /v1/workspaces/w/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {WRITE_KEY}\r\ncontent-length: 9\r\n\r\n");
    slow.write_all(head.as_bytes()).await.unwrap();
    eventually("the turn is free again", || async { bridge.batch(&[task("t", 1, "x")]).await.status == 200 }).await;
    drop(slow);
}

#[tokio::test]
async fn figures_are_counted() {
    let bridge = BridgeFixture::start().await;
    bridge.write(&[task("t", 2, "x"), task("t", 1, "x"), json!(5)]).await;
    bridge.page("/w/w").await;
    let metrics = || async { bridge.client.get(format!("{}/metrics", bridge.url)).send().await.unwrap().text().await.unwrap() };
    let text = metrics().await;
    for line in [
        "bridge_writes_total{service=\"bridge\",outcome=\"created\"} 1",
        "bridge_writes_total{service=\"bridge\",outcome=\"stale\"} 1",
        "bridge_writes_total{service=\"bridge\",outcome=\"invalid\"} 1",
        "route=\"/v1/workspaces/{workspace}/batch\",method=\"POST\",status=\"200\"} 1",
        "bridge_write_seconds_count{service=\"bridge\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    eventually("objects are counted", || async { metrics().await.contains("bridge_objects{service=\"bridge\",kind=\"task\"} 1") }).await;
}

#[tokio::test]
async fn without_its_database_the_bridge_says_so_and_comes_back() {
    let database = database().await;
    let proxy = Proxy::start(&database).await;
    let mut config = config(&proxy.url);
    config["database"]["acquire_timeout"] = "300ms".into();
    let bridge = BridgeFixture::start_with(config).await;
    bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
    proxy.cut().await;
    let refused = bridge.batch(&[task("t", 1, "x")]).await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.refused(503, "unavailable");
    eventually("not ready", || async { bridge.client.get(format!("{}/readyz", bridge.url)).send().await.unwrap().status() == 503 }).await;
    assert_eq!(bridge.client.get(format!("{}/livez", bridge.url)).send().await.unwrap().status(), 200);
    proxy.mend().await;
    eventually("writing again", || async { bridge.batch(&[task("t", 1, "x")]).await.status == 200 }).await;
    eventually("ready again", || async { bridge.client.get(format!("{}/readyz", bridge.url)).send().await.unwrap().status() == 200 }).await;
}

#[tokio::test]
async fn a_taken_address_ends_the_start_with_one_sentence() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(&database().await);
    config["server"]["http"] = listener.local_addr().unwrap().to_string().into();
    let config: bridge::Config = config.try_into().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), bridge::run(config, chassis::Shutdown::new())).await.expect("it ends");
    assert!(ended.unwrap_err().to_string().contains("is taken"));
}

#[tokio::test]
async fn open_pages_do_not_keep_the_bridge_from_stopping() {
    let config: bridge::Config = config(&database().await).try_into().unwrap();
    let (url, shutdown) = (format!("http://{}", config.server.http), chassis::Shutdown::new());
    let running = tokio::spawn(bridge::run(config, shutdown.clone()));
    let client = client();
    let ready = || async { client.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status() == 200) };
    eventually("the bridge is ready", ready).await;
    client.put(format!("{url}/v1/workspaces/w")).bearer_auth(WRITE_KEY).send().await.unwrap();
    let page = client.get(format!("{url}/w/w/events")).bearer_auth(WRITE_KEY).send().await.unwrap();
    assert_eq!(page.status(), 200);
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), running).await.expect("it stops").unwrap().unwrap();
    drop(page);
}

#[tokio::test]
async fn a_paused_bridge_reads_and_does_not_write() {
    let bridge = BridgeFixture::start().await;
    bridge.write(&[task("t", 1, "x")]).await;
    control(&bridge, "Pause").await;
    let refused = bridge.batch(&[task("t", 2, "y")]).await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.refused(503, "paused");
    bridge.get("/v1/workspaces/w/tasks/t").await.is(200);
    control(&bridge, "Resume").await;
    assert_eq!(bridge.write(&[task("t", 2, "y")]).await, ["updated"]);
}

/// A call of the control service with an empty message, spoken by hand: no gRPC client is needed for five bytes.
async fn control(bridge: &BridgeFixture, method: &str) {
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let request = client.request(Method::POST, format!("{}/mirror.control.v1.Control/{method}", bridge.grpc));
    let request = request.bearer_auth("token-of-the-tests").header("content-type", "application/grpc").header("te", "trailers");
    let answer = request.body(vec![0u8; 5]).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().get("grpc-status").is_none_or(|status| status == "0"), "{:?}", answer.headers());
    let body = Answer { status: 200, headers: answer.headers().clone(), body: json!(null) };
    drop((body, answer.bytes().await.unwrap()));
}

/// Between the bridge and its database.
struct Proxy {
    url: String,
    open: tokio::sync::watch::Sender<bool>,
}

impl Proxy {
    async fn start(database: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url: url::Url = database.parse().unwrap();
        let target = format!("127.0.0.1:{}", url.port().unwrap());
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let open = tokio::sync::watch::Sender::new(true);
        let state = open.subscribe();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut state, target) = (state.clone(), target.clone());
                tokio::spawn(async move {
                    if *state.borrow() {
                        let mut far = TcpStream::connect(target).await.unwrap();
                        tokio::select! {
                            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                            _ = state.wait_for(|open| !*open) => {}
                        }
                    }
                });
            }
        });
        Self { url: url.to_string(), open }
    }

    async fn cut(&self) {
        self.open.send_replace(false);
    }

    async fn mend(&self) {
        self.open.send_replace(true);
    }
}
