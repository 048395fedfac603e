//! The client against the real bridge on a real database.

#![cfg(test)]

use std::time::Duration;

use chassis::Shutdown;
use domain::{
    Action, CombinedDigest, ContactContent, ContactId, Content, CustomField, Intent, LocationId, Moment, NoteContent, ObjectKey,
    ObjectKind, Policy, Revision, Rules, TaskContent, Workspace, event_id, object_digest,
};
use embedded::{Postgres, PostgresSettings, free_port, scratch};
use futures::TryStreamExt;
use pagico::{Bridge, DigestOf, Error, Leaving, Object, Settings};

const KEY: &str = "write-key-of-the-tests";

struct Stage {
    _postgres: Postgres,
    bridge: Bridge,
    stop: Shutdown,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Stage {
    async fn set(name: &str) -> Self {
        let postgres = Postgres::start(PostgresSettings { data: scratch(name), ..PostgresSettings::default() }).await.unwrap();
        postgres.create_database("bridge").await.unwrap();
        let port = || format!("127.0.0.1:{}", free_port().unwrap());
        let file = scratch(name).with_extension("toml");
        let (http, grpc) = (port(), port());
        let url = postgres.url("bridge");
        let config = format!(
            "bootstrap_key = \"{KEY}\"\ndatabase.url = \"{url}\"\nserver = {{ http = \"{http}\", ops = \"{http}\", grpc = \"{grpc}\", token = \"token\" }}"
        );
        std::fs::write(&file, config).unwrap();
        let stop = Shutdown::new();
        tokio::spawn(bridge::run(chassis::load(Some(&file)).unwrap(), stop.clone()));
        let settings = Settings { page_items: 2_u32.try_into().unwrap(), ..settings(&format!("http://{http}"), KEY) };
        Self { _postgres: postgres, bridge: Bridge::new(settings).unwrap(), stop }
    }

    async fn ready(&self, workspace: &Workspace) {
        for _ in 0..600 {
            if self.bridge.create(workspace).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("waited too long until the bridge is ready");
    }
}

fn settings(url: &str, key: &str) -> Settings {
    let text = format!("url = \"{url}\"\nkey = \"{key}\"\nconnect_timeout = \"5s\"\nrequest_timeout = \"20s\"");
    toml::from_str(&text).unwrap()
}

fn put(contact: &str, key: &str, policy: Policy, seq: u64, content: Content) -> Intent {
    let location_id = LocationId::new("loc").unwrap();
    Intent {
        event_id: event_id(&location_id, 1, seq),
        workspace: Workspace::live_of(&location_id),
        edition: 0,
        location_id,
        contact_id: ContactId::new(contact).unwrap(),
        kind: content.kind(),
        object: ObjectKey::from(key.to_owned()),
        revision: Revision { epoch: 1, seq },
        policy,
        rules: Rules::builtin().unwrap().revision().clone(),
        action: Action::Put(Box::new(content)),
    }
}

fn workspace() -> Workspace {
    Workspace::new("a b/../é?*").unwrap()
}

/// Everything that a content can hold, for contacts whose keys sort differently by bytes than by letters.
fn intents() -> Vec<Intent> {
    let mut intents = Vec::new();
    for (n, id) in ["a/b", "B", "é?*", "a"].into_iter().enumerate() {
        let seq = 10 * (n as u64 + 1);
        let custom_fields = vec![CustomField { name: "Größe".to_owned(), value: "a \"b\"\n\u{1}\u{7f}".to_owned(), link: None }];
        let contact = ContactContent {
            name: format!("{id} \\ / \u{2028} 🙂"),
            do_not_disturb: Some(n % 2 == 0),
            tags: vec!["z".to_owned(), "a".to_owned()],
            custom_fields,
            ..ContactContent::default()
        };
        intents.push(put(id, &format!("ghl:contact/{id}"), Policy::Mirror, seq, Content::Contact(contact)));
        let container = Some(ObjectKey::from(format!("ghl:contact/{id}")));
        let due = Some(Moment::read(["2026-01-02T03:04:05.678Z", "tomorrow 3pm", "2026-01-02T03:04:05+05:30"][n % 3]));
        let task = TaskContent { title: "t".to_owned(), container: container.clone(), due, done: n == 1, ..TaskContent::default() };
        intents.push(put(id, &format!("ghl:task/{id}"), Policy::Mirror, seq + 1, Content::Task(task.clone())));
        let note = NoteContent { title: "n".to_owned(), body: String::new(), container, ..NoteContent::default() };
        intents.push(put(id, &format!("ghl:note/{id}"), Policy::Mirror, seq + 2, Content::Note(note)));
        intents.push(put(id, &format!("rule:onboarding/{id}"), Policy::Once, seq + 3, Content::Task(task)));
    }
    intents
}

async fn write(bridge: &Bridge, intents: &[Intent]) -> Vec<String> {
    let items: Vec<Vec<u8>> = intents.iter().map(|intent| pagico::item(intent, None).unwrap()).collect();
    let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
    bridge.write(&workspace(), &items).await.unwrap().into_iter().map(|answer| answer.outcome).collect()
}

fn content(intent: &Intent) -> &Content {
    match &intent.action {
        Action::Put(content) => content,
        Action::Remove => panic!("{} is removed", intent.object),
    }
}

#[tokio::test]
async fn what_was_written_is_read_back_and_both_sides_compute_the_same_digests() {
    let stage = Stage::set("pagico-reads").await;
    let bridge = &stage.bridge;
    stage.ready(&Workspace::new("other").unwrap()).await;
    assert_eq!(bridge.head(&workspace()).await, Err(Error::WorkspaceUnknown));
    assert_eq!(bridge.objects(&workspace(), None).try_collect::<Vec<Object>>().await, Err(Error::WorkspaceUnknown));
    bridge.create(&workspace()).await.unwrap();
    let mut intents = intents();
    assert!(write(bridge, &intents).await.iter().all(|outcome| outcome == "created"));

    let key = |intent: &Intent| (ObjectKey::of_contact(&intent.contact_id), intent.object.clone());
    intents.sort_by_key(key);
    let objects: Vec<Object> = bridge.objects(&workspace(), None).try_collect().await.unwrap();
    assert_eq!(objects.len(), intents.len(), "pages of two, all of them");
    let mut root = CombinedDigest::default();
    let mut contacts: Vec<(ObjectKey, CombinedDigest)> = Vec::new();
    for (object, intent) in objects.iter().zip(&intents) {
        let contact = ObjectKey::of_contact(&intent.contact_id);
        assert_eq!((&object.key, object.contact.as_ref(), object.kind), (&intent.object, Some(&contact), intent.kind));
        assert_eq!((object.revision, object.policy), (intent.revision, intent.policy));
        assert_eq!(object.content, content(intent).to_json().unwrap());
        let digest = object_digest(&intent.object, &contact, content(intent)).unwrap();
        assert_eq!(object.digest, digest, "{}", intent.object);
        assert_eq!(bridge.object(&workspace(), intent.kind, &intent.object).await.unwrap().as_ref(), Some(object));
        if contacts.last().is_none_or(|(last, _)| *last != contact) {
            contacts.push((contact, CombinedDigest::default()));
        }
        if intent.policy == Policy::Mirror {
            contacts.last_mut().unwrap().1.add(&digest);
        }
    }
    for (contact, whole) in contacts {
        let theirs = bridge.contact_digest(&workspace(), &contact).await.unwrap();
        assert_eq!(theirs.objects, whole.count());
        let digest = whole.digest();
        assert_eq!(theirs.digest, digest, "{contact}");
        root.add(&digest);
    }
    let theirs = bridge.root(&workspace()).await.unwrap();
    assert_eq!((theirs.contacts, theirs.objects), (root.count(), 12));
    assert_eq!(theirs.root, root.digest());
    assert_eq!(bridge.head(&workspace()).await.unwrap().root, theirs.root);

    let one = ObjectKey::from("ghl:contact/é?*".to_owned());
    let of_one: Vec<Object> = bridge.objects(&workspace(), Some(&one)).try_collect().await.unwrap();
    assert_eq!(
        of_one.iter().map(|object| object.key.to_string()).collect::<Vec<_>>(),
        ["ghl:contact/é?*", "ghl:note/é?*", "ghl:task/é?*", "rule:onboarding/é?*"]
    );
    let nobody = ObjectKey::from("ghl:contact/nobody".to_owned());
    assert_eq!(bridge.object(&workspace(), ObjectKind::Contact, &nobody).await, Ok(None));
    assert_eq!(bridge.object(&workspace(), ObjectKind::Note, &one).await, Ok(None), "of that kind there is none");
}

#[tokio::test]
async fn workspaces_are_pointed_at_erased_from_and_retired() {
    let stage = Stage::set("pagico-generations").await;
    let bridge = &stage.bridge;
    stage.ready(&workspace()).await;
    write(bridge, &intents()).await;
    let digests: Vec<DigestOf> = bridge.digests(&workspace()).try_collect().await.unwrap();
    let names: Vec<&str> = digests.iter().map(|of| of.contact.as_str()).collect();
    assert_eq!(names, ["ghl:contact/B", "ghl:contact/a", "ghl:contact/a/b", "ghl:contact/é?*"]);
    assert_eq!(bridge.contact_digest(&workspace(), &digests[3].contact).await.unwrap(), digests[3].digest);

    let by_alias = Workspace::new("@live/1").unwrap();
    assert!(matches!(bridge.head(&by_alias).await, Err(Error::Refused { status: 404, .. })));
    bridge.point_alias("live/1", &workspace()).await.unwrap();
    assert_eq!(bridge.head(&by_alias).await.unwrap(), bridge.head(&workspace()).await.unwrap(), "it is read by its alias");
    assert_eq!(bridge.retire(&workspace()).await, Err(Error::Aliased));
    bridge.remove_alias("live/1").await.unwrap();

    let (gone, revision) = (&digests[3].contact, Revision { epoch: 1, seq: 100 });
    assert_eq!(bridge.erase(&workspace(), gone, revision).await, Ok(4));
    assert_eq!(bridge.contact_digest(&workspace(), gone).await.unwrap().objects, 0);
    let task = ObjectKey::from("ghl:task/a".to_owned());
    let low = Revision { epoch: 1, seq: 1 };
    let newer = bridge.newer(&workspace(), &[(&task, low)]).await.unwrap();
    assert_eq!(newer.iter().map(|aged| &aged.key).collect::<Vec<_>>(), [&task]);
    assert_eq!(bridge.outdate(&workspace(), &[(&task, low, low)]).await, Ok(0), "it is stored as another");
    assert_eq!(bridge.outdate(&workspace(), &[(&task, low, newer[0].revision)]).await, Ok(1));
    let object = bridge.object(&workspace(), ObjectKind::Task, &task).await.unwrap().unwrap();
    assert_eq!(object.revision, Revision { epoch: 0, seq: 0 });

    assert_eq!(bridge.retire(&workspace()).await, Ok(Leaving::Gone));
    assert_eq!(bridge.retire(&workspace()).await, Err(Error::WorkspaceUnknown));
    assert_eq!(bridge.point_alias("live/1", &workspace()).await, Err(Error::WorkspaceUnknown));
}

#[tokio::test]
async fn a_workspace_remembers_what_was_removed_and_nothing_of_what_was_lost() {
    let stage = Stage::set("pagico-remembers").await;
    let bridge = &stage.bridge;
    stage.ready(&Workspace::new("other").unwrap()).await;
    let intents = intents();
    let keys: Vec<&ObjectKey> = intents.iter().map(|intent| &intent.object).collect();
    assert_eq!(bridge.remembered(&workspace(), &keys).await, Err(Error::WorkspaceUnknown));
    bridge.create(&workspace()).await.unwrap();
    assert!(bridge.remembered(&workspace(), &keys).await.unwrap().is_empty());
    write(bridge, &intents[..3]).await;
    let gone = Intent { action: Action::Remove, revision: Revision { epoch: 1, seq: 1_000 }, ..intents[1].clone() };
    assert_eq!(write(bridge, &[gone]).await, ["removed"]);
    let remembered = bridge.remembered(&workspace(), &keys).await.unwrap();
    assert_eq!(remembered, intents[..3].iter().map(|intent| intent.object.clone()).collect());
    assert_eq!(bridge.retire(&workspace()).await, Ok(Leaving::Gone));
    assert_eq!(bridge.remembered(&workspace(), &keys).await, Err(Error::WorkspaceUnknown));
}

#[tokio::test]
async fn a_key_that_is_not_one_is_told_from_a_bridge_that_is_away() {
    let stage = Stage::set("pagico-keys").await;
    stage.ready(&workspace()).await;
    let stranger = Bridge::new(settings(stage.bridge.settings().url.as_str(), "a key of somebody else")).unwrap();
    assert_eq!(stranger.root(&workspace()).await, Err(Error::Unauthorized { status: 401 }));
    let nobody = Bridge::new(settings(&format!("http://127.0.0.1:{}", free_port().unwrap()), KEY)).unwrap();
    assert_eq!(nobody.root(&workspace()).await, Err(Error::Unavailable { status: None, retry_after: None }));
    assert!(matches!(Bridge::new(settings("http://127.0.0.1", "two\\nlines")), Err(Error::Misconfigured(_))));
}
