use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{BridgeFixture, config, database, encoded, object, once, remove, task};

async fn listed(bridge: &BridgeFixture, path: &str) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let more = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = bridge.get(&format!("{path}{more}")).await.is(200);
        keys.extend(page["items"].as_array().unwrap().iter().map(|object| object["key"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return keys,
        }
    }
}

#[tokio::test]
async fn following_the_cursor_lists_everything_once() {
    let bridge = BridgeFixture::start().await;
    let keys: BTreeSet<String> = (0..137).map(|i| format!("k/{}.{i} \"*>", i * 7 % 10)).collect();
    let items: Vec<Value> = keys.iter().map(|key| task(key, 1, "x")).collect();
    bridge.write(&items).await;
    bridge.write(&[task("gone", 1, "x"), remove("task", "gone", 2), object("note", "note", "c", 1, &json!({"title": "n"}))]).await;
    for limit in [1, 10, 137, 500] {
        let found = listed(&bridge, &format!("/v1/workspaces/w/tasks?limit={limit}")).await;
        assert_eq!(found, keys.iter().cloned().collect::<Vec<_>>(), "limit {limit}");
    }
    assert_eq!(listed(&bridge, "/v1/workspaces/w/notes?limit=1").await, ["note"]);
    assert!(listed(&bridge, "/v1/workspaces/w/projects?limit=1").await.is_empty());
}

#[tokio::test]
async fn a_list_may_be_of_one_contact() {
    let bridge = BridgeFixture::start().await;
    let of = |contact: &str, key: &str| object("task", key, contact, 1, &json!({"title": "t"}));
    bridge.write(&[of("ghl:contact/1", "a"), of("ghl:contact/2", "b"), of("ghl:contact/1", "c")]).await;
    assert_eq!(listed(&bridge, &format!("/v1/workspaces/w/tasks?limit=1&contact={}", encoded("ghl:contact/1"))).await, ["a", "c"]);
}

#[tokio::test]
async fn objects_of_every_kind_are_listed_contact_by_contact() {
    let bridge = BridgeFixture::start().await;
    let contacts = ["ghl:contact/B", "ghl:contact/a", "ghl:contact/b"];
    for contact in contacts {
        let of = |kind: &str, key: &str| object(kind, &format!("{key} of {contact}"), contact, 1, &json!({"title": "t"}));
        bridge.write(&[of("task", "2"), of("note", "1"), crate::support::contact(contact, 1, "n"), once(of("project", "0"))]).await;
    }
    bridge.write(&[remove("task", "2 of ghl:contact/a", 2)]).await;
    let of = |contact: &str, parts: &[&str]| {
        let parts: Vec<String> = parts.iter().map(|key| format!("{key} of {contact}")).collect();
        [parts, vec![contact.to_owned()]].concat()
    };
    let all = [of(contacts[0], &["0", "1", "2"]), of(contacts[1], &["0", "1"]), of(contacts[2], &["0", "1", "2"])].concat();
    for limit in [1, 3, 500] {
        assert_eq!(listed(&bridge, &format!("/v1/workspaces/w/objects?limit={limit}")).await, all, "limit {limit}");
    }
    let one = format!("/v1/workspaces/w/objects?limit=2&contact={}", encoded(contacts[2]));
    assert_eq!(listed(&bridge, &one).await, of(contacts[2], &["0", "1", "2"]));
    bridge.get("/v1/workspaces/nowhere/objects").await.refused(404, "workspace_unknown");
}

#[tokio::test]
async fn a_page_ends_early_when_its_contents_are_large() {
    let mut config = config(&database().await);
    config["limits"]["page_bytes_max"] = 2_048.into();
    let bridge = BridgeFixture::start_with(config).await;
    bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
    let note = |i: usize| object("note", &format!("n{i}"), "c", 1, &json!({"title": "t", "body": "x".repeat(900 * (1 + i % 4))}));
    let items: Vec<Value> = (0..9).map(note).collect();
    bridge.write(&items).await;
    let first = bridge.get("/v1/workspaces/w/notes").await.is(200);
    assert_eq!(first["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed(&bridge, "/v1/workspaces/w/notes?limit=500").await.len(), 9);
}

#[tokio::test]
async fn what_cannot_be_listed_is_refused() {
    let bridge = BridgeFixture::start().await;
    for limit in ["0", "501"] {
        bridge.get(&format!("/v1/workspaces/w/tasks?limit={limit}")).await.refused(422, "invalid_limit");
    }
    bridge.get("/v1/workspaces/w/tasks?cursor=!!").await.refused(422, "invalid_cursor");
    bridge.get("/v1/workspaces/w/tasks?cursor=AA").await.refused(422, "invalid_cursor");
    bridge.get("/v1/workspaces/w/tasks?limit=x").await.refused(400, "invalid_query");
    bridge.get("/v1/workspaces/w/people").await.refused(404, "no_such_path");
    bridge.delete("/v1/workspaces/w/tasks").await.refused(405, "no_such_method");
}

#[tokio::test]
async fn workspaces_are_listed() {
    let bridge = BridgeFixture::start().await;
    for workspace in ["a b/c", "é", "x"] {
        bridge.put(&format!("/v1/workspaces/{}", encoded(workspace)), &json!({})).await.is(201);
    }
    let first = bridge.get("/v1/workspaces?limit=3").await.is(200);
    let next = bridge.get(&format!("/v1/workspaces?cursor={}", first["next_cursor"].as_str().unwrap())).await.is(200);
    let names = |page: &Value| {
        page["items"].as_array().unwrap().iter().map(|one| one["workspace"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(&first), names(&next)), (vec!["a b/c".to_owned(), "w".to_owned(), "x".to_owned()], vec!["é".to_owned()]));
}
