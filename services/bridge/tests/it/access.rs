use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, BridgeFixture, READ_KEY, WRITE_KEY, config, database, task};

#[tokio::test]
async fn every_request_needs_a_key() {
    let bridge = BridgeFixture::start().await;
    for path in ["/v1/workspaces", "/v1/workspaces/w", "/v1/workspaces/w/tasks/t", "/v1/nowhere"] {
        for request in [
            bridge.client.get(format!("{}{path}", bridge.url)),
            bridge.client.get(format!("{}{path}", bridge.url)).bearer_auth("wrong"),
            bridge.client.get(format!("{}{path}", bridge.url)).bearer_auth(""),
            bridge.client.get(format!("{}{path}", bridge.url)).basic_auth("any", Some(WRITE_KEY)),
            bridge.client.post(format!("{}{path}", bridge.url)).json(&json!({})),
        ] {
            let answer = Answer::of(request).await;
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            answer.refused(401, "unauthorized");
        }
    }
}

#[tokio::test]
async fn a_read_key_reads_and_does_not_write() {
    let bridge = BridgeFixture::start().await;
    let with = |method: Method, path: &str| bridge.client.request(method, format!("{}{path}", bridge.url)).bearer_auth(READ_KEY);
    Answer::of(with(Method::GET, "/v1/workspaces/w")).await.is(200);
    Answer::of(with(Method::PUT, "/v1/workspaces/x").json(&json!({}))).await.refused(403, "forbidden");
    Answer::of(with(Method::POST, "/v1/workspaces/w/batch").json(&json!({"items": [task("t", 1, "x")]}))).await.refused(403, "forbidden");
    Answer::of(with(Method::DELETE, "/v1/workspaces/w/tasks/t?epoch=1&seq=1")).await.refused(403, "forbidden");
    assert_eq!(bridge.position().await, 0);
}

#[tokio::test]
async fn keys_outlive_a_restart_and_a_new_bootstrap_key_replaces_the_old() {
    let database = database().await;
    drop(BridgeFixture::start_with(config(&database)).await);
    let mut silent = config(&database);
    silent["bootstrap_key"] = "".into();
    silent.insert("reader_keys".to_owned(), toml::Table::new().into());
    let bridge = BridgeFixture::start_with(silent).await;
    bridge.get("/v1/workspaces").await.is(200);
    drop(bridge);
    let mut changed = config(&database);
    changed["bootstrap_key"] = "another-key-of-the-tests".into();
    let bridge = BridgeFixture::start_with(changed).await;
    bridge.get("/v1/workspaces").await.refused(401, "unauthorized");
    Answer::of(bridge.client.get(format!("{}/v1/workspaces", bridge.url)).bearer_auth("another-key-of-the-tests")).await.is(200);
}

#[tokio::test]
async fn the_page_takes_a_key_as_password_or_bearer() {
    let bridge = BridgeFixture::start().await;
    let get = |path: &str| bridge.client.get(format!("{}{path}", bridge.url));
    for request in [get("/w/w"), get("/w/w").basic_auth("x", Some("wrong")), get("/w"), get("/"), get("/w/w/events")] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic realm="));
        assert!(answer.text().await.unwrap().contains("needs an API key"));
    }
    for request in
        [get("/w/w").basic_auth("any", Some(READ_KEY)), get("/w/w").basic_auth("", Some(WRITE_KEY)), get("/w/w").bearer_auth(READ_KEY)]
    {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(get("/").bearer_auth(READ_KEY).send().await.unwrap().headers()["location"], "/w");
    assert_eq!(get("/w/none").bearer_auth(READ_KEY).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_document_is_open_and_its_paths_exist() {
    let bridge = BridgeFixture::start().await;
    let document = Answer::of(bridge.client.get(format!("{}/openapi.json", bridge.url))).await.is(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.replace("{workspace}", "w").replace("{key}", "k");
        for method in operations.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = Answer::of(bridge.request(method.clone(), &path).json(&Value::Null)).await;
            let code = answer.body["error"]["code"].as_str().unwrap_or_default();
            assert!(!["no_such_path", "no_such_method"].contains(&code), "{method} {path}: {code}");
            asked += 1;
        }
    }
    assert_eq!(asked, 36);
}
