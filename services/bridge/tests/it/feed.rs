use serde_json::{Value, json};

use crate::support::{BridgeFixture, config, contact, database, eventually, remove, task};

async fn page(bridge: &BridgeFixture, query: &str) -> Value {
    bridge.get(&format!("/v1/workspaces/w/changes?{query}")).await.is(200)
}

#[tokio::test]
async fn the_feed_tells_every_change_once_in_order() {
    let bridge = BridgeFixture::start().await;
    bridge
        .write(&[
            contact("c", 1, "Ann"),
            task("t", 2, "a"),
            task("t", 2, "a"),
            task("t", 1, "stale"),
            task("t", 3, "b"),
            remove("task", "t", 4),
            remove("task", "no", 5),
        ])
        .await;
    let feed = page(&bridge, "").await;
    let listed: Vec<Value> = feed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| json!([c["position"], c["op"], c["kind"], c["key"], c["contact"], c["revision"]["seq"]]))
        .collect();
    let wanted = json!([
        [1, "put", "contact", "c", "c", 1],
        [2, "put", "task", "t", "c", 2],
        [3, "put", "task", "t", "c", 3],
        [4, "remove", "task", "t", "c", 4]
    ]);
    assert_eq!(Value::Array(listed), wanted);
    assert_eq!((&feed["position"], &feed["next_after"]), (&json!(4), &json!(4)));
    assert!(feed["items"][3]["digest"].is_null() && feed["items"][2]["digest"].is_string());
    assert!(feed["items"][0]["changed_at"].as_str().unwrap().ends_with('Z'));
    let rest = page(&bridge, "after=2&limit=1").await;
    assert_eq!((&rest["items"][0]["position"], &rest["next_after"], &rest["position"]), (&json!(3), &json!(3), &json!(4)));
    assert_eq!(page(&bridge, "after=4").await, json!({"items": [], "next_after": 4, "position": 4}));
    bridge.get("/v1/workspaces/w/changes?limit=501").await.refused(422, "invalid_limit");
    bridge.get("/v1/workspaces/w/changes?after=-1").await.refused(400, "invalid_query");
    bridge.get("/v1/workspaces/w/changes?since=1").await.refused(400, "invalid_query");
}

#[tokio::test]
async fn old_positions_are_forgotten_and_asking_for_them_says_so() {
    let mut config = config(&database().await);
    config["limits"]["changes_kept"] = "50ms".into();
    config["limits"]["prune_every"] = "20ms".into();
    let bridge = BridgeFixture::start_with(config).await;
    bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
    bridge.write(&[task("a", 1, "x"), task("b", 2, "x")]).await;
    eventually("the feed is pruned", || async { bridge.get("/v1/workspaces/w/changes?after=1").await.status == 410 }).await;
    let refused = bridge.get("/v1/workspaces/w/changes").await.refused(410, "position_pruned");
    assert!(refused["error"]["message"].as_str().unwrap().contains("position 2"));
    assert_eq!(page(&bridge, "after=2").await["position"], 2);
    assert_eq!(bridge.get("/v1/workspaces/w").await.is(200)["objects"], 2);
}
