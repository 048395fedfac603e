//! A year: every kind of change, the same for the same seed, with every version to be asked for afterwards.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet};

use sandbox::{
    RecordKind, Settings, Version, World,
    story::News,
    year::{Deed, Step, Year, YearSettings},
};
use serde_json::{Value, json};

use crate::common::{Client, Receiver, start};

async fn lived(settings: YearSettings) -> (Vec<Step>, World, Year) {
    let sandbox = start(Settings { history: true, ..Settings::default() }).await;
    let world = sandbox.world();
    world.populate(1, 80);
    let mut year = Year::new(&world, settings);
    let steps = year.play(&world).expect("nothing is refused");
    (steps, world, year)
}

#[tokio::test]
async fn the_same_seed_lives_the_same_year_with_every_deed_and_fate() {
    let settings = YearSettings { changes: 3_000, ..YearSettings::default() };
    let ((steps, _, year), (again, ..)) = (lived(settings).await, lived(settings).await);
    assert_eq!(steps.len(), 3_000);
    assert!(steps == again, "the same seed, the same year");
    let deeds: BTreeSet<Deed> = steps.iter().map(|step| step.deed).collect();
    assert_eq!(deeds.len(), 23, "{deeds:?}");
    assert_eq!(steps.iter().map(|step| step.news).collect::<BTreeSet<_>>().len(), 5);
    assert_eq!((steps[0].day, steps[2_999].day), (1, 365));
    assert_eq!(year.counts().values().sum::<usize>(), 3_000);
    let lost = steps.iter().filter(|step| step.news == News::Lost).count();
    assert!((400..700).contains(&lost), "{lost} lost");
    let (other, ..) = lived(YearSettings { seed: 2, ..settings }).await;
    assert!(steps != other);
}

#[tokio::test]
async fn tasks_of_nobody_and_of_several_can_be_left_out() {
    let (steps, world, _) = lived(YearSettings { changes: 1_000, odd_tasks: false, ..YearSettings::default() }).await;
    assert!(steps.iter().all(|step| !matches!(step.deed, Deed::AddLooseTask | Deed::AddSharedTask)));
    assert!(world.loose_task_ids().is_empty());
}

#[tokio::test]
async fn the_last_version_of_every_record_is_what_there_is_and_each_step_is_in_them() {
    let (steps, world, _) = lived(YearSettings { changes: 2_000, ..YearSettings::default() }).await;
    let (versions, truth) = (world.versions(), world.snapshot());
    let mut there = BTreeMap::new();
    let id = |row: &Value| row["id"].as_str().expect("it has an id").to_owned();
    for (contact_id, contact) in truth.contacts {
        there.insert((RecordKind::Contact, contact_id), contact.contact);
        for (kind, rows) in
            [(RecordKind::Task, contact.tasks), (RecordKind::Note, contact.notes), (RecordKind::Appointment, contact.appointments)]
        {
            there.extend(rows.into_iter().map(|row| ((kind, id(&row)), row)));
        }
    }
    there.extend(truth.loose_tasks.into_iter().map(|row| ((RecordKind::Task, id(&row)), row)));
    let alive = |(key, versions): (&(RecordKind, String), &Vec<Version>)| Some((key.clone(), versions.last()?.content.clone()?));
    let last: BTreeMap<_, _> = versions.iter().filter_map(alive).collect();
    assert!(last == there, "{} alive by their versions, {} there", last.len(), there.len());
    for step in steps {
        let versions = versions.get(&(step.kind, step.record_id.clone())).map(Vec::len).unwrap_or_default();
        let least = if matches!(step.deed, Deed::AddContact | Deed::AddTask | Deed::WriteNote | Deed::Book) { 1 } else { 2 };
        assert!(versions >= least || matches!(step.deed, Deed::RecurTask | Deed::AddSharedTask | Deed::AddLooseTask), "{step:?}");
    }
}

#[tokio::test]
async fn what_a_step_says_of_its_webhook_is_what_the_receiver_saw() {
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let sandbox = start(Settings { webhook_url: Some(url), ..Settings::default() }).await;
    let world = sandbox.world();
    world.populate(1, 40);
    let late = std::time::Duration::from_millis(50);
    let mut year = Year::new(&world, YearSettings { changes: 400, late, ..YearSettings::default() });
    let steps = year.play(&world).expect("nothing is refused");
    world.webhooks_settled().await;
    let came = |step: &Step| {
        let about = |body: &Value| [&body["id"], &body["appointment"]["id"]].into_iter().any(|id| *id == json!(step.record_id));
        receiver.got().iter().filter(|got| about(&got.json())).count()
    };
    let times: BTreeMap<&str, usize> = steps.iter().fold(BTreeMap::new(), |mut times, step| {
        *times.entry(step.record_id.as_str()).or_default() += 1;
        times
    });
    let mut seen = BTreeSet::new();
    for step in steps.iter().filter(|step| times.get(step.record_id.as_str()) == Some(&1) && step.deed == Deed::WriteNote) {
        let expected = match step.news {
            News::Webhook | News::LateWebhook => 1,
            News::RepeatedWebhook => 2,
            News::Lost | News::Silent => 0,
        };
        assert_eq!(came(step), expected, "{step:?}");
        seen.insert(step.news);
    }
    assert!(seen.len() >= 3, "{seen:?}");
}

#[tokio::test]
async fn a_year_is_lived_by_curl() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox);
    client.post("/sandbox/populate?contacts=10", &Value::Null).await;
    let (status, body) = client.post("/sandbox/year", &json!({"changes": 200, "seed": 3})).await;
    let sum = |news: &Value| news.as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!((status, body["deeds"].as_object().unwrap().values().map(sum).sum::<u64>()), (200, 200));
}
