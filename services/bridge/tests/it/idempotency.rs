use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, BridgeFixture, config, database, eventually, task};

fn body(seq: u64, title: &str) -> Value {
    json!({"contact": "c", "revision": {"epoch": 1, "seq": seq}, "policy": "mirror", "content": {"title": title}})
}

async fn put(bridge: &BridgeFixture, idempotency_key: &str, body: &Value) -> Answer {
    Answer::of(bridge.request(Method::PUT, "/v1/workspaces/w/tasks/t").header("idempotency-key", idempotency_key).json(body)).await
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_is_carried_out_once() {
    let bridge = BridgeFixture::start().await;
    let first = put(&bridge, "k1", &body(5, "a")).await;
    assert_eq!(first.status, 201);
    assert_eq!(bridge.write(&[task("t", 6, "b")]).await, ["updated"]);
    let again = put(&bridge, "k1", &body(5, "a")).await;
    assert_eq!((again.status, again.body), (201, first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(put(&bridge, "k2", &body(5, "a")).await.status, 409);
    assert_eq!(put(&bridge, "k2", &body(5, "a")).await.status, 409);
    assert_eq!(bridge.position().await, 2);
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let bridge = BridgeFixture::start().await;
    put(&bridge, "k", &body(5, "a")).await.is(201);
    put(&bridge, "k", &body(6, "b")).await.refused(422, "idempotency_mismatch");
    let delete = bridge.request(Method::DELETE, "/v1/workspaces/w/tasks/t?epoch=1&seq=7").header("idempotency-key", "k");
    Answer::of(delete).await.refused(422, "idempotency_mismatch");
    assert_eq!(bridge.get("/v1/workspaces/w/tasks/t").await.is(200)["content"]["title"], "a");
    put(&bridge, &"k".repeat(1_025), &body(8, "c")).await.refused(422, "invalid_idempotency_key");
}

#[tokio::test]
async fn a_repeated_batch_is_harmless() {
    let bridge = BridgeFixture::start().await;
    let items: Vec<Value> = (1..50).map(|seq| task(&format!("t{seq}"), seq, "x")).collect();
    assert_eq!(bridge.write(&items).await, vec!["created"; 49]);
    assert_eq!(bridge.write(&items).await, vec!["unchanged"; 49]);
    assert_eq!(bridge.position().await, 49);
}

#[tokio::test]
async fn equal_requests_at_the_same_time_are_carried_out_once() {
    let bridge = BridgeFixture::start().await;
    let requests = (0..8).map(|_| {
        let request = bridge.request(Method::PUT, "/v1/workspaces/w/tasks/t").header("idempotency-key", "k").json(&body(5, "a"));
        tokio::spawn(Answer::of(request))
    });
    for answer in futures::future::join_all(requests).await {
        assert_eq!(answer.unwrap().status, 201);
    }
    assert_eq!(bridge.position().await, 1);
}

#[tokio::test]
async fn answers_are_forgotten_after_their_time() {
    let mut config = config(&database().await);
    config["limits"]["idempotency_kept"] = "50ms".into();
    config["limits"]["prune_every"] = "20ms".into();
    let bridge = BridgeFixture::start_with(config).await;
    bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
    put(&bridge, "k", &body(5, "a")).await.is(201);
    eventually("the key may be used again", || async { put(&bridge, "k", &body(6, "b")).await.status == 200 }).await;
}
