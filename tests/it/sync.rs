//! What happens in GHL is seen in the workspace.

use std::time::Duration;

use sandbox::Webhook::{Delayed, Lost, Repeated, Sent};
use sandbox::story::{Story, StorySettings};
use serde_json::json;
use tests::system::{System, SystemSettings};
use tests::wait::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_appears_and_starts_nothing() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("backfill").contacts(60)).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let held = system.workspace().await?;
    assert_eq!(held.iter().filter(|object| object.kind == "project").count(), 0, "a backfill starts no onboarding");
    assert!(system.log.parked().list(None, None, 10).await?.is_empty());
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_follow_whether_their_webhook_arrives_or_not() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("changes")).await?;
    system.in_sync().await?;
    let world = system.world();
    let contacts = world.contact_ids();
    let [a, b, c, d, ..] = contacts.as_slice() else { anyhow::bail!("too few contacts") };
    world.update_contact(a, &json!({"firstName": "سلمى", "lastName": "🙂 O'Neil; --"}), Sent)?;
    world.update_contact(b, &json!({"email": "new@example.com"}), Lost)?;
    world.add_tags(c, &["vip", "two words"], Repeated(3))?;
    world.create_note(c, &json!({"body": "<p>Called <b>twice</b></p>"}), Sent)?;
    let task = world.create_task(d, &json!({"title": "Without a due date", "completed": false}), Sent)?;
    world.complete_task(d, &task, true, Delayed(Duration::from_millis(300)))?;
    world.delete_contact(contacts.last().map_or("", String::as_str), Sent)?;
    system.in_sync().await?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_contact_starts_its_onboarding_once() -> anyhow::Result<()> {
    let mut system = System::start(SystemSettings::new("onboarding").contacts(2)).await?;
    system.in_sync().await?;
    let id = system.world().create_contact(&json!({"firstName": "Nadia", "email": "nadia@example.com"}), Repeated(3))?;
    system.in_sync().await?;
    let started = |held: Vec<standalone::compare::Object>| {
        let mut keys: Vec<_> =
            held.into_iter().filter(|object| object.key.starts_with("rule:")).map(|object| (object.kind, object.key)).collect();
        keys.sort();
        keys
    };
    let first = eventually("the onboarding", async || {
        let first = started(system.workspace().await.map_err(|error| error.to_string())?);
        if first.len() == 5 { Ok(first) } else { Err(format!("{} objects", first.len())) }
    })
    .await?;
    let kinds: Vec<&str> = first.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["note", "project", "task", "task", "task"]);

    // Everything is carried once more: the transport is emptied, and every location is looked at again.
    system.kill_nats().await;
    system.revive_nats(true).await?;
    system.world().update_contact(&id, &json!({"lastName": "Haddad"}), Sent)?;
    system.in_sync().await?;
    system.quiet().await?;
    assert_eq!(started(system.workspace().await?), first, "nothing is started twice");
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lived_story_ends_in_the_same_workspace() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("story").contacts(40)).await?;
    let settings = StorySettings { seed: 11, changes: 150, pace: Duration::ZERO, ..StorySettings::default() };
    let mut story = Story::new(settings);
    while let Some(step) = story.step(&system.world()) {
        step?;
        tokio::task::yield_now().await;
    }
    system.world().webhooks_settled().await;
    system.in_sync().await?;
    system.quiet().await?;
    for location in system.log.locations().list().await? {
        system.log.chain().verify(&location.location_id, &eventlog::Verification::default(), |_, _| ()).await?;
    }
    assert!(system.log.parked().list(None, None, 10).await?.is_empty());
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn large_and_strange_content_arrives_whole() -> anyhow::Result<()> {
    let settings = SystemSettings::new("large").contacts(1).sandbox(|sandbox| sandbox.search.page_answer_max = Some(1));
    let system = System::start(settings).await?;
    system.in_sync().await?;
    let world = system.world();
    let id = world.create_contact(&json!({"name": "Zoë 🙂 שלום", "companyName": "<script>alert(1)</script>"}), Lost)?;
    for number in 0..5_000 {
        world.create_note(&id, &json!({"body": format!("note {number}")}), Lost)?;
    }
    world.create_note(&id, &json!({"body": format!("<p>{}</p>", "long ".repeat(20_480))}), Lost)?;
    world.touch_contact(&id, Sent)?;
    system.in_sync().await?;
    system.stop().await
}
