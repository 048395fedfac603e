use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{BridgeFixture, remove, task};

/// Numbers that look random and are the same every time.
fn shuffled(count: usize, mut seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(i, usize::try_from(seed >> 33).unwrap() % (i + 1));
    }
    order
}

/// What a log would cause: each revision has one object and one content.
fn history() -> Vec<Value> {
    (1..=240u64)
        .map(|seq| {
            let key = format!("t{}", seq % 24);
            if seq % 7 == 0 { remove("task", &key, seq) } else { task(&key, seq, &format!("title {}", seq / 2)) }
        })
        .collect()
}

async fn written_by(writers: usize, seed: u64) -> (String, Vec<Value>, BridgeFixture) {
    let bridge = BridgeFixture::start().await;
    let history = history();
    let writers = (0..writers).map(|writer| {
        // Every writer delivers everything, in an order of its own, in batches of its own size.
        let items: Vec<Value> = shuffled(history.len(), seed + writer as u64).into_iter().map(|i| history[i].clone()).collect();
        let requests: Vec<_> = items
            .chunks(5 + 12 * writer)
            .map(|chunk| bridge.request(reqwest::Method::POST, "/v1/workspaces/w/batch").json(&json!({ "items": chunk })))
            .collect();
        tokio::spawn(async move {
            for request in requests {
                assert_eq!(request.send().await.unwrap().status(), 200);
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    let tasks = bridge.get("/v1/workspaces/w/tasks?limit=500").await.is(200);
    let tasks: Vec<Value> =
        tasks["items"].as_array().unwrap().iter().map(|task| json!([task["key"], task["content"], task["revision"]])).collect();
    assert_eq!(bridge.get("/v1/workspaces/w").await.is(200)["objects"], tasks.len(), "the count is exact");
    (bridge.root().await, tasks, bridge)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_in_any_order_end_in_the_same_workspace() {
    let (root, tasks, _) = written_by(1, 1).await;
    assert!(!tasks.is_empty());
    for seed in [7, 77] {
        let (other_root, other_tasks, _) = written_by(4, seed).await;
        assert_eq!(tasks, other_tasks);
        assert_eq!(root, other_root);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_have_no_gaps_under_concurrent_writers_and_readers_miss_none() {
    let bridge = BridgeFixture::start().await;
    let total = 300u64;
    // A reader that follows the feed while it grows.
    let follow = {
        let base = bridge.url.clone();
        let http = bridge.client.clone();
        tokio::spawn(async move {
            let mut seen: Vec<u64> = Vec::new();
            while (seen.len() as u64) < total {
                let after = seen.last().copied().unwrap_or_default();
                let url = format!("{base}/v1/workspaces/w/changes?after={after}&limit=7");
                let page: Value = http.get(url).bearer_auth(crate::support::READ_KEY).send().await.unwrap().json().await.unwrap();
                seen.extend(page["items"].as_array().unwrap().iter().map(|change| change["position"].as_u64().unwrap()));
            }
            seen
        })
    };
    let writers = (0..6u64).map(|writer| {
        let requests: Vec<_> = (0..50u64)
            .map(|i| {
                let item = task(&format!("w{writer}/{i}"), 1 + i, "x");
                bridge.request(reqwest::Method::POST, "/v1/workspaces/w/batch").json(&json!({"items": [item]}))
            })
            .collect();
        tokio::spawn(async move {
            for request in requests {
                assert_eq!(request.send().await.unwrap().status(), 200);
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    let seen = tokio::time::timeout(std::time::Duration::from_secs(20), follow).await.expect("the feed is complete").unwrap();
    assert_eq!(seen, (1..=total).collect::<Vec<u64>>());
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len() as u64, bridge.position().await);
}
