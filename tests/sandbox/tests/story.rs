//! The population and the story: believable, complete, and the same for the same seed.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::{collections::BTreeSet, time::Duration};

use sandbox::{
    Settings, Snapshot,
    story::{Deed, News, Step, StorySettings, play},
};
use serde_json::Value;

use crate::common::{Receiver, start};

async fn told(seed: u64) -> (Vec<Step>, Snapshot) {
    let sandbox = start(Settings::default()).await;
    let world = sandbox.world();
    world.populate(1, 60);
    let settings = StorySettings { seed, changes: 120, pace: Duration::ZERO, ..StorySettings::default() };
    let mut heard = 0;
    let steps = play(&world, settings, |step| {
        heard += 1;
        assert_eq!((step.number, step.of), (heard, 120));
    });
    (steps.await.expect("nothing is refused"), world.snapshot())
}

/// Everything but instants, which follow the clock.
fn timeless(snapshot: &Snapshot) -> String {
    fn strip(value: &mut Value) {
        if let Some(fields) = value.as_object_mut() {
            fields.retain(|key, _| !key.starts_with("date") && !key.ends_with("Time") && key != "dueDate");
        }
    }
    let mut snapshot = snapshot.clone();
    for truth in snapshot.contacts.values_mut() {
        strip(&mut truth.contact);
        [&mut truth.tasks, &mut truth.notes, &mut truth.appointments].into_iter().flatten().for_each(strip);
    }
    serde_json::to_string(&snapshot).unwrap_or_default()
}

#[tokio::test]
async fn the_same_seed_tells_the_same_story_and_another_tells_another() {
    let ((steps, world), (same_steps, same_world), (other_steps, _)) = (told(7).await, told(7).await, told(8).await);
    assert_eq!(steps, same_steps);
    assert_eq!(timeless(&world), timeless(&same_world));
    assert_ne!(steps, other_steps);
}

#[tokio::test]
async fn a_story_has_every_kind_of_change_and_news_and_never_loses_a_deletion_of_a_contact() {
    let (steps, _) = told(7).await;
    assert_eq!(steps.iter().map(|step| step.deed).collect::<BTreeSet<_>>().len(), 15);
    assert_eq!(steps.iter().map(|step| step.news).collect::<BTreeSet<_>>().len(), 5);
    assert!(steps.iter().filter(|step| step.deed == Deed::DeleteContact).all(|step| step.news == News::Webhook));
}

#[tokio::test]
async fn what_no_webhook_tells_moves_the_contact_so_that_polling_sees_it() {
    let sandbox = start(Settings::default()).await;
    let world = sandbox.world();
    world.populate(1, 30);
    let settings = StorySettings { changes: 200, lost_share: 0.5, ..StorySettings::default() };
    let mut story = sandbox::story::Story::new(settings);
    loop {
        let before = world.snapshot();
        let Some(step) = story.step(&world) else { break };
        let step = step.unwrap();
        let after = world.snapshot();
        let updated = |snapshot: &Snapshot| snapshot.contacts.get(&step.contact_id).map(|truth| truth.contact["dateUpdated"].to_string());
        if matches!(step.news, News::Lost | News::Silent) {
            assert!(updated(&after) > updated(&before), "{step:?}");
        }
    }
}

#[tokio::test]
async fn webhooks_of_a_story_reach_their_receiver() {
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let sandbox = start(Settings { webhook_url: Some(url), ..Settings::default() }).await;
    let world = sandbox.world();
    world.populate(1, 20);
    let settings = StorySettings { changes: 60, pace: Duration::ZERO, delay: Duration::from_millis(20), ..StorySettings::default() };
    play(&world, settings, |_| ()).await.unwrap();
    world.webhooks_settled().await;
    let stats = world.stats().webhooks;
    assert_eq!(receiver.got().len() as u64, stats.delivered);
    assert!(stats.lost > 0 && stats.delivered > 20);
}

#[tokio::test]
async fn the_population_has_all_that_is_hard_about_people() {
    let sandbox = start(Settings::default()).await;
    let world = sandbox.world();
    world.populate(1, 300);
    let snapshot = world.snapshot();
    let [contacts, tasks, notes, appointments] = snapshot.counts();
    assert!(contacts == 300 && tasks > 300 && notes > 300 && appointments > 150, "{:?}", snapshot.counts());
    let text = serde_json::to_string(&snapshot).unwrap();
    for part in ["محمد", "太郎", "🌈", "Müller", "<ul>", "cancelled", "noshow", "showed", "confirmed", "dndSettings"] {
        assert!(text.contains(part), "{part} is missing");
    }
    let rows = |pick: fn(&sandbox::ContactTruth) -> &Vec<Value>| snapshot.contacts.values().flat_map(pick).collect::<Vec<_>>();
    assert!(rows(|truth| &truth.tasks).iter().any(|task| task.get("dueDate").is_none()));
    assert_eq!(rows(|truth| &truth.appointments).iter().map(|row| row["calendarId"].to_string()).collect::<BTreeSet<_>>().len(), 3);
    let values: Vec<&Value> = snapshot
        .contacts
        .values()
        .flat_map(|truth| truth.contact["customFields"].as_array().unwrap())
        .map(|field| &field["value"])
        .collect();
    assert!(values.iter().any(|value| value.is_string()) && values.iter().any(|value| value.is_number()));
    assert!(values.iter().any(|value| value.is_array()) && values.iter().any(|value| value.is_object()));
}
