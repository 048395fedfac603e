//! Anything may die between any two steps.

use std::time::Duration;

use sandbox::Webhook::{Lost, Sent};
use sandbox::story::{Story, StorySettings};
use serde_json::json;
use tests::system::{System, SystemSettings};
use tests::wait::eventually;

/// Waits until the backfill has begun and is not yet through.
async fn in_the_middle(system: &System) -> anyhow::Result<()> {
    let location = system.location()?;
    eventually("the backfill is under way", async || {
        let locations = system.log.locations().list().await.map_err(|error| error.to_string())?;
        match locations.iter().find(|known| known.location_id == location).map(|known| known.head) {
            Some(head) if head > 20 => Ok(()),
            head => Err(format!("{head:?}")),
        }
    })
    .await
}

async fn unharmed(system: System) -> anyhow::Result<()> {
    system.in_sync().await?;
    system.quiet().await?;
    for location in system.log.locations().list().await? {
        system.log.chain().verify(&location.location_id, &eventlog::Verification::default(), |_, _| ()).await?;
    }
    // Every change was recorded once: no record appeared twice without having vanished.
    for location in system.log.locations().list().await? {
        let mut present = std::collections::BTreeSet::new();
        let mut after = 0;
        loop {
            let events = system.log.read(&location.location_id, after, 1_000).await?;
            let Some(last) = events.last() else { break };
            after = last.seq;
            for event in events.into_iter().filter(|event| event.record.is_some()) {
                let key = event.record.clone();
                match event.type_name.rsplit('.').next() {
                    Some("appeared" | "returned") => assert!(present.insert(key), "{:?} appeared twice", event.record),
                    Some("vanished") => assert!(present.remove(&key), "{:?} vanished twice", event.record),
                    _ => assert!(present.contains(&key), "{:?} changed without being there", event.record),
                }
            }
        }
    }
    system.stop().await
}

fn slow(name: &str) -> SystemSettings {
    SystemSettings::new(name).contacts(120).sandbox(|sandbox| sandbox.latency = Duration::from_millis(5))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_may_be_killed_again_and_again() -> anyhow::Result<()> {
    let mut system = System::start(slow("killed")).await?;
    in_the_middle(&system).await?;
    let settings = StorySettings { seed: 5, changes: 60, pace: Duration::ZERO, ..StorySettings::default() };
    let mut story = Story::new(settings);
    for service in ["poller", "mapper", "writer", "bridge", "writer", "poller", "mapper", "writer"] {
        for _ in 0..6 {
            story.step(&system.world()).transpose()?;
        }
        system.kill_service(service).await;
        system.start_service(service)?;
    }
    while story.step(&system.world()).transpose()?.is_some() {}
    system.world().webhooks_settled().await;
    unharmed(system).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_may_crash_in_the_middle_of_the_backfill() -> anyhow::Result<()> {
    let mut system = System::start(slow("postgres-crash")).await?;
    in_the_middle(&system).await?;
    system.crash_postgres().await?;
    for id in system.world().contact_ids().iter().take(20) {
        system.world().update_contact(id, &json!({"city": "Oslo"}), Sent)?;
    }
    unharmed(system).await
}

#[tokio::test(flavor = "multi_thread")]
async fn jetstream_may_lose_everything_in_the_middle_of_the_backfill() -> anyhow::Result<()> {
    let mut system = System::start(slow("nats-wiped")).await?;
    in_the_middle(&system).await?;
    for id in system.world().contact_ids().iter().take(20) {
        system.world().update_contact(id, &json!({"city": "Oslo"}), Sent)?;
        system.world().create_note(id, &json!({"body": "written just before the loss"}), Sent)?;
    }
    system.kill_nats().await;
    for id in system.world().contact_ids().iter().rev().take(20) {
        system.world().update_contact(id, &json!({"city": "Bergen"}), Lost)?;
    }
    system.revive_nats(true).await?;
    unharmed(system).await
}
