//! Workspaces that come and go beside each other, names that stay, and people who are forgotten.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, BridgeFixture, READ_KEY, config, contact, database, encoded, eventually, object, once, remove, task};

async fn post(bridge: &BridgeFixture, path: &str, body: &Value) -> Answer {
    Answer::of(bridge.request(reqwest::Method::POST, path).json(body)).await
}

async fn write_into(bridge: &BridgeFixture, workspace: &str, items: &[Value]) {
    post(bridge, &format!("/v1/workspaces/{workspace}/batch"), &json!({ "items": items })).await.is(200);
}

#[tokio::test]
async fn a_retired_workspace_is_gone_and_one_of_the_same_name_is_another() {
    let bridge = BridgeFixture::start().await;
    bridge.write(&[contact("c", 1, "Ann"), task("t", 2, "x")]).await;
    let root = bridge.root().await;
    assert_eq!(bridge.delete("/v1/workspaces/w").await.is(200), json!({"workspace": "w", "gone": true}));
    for path in ["", "/digest", "/digests", "/changes", "/objects", "/tasks", "/tasks/t", "/contacts/c/digest"] {
        bridge.get(&format!("/v1/workspaces/w{path}")).await.refused(404, "workspace_unknown");
    }
    bridge.delete("/v1/workspaces/w").await.refused(404, "workspace_unknown");
    bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
    assert_eq!(bridge.position().await, 0);
    assert_eq!(bridge.write(&[contact("c", 1, "Ann")]).await, ["created"], "no tombstone is left");
    assert_ne!(bridge.root().await, root, "nothing is remembered of the one before");
}

#[tokio::test]
async fn a_large_workspace_disappears_at_once_and_its_rows_go_in_batches() {
    let mut config = config(&database().await);
    config["limits"]["retire_rows_max"] = 7.into();
    config["limits"]["retire_every"] = "20ms".into();
    let bridge = BridgeFixture::start_with(config).await;
    bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
    bridge.put("/v1/workspaces/other", &json!({})).await.is(201);
    write_into(&bridge, "other", &[task("t", 1, "x")]).await;
    bridge.write(&(0..100).map(|n| task(&format!("t{n}"), 1, "x")).collect::<Vec<_>>()).await;
    assert_eq!(bridge.delete("/v1/workspaces/w").await.is(202)["gone"], false);
    bridge.get("/v1/workspaces/w/tasks/t1").await.refused(404, "workspace_unknown");
    bridge.batch(&[task("t1", 2, "x")]).await.refused(404, "workspace_unknown");
    let again = bridge.put("/v1/workspaces/w", &json!({})).await;
    assert!(again.status == 201 || again.headers.contains_key("retry-after"), "{again:?}");
    eventually("it can be created anew", || async { bridge.put("/v1/workspaces/w", &json!({})).await.status < 300 }).await;
    assert_eq!(bridge.get("/v1/workspaces/w").await.is(200)["objects"], 0);
    assert_eq!(bridge.get("/v1/workspaces/other").await.is(200)["objects"], 1);
}

#[tokio::test]
async fn an_alias_switches_readers_in_one_step_and_protects_what_it_points_at() {
    let bridge = BridgeFixture::start().await;
    bridge.put("/v1/workspaces/w2", &json!({})).await.is(201);
    bridge.write(&[contact("c", 1, "Ann of the first")]).await;
    write_into(&bridge, "w2", &[contact("c", 1, "Ann of the second"), task("t", 2, "x")]).await;
    bridge.put("/v1/aliases/office", &json!({"workspace": "none"})).await.refused(404, "workspace_unknown");
    bridge.get("/v1/aliases/office").await.refused(404, "alias_unknown");
    bridge.get("/v1/workspaces/@office/contacts").await.refused(404, "alias_unknown");

    let name = async || bridge.get("/v1/workspaces/@office/contacts/c").await.is(200)["content"]["name"].clone();
    bridge.put("/v1/aliases/office", &json!({"workspace": "w"})).await.is(200);
    assert_eq!(name().await, "Ann of the first");
    assert_eq!(bridge.put("/v1/aliases/office", &json!({"workspace": "w2"})).await.is(200), json!({"alias": "office", "workspace": "w2"}));
    assert_eq!(name().await, "Ann of the second");
    assert_eq!(bridge.get("/v1/workspaces/@office/tasks").await.is(200)["items"][0]["key"], "t");
    assert_eq!(bridge.get("/v1/workspaces/@office").await.is(200)["workspace"], "w2");
    assert_eq!(bridge.get("/v1/aliases").await.is(200)["items"], json!([{"alias": "office", "workspace": "w2"}]));

    bridge.delete("/v1/workspaces/w2").await.refused(409, "aliased");
    bridge.put("/v1/workspaces/@office", &json!({})).await.refused(422, "invalid_workspace");
    bridge.put("/v1/aliases/@x", &json!({"workspace": "w"})).await.refused(422, "invalid_workspace");
    bridge.put("/v1/aliases/x", &json!({"workspaces": "w"})).await.refused(400, "invalid_body");
    bridge.delete("/v1/workspaces/w").await.is(200);
    bridge.delete("/v1/aliases/office").await.is(204);
    bridge.delete("/v1/workspaces/w2").await.is(200);
}

#[tokio::test]
async fn the_page_of_an_alias_shows_what_it_points_at_and_gets_a_signal_of_a_switch() {
    let database = database().await;
    let (bridge, other) = (BridgeFixture::start_with(config(&database)).await, BridgeFixture::start_with(config(&database)).await);
    for (workspace, name) in [("w", "Ann of the first"), ("w2", "Ann of the second")] {
        bridge.put(&format!("/v1/workspaces/{workspace}"), &json!({})).await.is(201);
        write_into(&bridge, workspace, &[contact("c", 1, name)]).await;
    }
    // An alias may have the name of a workspace: the alias comes first, and the workspace is found as `=name`.
    bridge.put("/v1/aliases/w", &json!({"workspace": "w"})).await.is(200);
    let follow = async |bridge: &BridgeFixture| {
        bridge.client.get(format!("{}/w/w/events?after=1&of=w", bridge.url)).bearer_auth(READ_KEY).send().await.unwrap()
    };
    let (mut here, mut there) = (follow(&bridge).await, follow(&other).await);
    bridge.put("/v1/aliases/w", &json!({"workspace": "w2"})).await.is(200);
    for stream in [&mut here, &mut there] {
        let signal = tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await.expect("a signal").unwrap().unwrap();
        assert!(String::from_utf8_lossy(&signal).contains("event: switched"));
    }
    // A reader that was away meanwhile gets the signal when it comes back.
    let signal = tokio::time::timeout(Duration::from_secs(10), follow(&bridge).await.chunk()).await.expect("a signal").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&signal).contains("event: switched"));
    for (path, name) in [("/w/w", "second"), ("/w/@w", "second"), ("/w/=w", "first"), ("/w/w2", "second")] {
        assert!(bridge.page(path).await.contains(&format!("Ann of the {name}")), "{path}");
    }
    let all = bridge.page("/w").await;
    assert!(all.contains("&#x2f;w&#x2f;=w") && all.contains("shows <bdi>w2"), "{all}");
}

#[tokio::test]
async fn digests_are_listed_for_every_contact_with_mirrored_objects() {
    let bridge = BridgeFixture::start().await;
    let contacts = ["ghl:contact/B", "ghl:contact/a", "ghl:contact/é"];
    for key in contacts {
        let of = |kind: &str, id: &str| object(kind, &format!("{id}{key}"), key, 1, &json!({"title": "t"}));
        bridge.write(&[contact(key, 1, "n"), of("task", "1"), of("note", "2"), once(of("task", "3"))]).await;
    }
    bridge.write(&[once(object("task", "only", "ghl:contact/b", 1, &json!({"title": "t"})))]).await;
    let mut found: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = bridge.get(&format!("/v1/workspaces/w/digests?limit=2&cursor={cursor}")).await.is(200);
        found.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(found.iter().map(|item| item["contact"].as_str().unwrap()).collect::<Vec<_>>(), contacts);
    for item in &found {
        let one = bridge.get(&format!("/v1/workspaces/w/contacts/{}/digest", encoded(item["contact"].as_str().unwrap()))).await.is(200);
        assert_eq!((&one["digest"], &one["objects"]), (&item["digest"], &json!(3)));
    }
    use sha2::Digest as _;
    let digests: Vec<u8> = found.iter().flat_map(|item| hex::decode(item["digest"].as_str().unwrap()).unwrap()).collect();
    assert_eq!(hex::encode(sha2::Sha256::digest(digests)), bridge.root().await, "the root is that of the list");
}

#[tokio::test]
async fn an_erased_contact_leaves_tombstones_without_content_and_does_not_come_back() {
    let database = database().await;
    let bridge = BridgeFixture::start_with(config(&database)).await;
    bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
    let note = |key: &str, about: &str, seq: u64| object("note", key, about, seq, &json!({"title": "SECRET", "body": "SECRET"}));
    bridge
        .write(&[
            contact("ann", 1, "SECRET"),
            note("n", "ann", 2),
            once(note("mine", "ann", 3)),
            remove("note", "n", 4),
            note("n", "ann", 5),
        ])
        .await;
    bridge.write(&[contact("bob", 6, "Bob"), object("note", "n of bob", "bob", 7, &json!({"title": "t"}))]).await;
    let body = json!({"contact": "ann", "revision": {"epoch": 1, "seq": 8}, "policy": "mirror", "content": {"title": "SECRET"}});
    let once_more = bridge.request(reqwest::Method::PUT, "/v1/workspaces/w/tasks/t").header("idempotency-key", "k").json(&body);
    Answer::of(once_more).await.is(201);
    let before = (bridge.position().await, bridge.get("/v1/workspaces/w/contacts/bob/digest").await.is(200));

    let erasure = json!({"revision": {"epoch": 1, "seq": 20}});
    assert_eq!(post(&bridge, "/v1/workspaces/w/contacts/ann/erase", &erasure).await.is(200), json!({"contact": "ann", "objects": 4}));
    assert_eq!(post(&bridge, "/v1/workspaces/w/contacts/ann/erase", &erasure).await.is(200)["objects"], 0, "repeating is harmless");
    assert_eq!(bridge.get("/v1/workspaces/w").await.is(200)["objects"], 2);
    assert_eq!(bridge.get("/v1/workspaces/w/objects?contact=ann").await.is(200)["items"], json!([]));
    assert_eq!(bridge.get("/v1/workspaces/w/contacts/bob/digest").await.is(200), before.1);
    assert_eq!(bridge.position().await, before.0 + 4);
    let feed = bridge.get("/v1/workspaces/w/changes").await.is(200);
    let positions: Vec<u64> = feed["items"].as_array().unwrap().iter().map(|change| change["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=before.0 + 4).collect::<Vec<_>>(), "the feed has no gap");
    let of_ann = feed["items"].as_array().unwrap().iter().filter(|change| change["contact"] == "ann");
    assert!(of_ann.clone().count() >= 8 && of_ann.clone().all(|change| change["op"] == "remove" && change["digest"].is_null()));

    // Older writes that were still on their way do not bring the person back; newer ones do.
    assert_eq!(bridge.write(&[contact("ann", 19, "SECRET"), note("n", "ann", 9), note("late", "ann", 20)]).await, ["stale"; 3]);
    let dump = dumped(&database).await;
    assert!(!dump.to_lowercase().contains("secret"), "{dump}");
    assert_eq!(bridge.write(&[contact("ann", 21, "A new Ann"), note("late", "ann", 22)]).await, ["created"; 2]);
    post(&bridge, "/v1/workspaces/w/contacts/ann/erase", &json!({})).await.refused(400, "invalid_body");
    post(&bridge, "/v1/workspaces/none/contacts/ann/erase", &erasure).await.refused(404, "workspace_unknown");
}

/// Every row of every table, as text.
async fn dumped(database: &str) -> String {
    let pool = sqlx::PgPool::connect(database).await.unwrap();
    let mut dump = String::new();
    for table in ["workspaces", "objects", "object_counts", "changes", "answers", "aliases"] {
        let rows = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} t")));
        dump += &rows.fetch_all(&pool).await.unwrap().join("\n");
    }
    assert!(dump.contains("Bob"), "something is dumped");
    dump
}

#[tokio::test]
async fn what_was_written_with_a_revision_that_no_source_gave_can_be_written_over() {
    let bridge = BridgeFixture::start().await;
    bridge.write(&[task("t", 900, "by somebody"), task("gone", 1, "x"), remove("task", "gone", 900), task("fine", 5, "x")]).await;
    let age = |key: &str| json!({"key": key, "revision": {"epoch": 1, "seq": 5}});
    assert_eq!(bridge.write(&[task("t", 5, "as it should be"), task("gone", 5, "x")]).await, ["stale", "stale"]);
    let items = json!({"items": [age("t"), age("gone"), age("fine"), age("never seen")]});
    let stored = |key: &str, seq: u64| json!({"key": key, "revision": {"epoch": 1, "seq": seq}});
    let outdate = async |items: &Value| post(&bridge, "/v1/workspaces/w/outdate", items).await.is(200);
    assert_eq!(outdate(&items).await, json!({"outdated": 0, "newer": [stored("gone", 900), stored("t", 900)]}), "asking changes nothing");
    let known = |key: &str, seq: u64| json!({"key": key, "revision": {"epoch": 1, "seq": 5}, "stored": {"epoch": 1, "seq": seq}});
    bridge.write(&[task("moved", 950, "written since")]).await;
    let exactly = json!({"items": [known("t", 900), known("gone", 900), known("moved", 900), known("fine", 5)]});
    assert_eq!(outdate(&exactly).await, json!({"outdated": 2, "newer": [stored("moved", 950)]}), "what was written since stays");
    assert_eq!(bridge.get("/v1/workspaces/w/tasks/t").await.is(200)["content"]["title"], "by somebody");
    assert_eq!(
        bridge.write(&[task("t", 5, "as it should be"), task("gone", 5, "x"), task("fine", 4, "y")]).await,
        ["updated", "created", "stale"]
    );
    post(&bridge, "/v1/workspaces/none/outdate", &items).await.refused(404, "workspace_unknown");
}
