use serde_json::{Value, json};

use crate::support::{BridgeFixture, contact, encoded, object, once, remove, task};

#[tokio::test]
async fn older_revisions_are_stale_and_change_nothing_equal_and_newer_ones_are_written() {
    let bridge = BridgeFixture::start().await;
    let outcomes =
        [("a", 5, "created"), ("b", 4, "stale"), ("a", 5, "unchanged"), ("b", 5, "updated"), ("b", 6, "unchanged"), ("c", 7, "updated")];
    for (title, seq, outcome) in outcomes {
        assert_eq!(bridge.write(&[task("t", seq, title)]).await, [outcome], "{title} {seq}");
    }
    let task = bridge.get("/v1/workspaces/w/tasks/t").await.is(200);
    assert_eq!((&task["content"]["title"], &task["revision"]), (&json!("c"), &json!({"epoch": 1, "seq": 7})));
    assert_eq!(bridge.position().await, 3);
}

#[tokio::test]
async fn a_stale_write_says_what_is_stored() {
    let bridge = BridgeFixture::start().await;
    bridge.write(&[task("t", 9, "new")]).await;
    let body = json!({"contact": "c", "revision": {"epoch": 1, "seq": 3}, "policy": "mirror", "content": {"title": "old"}});
    let answer = bridge.put("/v1/workspaces/w/tasks/t", &body).await.refused(409, "stale");
    assert_eq!((&answer["outcome"], &answer["revision"]), (&json!("stale"), &json!({"epoch": 1, "seq": 9})));
    let mut later = task("t", 1, "after a restore");
    later["revision"]["epoch"] = 2.into();
    assert_eq!(bridge.write(&[later]).await, ["updated"]);
}

#[tokio::test]
async fn a_removal_leaves_a_tombstone_that_keeps_older_writes_away() {
    let bridge = BridgeFixture::start().await;
    assert_eq!(bridge.write(&[task("t", 5, "a"), remove("task", "t", 6)]).await, ["created", "removed"]);
    bridge.get("/v1/workspaces/w/tasks/t").await.refused(404, "not_found");
    assert_eq!(bridge.write(&[task("t", 5, "a"), remove("task", "t", 4), remove("task", "t", 6)]).await, ["stale", "stale", "absent"]);
    assert_eq!(bridge.write(&[remove("task", "never", 7), task("never", 6, "late")]).await, ["absent", "stale"]);
    assert_eq!(bridge.write(&[task("t", 8, "again")]).await, ["created"]);
    bridge.delete("/v1/workspaces/w/tasks/t?epoch=1&seq=7").await.refused(409, "stale");
    assert_eq!(bridge.delete("/v1/workspaces/w/tasks/t?epoch=1&seq=9").await.is(200)["outcome"], "removed");
    assert_eq!(bridge.get("/v1/workspaces/w").await.is(200)["objects"], 0);
}

#[tokio::test]
async fn what_is_written_once_is_left_alone_even_after_it_was_removed() {
    let bridge = BridgeFixture::start().await;
    assert_eq!(bridge.write(&[once(task("t", 5, "mine")), once(task("t", 9, "theirs"))]).await, ["created", "kept"]);
    assert_eq!(bridge.get("/v1/workspaces/w/tasks/t").await.is(200)["content"]["title"], "mine");
    assert_eq!(bridge.write(&[remove("task", "t", 10), once(task("t", 11, "again"))]).await, ["removed", "kept"]);
}

#[tokio::test]
async fn five_hundred_items_are_judged_one_by_one_in_one_transaction() {
    let bridge = BridgeFixture::start().await;
    let before: Vec<Value> = (0..100).map(|i| task(&format!("old/{i}"), 50, "old")).collect();
    bridge.write(&before).await;
    let item = |i: usize| match i % 5 {
        0 => task(&format!("new/{i}"), 60, "new"),
        1 => task(&format!("old/{}", i % 100), 40, "stale"),
        2 => {
            json!({"op": "put", "kind": "task", "key": format!("bad/{i}"), "contact": "c", "revision": {"epoch": 1, "seq": 1}, "policy": "mirror", "content": {"title": 7}})
        }
        3 => remove("task", &format!("gone/{i}"), 60),
        _ => task(&format!("old/{}", i % 100), 61, &format!("newer {i}")),
    };
    let items: Vec<Value> = (0..500).map(item).collect();
    let results = bridge.batch(&items).await.is(200);
    let results = results["results"].as_array().unwrap();
    assert_eq!(results.len(), 500);
    for (i, result) in results.iter().enumerate() {
        let (outcome, status) = [("created", 201), ("stale", 409), ("invalid", 422), ("absent", 200), ("updated", 200)][i % 5];
        assert_eq!(
            (&result["outcome"], &result["status"], &result["key"]),
            (&json!(outcome), &json!(status), &items[i]["key"]),
            "{i}: {result}"
        );
        assert_eq!(result["error"].is_object(), status >= 400, "{result}");
    }
    assert_eq!(results[2]["error"], json!({"code": "invalid_content", "message": "content.title must be text"}));
    assert_eq!(bridge.position().await, 100 + 100 + 100);
    bridge.batch(&vec![task("t", 1, "x"); 501]).await.refused(413, "too_many_items");
}

#[tokio::test]
async fn the_same_object_may_stand_in_a_batch_more_than_once() {
    let bridge = BridgeFixture::start().await;
    let items = [task("t", 1, "a"), task("t", 3, "c"), task("t", 2, "b"), remove("task", "t", 4), task("t", 5, "e")];
    assert_eq!(bridge.write(&items).await, ["created", "updated", "stale", "removed", "created"]);
    assert_eq!(bridge.get("/v1/workspaces/w/tasks/t").await.is(200)["position"], 4);
}

#[tokio::test]
async fn children_may_come_before_their_container() {
    let bridge = BridgeFixture::start().await;
    assert_eq!(bridge.write(&[task("t", 1, "early"), contact("c", 2, "Ann")]).await, ["created", "created"]);
}

#[tokio::test]
async fn a_workspace_is_created_once_and_must_be_there() {
    let bridge = BridgeFixture::start().await;
    let made = bridge.put("/v1/workspaces/w", &json!({})).await.is(200);
    assert_eq!(made, bridge.get("/v1/workspaces/w").await.is(200));
    assert_eq!((&made["workspace"], &made["objects"], &made["position"]), (&json!("w"), &json!(0), &json!(0)));
    for path in ["", "/digest", "/changes", "/tasks", "/tasks/x", "/contacts/x/digest"] {
        bridge.get(&format!("/v1/workspaces/none{path}")).await.refused(404, "workspace_unknown");
    }
    let batch = bridge.request(reqwest::Method::POST, "/v1/workspaces/none/batch").json(&json!({"items": [task("t", 1, "x")]}));
    crate::support::Answer::of(batch).await.refused(404, "workspace_unknown");
}

#[tokio::test]
async fn hostile_keys_are_keys_like_any_other() {
    let bridge = BridgeFixture::start().await;
    let keys = [
        "ghl:task/a/b",
        "a\"b'c",
        "a b",
        "a.b..c",
        "*",
        ">",
        "a*b>c",
        "100%",
        "a?b#c",
        "é🙂",
        "مرحبا",
        "a\\b",
        "';DROP TABLE objects;--",
        "+",
        "%2F",
    ];
    let items: Vec<Value> = keys.iter().map(|key| task(key, 1, key)).collect();
    assert_eq!(bridge.write(&items).await, vec!["created"; keys.len()]);
    for key in keys {
        let path = format!("/v1/workspaces/w/tasks/{}", encoded(key));
        assert_eq!(bridge.get(&path).await.is(200)["key"], *key);
        let body = json!({"contact": key, "revision": {"epoch": 1, "seq": 2}, "policy": "mirror", "content": {"title": "again"}});
        assert_eq!(bridge.put(&path, &body).await.is(200)["outcome"], "updated");
        assert_eq!(
            bridge.get(&format!("/v1/workspaces/w/tasks?contact={}", encoded(key))).await.is(200)["items"].as_array().unwrap().len(),
            1
        );
        assert_eq!(bridge.delete(&format!("{path}?epoch=1&seq=3")).await.is(200)["outcome"], "removed");
    }
    for (key, sentence) in
        [("", "key is empty"), ("a\u{0}b", "key contains a control character"), ("a\nb", "key contains a control character")]
    {
        let mut item = task(key, 1, "x");
        item["idempotency_key"] = Value::Null;
        assert_eq!(bridge.batch(&[item]).await.is(200)["results"][0]["error"]["message"], sentence);
    }
    bridge.get("/v1/workspaces/w/tasks/a%00b").await.refused(422, "invalid_key");
    bridge.get("/v1/workspaces/w/tasks/%ff").await.refused(400, "invalid_path");
    let long = "k".repeat(513);
    bridge.get(&format!("/v1/workspaces/w/tasks/{long}")).await.refused(422, "invalid_key");
}

#[tokio::test]
async fn contents_keep_every_character() {
    let bridge = BridgeFixture::start().await;
    let body = "\u{0}\u{1f}\u{7f} \u{202e}abc\u{202c} 🙂 ' \" \\ </script>\r\n";
    let note = object("note", "n", "c", 1, &json!({"title": body, "body": body}));
    assert_eq!(bridge.write(&[note]).await, ["created"]);
    assert_eq!(bridge.get("/v1/workspaces/w/notes/n").await.is(200)["content"], json!({"title": body, "body": body, "pinned": false}));
    bridge.page("/w/w?open=n").await;
}

#[tokio::test]
async fn what_is_wrong_with_a_single_write_is_said() {
    let bridge = BridgeFixture::start().await;
    let path = "/v1/workspaces/w/tasks/t";
    let good = json!({"contact": "c", "revision": {"epoch": 1, "seq": 1}, "policy": "mirror", "content": {"title": "t"}});
    let cases = [
        ("contact", json!(null), "invalid_item"),
        ("revision", json!({"epoch": 1}), "invalid_item"),
        ("policy", json!("never"), "invalid_item"),
        ("content", json!({"title": ""}), "invalid_content"),
        ("content", json!({"title": "t", "colour": 3}), "invalid_content"),
        ("more", json!(1), "invalid_item"),
    ];
    for (field, value, code) in cases {
        let mut body = good.clone();
        body[field] = value;
        bridge.put(path, &body).await.refused(422, code);
    }
    let send = |body: Vec<u8>| crate::support::Answer::of(bridge.request(reqwest::Method::PUT, path).body(body));
    send(b"{".to_vec()).await.refused(400, "invalid_json");
    send(b"\xff\xfe".to_vec()).await.refused(400, "invalid_json");
    send(vec![b'['; 20_000]).await.refused(400, "invalid_json");
    send(vec![b' '; 8 * 1024 * 1024 + 1]).await.refused(413, "too_large");
    bridge.put(path, &good).await.is(201);
    let note = object("note", "t", "c", 9, &json!({"title": "t"}));
    assert_eq!(bridge.batch(&[note]).await.is(200)["results"][0]["error"]["code"], "other_kind");
    let longest = "ß".repeat(500_000);
    assert_eq!(bridge.write(&[object("note", "long", "c", 1, &json!({"title": "t", "body": longest}))]).await, ["created"]);
    assert_eq!(
        bridge.write(&[object("note", "longer", "c", 1, &json!({"title": "t", "body": longest + "ß".repeat(50_000).as_str()}))]).await,
        ["invalid"]
    );
}

#[tokio::test]
async fn digests_change_with_content_alone() {
    let bridge = BridgeFixture::start().await;
    let empty = bridge.root().await;
    bridge.write(&[contact("c", 1, "Ann"), task("t", 2, "Call")]).await;
    let root = bridge.root().await;
    assert_ne!(root, empty);
    let of_contact = bridge.get("/v1/workspaces/w/contacts/c/digest").await.is(200);
    assert_eq!(of_contact["objects"], 2);
    bridge.write(&[contact("c", 11, "Ann"), task("t", 12, "Call"), once(task("mine", 13, "mine")), remove("task", "none", 14)]).await;
    assert_eq!((bridge.root().await, bridge.get("/v1/workspaces/w").await.is(200)["root"].as_str()), (root.clone(), Some(root.as_str())));
    bridge.write(&[task("t", 15, "Call back")]).await;
    assert_ne!(bridge.root().await, root);
    assert_ne!(bridge.get("/v1/workspaces/w/contacts/c/digest").await.is(200), of_contact);
    bridge.write(&[task("t", 16, "Call")]).await;
    assert_eq!(bridge.root().await, root);
    bridge.write(&[remove("task", "t", 17), remove("contact", "c", 18)]).await;
    assert_eq!(bridge.root().await, empty);
}

#[tokio::test]
async fn digests_can_be_computed_by_anyone_from_what_was_sent() {
    use sha2::{Digest, Sha256};
    let bridge = BridgeFixture::start().await;
    let written = r#"{"contact":"c","content":{"container":"c","done":false,"title":"Call"},"key":"t","kind":"task"}"#;
    let task_digest = Sha256::digest(written);
    let result = bridge.batch(&[task("t", 1, "Call")]).await.is(200);
    assert_eq!(result["results"][0]["digest"], hex::encode(task_digest));
    let contact_digest = Sha256::digest(task_digest);
    assert_eq!(
        bridge.get("/v1/workspaces/w/contacts/c/digest").await.is(200),
        json!({"digest": hex::encode(contact_digest), "objects": 1})
    );
    let root = hex::encode(Sha256::digest(contact_digest));
    assert_eq!(bridge.get("/v1/workspaces/w/digest").await.is(200), json!({"root": root, "contacts": 1, "objects": 1}));
}
