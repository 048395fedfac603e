//! Webhooks: shapes, signatures, retries, and what becomes of them.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey, pkcs8::DecodePublicKey as _};
use sandbox::{Chaos, Sandbox, Settings, Webhook, WebhookSettings};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::common::{Receiver, start};

async fn with_receiver(settings: Settings) -> (Sandbox, Receiver) {
    let receiver = Receiver::default();
    let url = receiver.start().await;
    (start(Settings { webhook_url: Some(url), ..settings }).await, receiver)
}

#[tokio::test]
async fn every_kind_of_change_is_told_in_the_published_shape() {
    let (sandbox, receiver) = with_receiver(Settings::default()).await;
    let world = sandbox.world();
    // One at a time, so that they come in order.
    let id = world.create_contact(&json!({"name": "Ada L", "email": "a@client.example"}), Webhook::Sent).unwrap();
    world.webhooks_settled().await;
    let step = async |change: Result<String, sandbox::Refusal>| {
        world.webhooks_settled().await;
        change.unwrap()
    };
    step(world.update_contact(&id, &json!({"city": "Bonn"}), Webhook::Sent).map(|()| String::new())).await;
    step(world.add_tags(&id, &["vip"], Webhook::Sent).map(|tags| tags.join(","))).await;
    step(world.update_contact(&id, &json!({"dnd": true}), Webhook::Sent).map(|()| String::new())).await;
    let task = step(world.create_task(&id, &json!({"title": "Call", "body": "now"}), Webhook::Sent)).await;
    step(world.update_task(&id, &task, &json!({"title": "Write"}), Webhook::Sent).map(|()| String::new())).await;
    step(world.complete_task(&id, &task, true, Webhook::Sent).map(|()| String::new())).await;
    step(world.delete_task(&id, &task, Webhook::Sent).map(|()| String::new())).await;
    let note = step(world.create_note(&id, &json!({"body": "x"}), Webhook::Sent)).await;
    step(world.update_note(&id, &note, &json!({"body": "y"}), Webhook::Sent).map(|()| String::new())).await;
    step(world.delete_note(&id, &note, Webhook::Sent).map(|()| String::new())).await;
    let calendar = world.calendar_ids()[0].clone();
    let draft = json!({"calendarId": calendar, "contactId": id, "startTime": "2030-07-01T14:00:00Z"});
    let booking = step(world.create_appointment(&draft, Webhook::Sent)).await;
    step(world.update_appointment(&booking, &json!({"appointmentStatus": "showed"}), Webhook::Sent).map(|()| String::new())).await;
    step(world.delete_appointment(&booking, Webhook::Sent).map(|()| String::new())).await;
    step(world.delete_contact(&id, Webhook::Sent).map(|()| String::new())).await;

    let told = [
        "ContactCreate",
        "ContactUpdate",
        "ContactTagUpdate",
        "ContactDndUpdate",
        "TaskCreate",
        "TaskComplete",
        "TaskDelete",
        "NoteCreate",
        "NoteUpdate",
        "NoteDelete",
        "AppointmentCreate",
        "AppointmentUpdate",
        "AppointmentDelete",
        "ContactDelete",
    ];
    assert_eq!(receiver.types(), told, "there is no webhook for the edit of a task");
    let got: Vec<Value> = receiver.got().iter().map(|got| got.json()).collect();
    assert!(got.iter().all(|body| body["locationId"] == sandbox.location_id() && body["timestamp"].is_string()));
    assert_eq!(got.iter().map(|body| body["webhookId"].to_string()).collect::<BTreeSet<_>>().len(), told.len());
    assert_eq!((&got[0]["id"], &got[0]["attachments"], &got[3]["dnd"]), (&json!(id), &json!([]), &json!(true)));
    assert!(got[3].get("dndSettings").is_some() && got[0].get("dndSettings").is_none());
    assert_eq!((&got[4]["contactId"], &got[4]["body"], got[4].get("completed")), (&json!(id), &json!("now"), None));
    assert_eq!((&got[8]["body"], got[8].get("userId")), (&json!("y"), None));
    assert_eq!(got[10]["appointment"]["startTime"], "2030-07-01T10:00:00-04:00");
    assert_eq!(world.stats().webhooks.delivered, 14);
}

#[tokio::test]
async fn both_signatures_hold_over_the_raw_body_and_only_over_it() {
    let webhooks = WebhookSettings { rsa: true, ..WebhookSettings::default() };
    let (sandbox, receiver) = with_receiver(Settings { webhooks, ..Settings::default() }).await;
    sandbox.world().create_contact(&json!({"name": "Zo 🌈"}), Webhook::Sent).unwrap();
    sandbox.world().webhooks_settled().await;
    let got = receiver.got().remove(0);

    let key = VerifyingKey::from_public_key_pem(&sandbox.ed25519_public_pem().unwrap()).unwrap();
    let signature = Signature::from_slice(&STANDARD.decode(got.header("X-GHL-Signature")).unwrap()).unwrap();
    key.verify_strict(&got.body, &signature).unwrap();
    assert!(key.verify_strict(&got.body[1..], &signature).is_err());

    let key = rsa::PublicKey::from_public_key_pem(&sandbox.rsa_public_pem().unwrap()).unwrap();
    let signature = STANDARD.decode(got.header("x-wh-signature")).unwrap();
    key.pkcs1v15_verify::<Sha256>(&got.body, &signature).unwrap();
    assert!(key.pkcs1v15_verify::<Sha256>(b"other", &signature).is_err());
    assert_eq!(sandbox.keys().sign_rsa(&got.body).unwrap(), got.header("x-wh-signature"));
}

#[tokio::test]
async fn keys_and_ids_follow_from_the_seed() {
    let [one, same, other] =
        [start(Settings::default()).await, start(Settings::default()).await, start(Settings { seed: 2, ..Settings::default() }).await];
    assert_eq!(one.ed25519_public_pem().unwrap(), same.ed25519_public_pem().unwrap());
    assert_eq!(one.location_id(), same.location_id());
    assert_ne!(one.ed25519_public_pem().unwrap(), other.ed25519_public_pem().unwrap());
    assert_ne!(one.location_id(), other.location_id());
}

#[tokio::test]
async fn a_429_is_tried_again_with_the_same_body_and_delivery_id_and_a_500_is_not() {
    let webhooks = WebhookSettings { retry_interval: Duration::from_millis(5), ..WebhookSettings::default() };
    let (sandbox, receiver) = with_receiver(Settings { webhooks, ..Settings::default() }).await;
    let world = sandbox.world();
    receiver.answer_first(&[429, 429]);
    let id = world.create_contact(&json!({"name": "Ada"}), Webhook::Sent).unwrap();
    world.webhooks_settled().await;
    let got = receiver.got();
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|again| again.body == got[0].body && again.header("deliveryId") == got[0].header("deliveryId")));
    receiver.answer_first(&[500]);
    world.touch_contact(&id, Webhook::Sent).unwrap();
    world.webhooks_settled().await;
    let stats = world.stats().webhooks;
    assert_eq!((receiver.got().len(), stats.retried, stats.refused, stats.delivered), (4, 2, 1, 1));
}

#[tokio::test]
async fn a_change_names_the_fate_of_its_webhook() {
    let (sandbox, receiver) = with_receiver(Settings::default()).await;
    let world = sandbox.world();
    let create = |name: &str, fate| world.create_contact(&json!({"firstName": name}), fate).unwrap();
    create("late", Webhook::Delayed(Duration::from_millis(400)));
    create("lost", Webhook::Lost);
    create("twice", Webhook::Repeated(2));
    world.webhooks_settled().await;
    let names: Vec<Value> = receiver.got().iter().map(|got| got.json()["firstName"].clone()).collect();
    assert_eq!(names, [json!("twice"), json!("twice"), json!("late")]);
    assert_eq!(receiver.got()[0].body, receiver.got()[1].body);
    let stats = world.stats().webhooks;
    assert_eq!((stats.caused, stats.lost, stats.delivered, stats.waiting), (3, 1, 3, 0));
}

#[tokio::test]
async fn chance_loses_and_repeats_about_as_much_as_told_and_the_same_for_the_same_seed() {
    let chaos = Chaos { lost: 0.3, repeated: 0.2, ..Chaos::default() };
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let (sandbox, receiver) = with_receiver(Settings { chaos, ..Settings::default() }).await;
        let world = sandbox.world();
        for number in 0..200 {
            world.create_contact(&json!({"firstName": number.to_string()}), Webhook::ByChance).unwrap();
        }
        world.webhooks_settled().await;
        let lost = world.stats().webhooks.lost;
        assert!((40..=80).contains(&lost), "{lost} of 200 were lost");
        assert!(receiver.got().len() as u64 > 200 - lost + 10);
        let mut names: Vec<String> = receiver.got().iter().map(|got| got.json()["firstName"].to_string()).collect();
        names.sort();
        outcomes.push(names);
    }
    assert_eq!(outcomes[0], outcomes[1]);
}

#[tokio::test]
async fn thin_and_wrapped_payloads_can_be_asked_for() {
    let webhooks = WebhookSettings { thin_task_create: true, wrapped: true, ed25519: false, ..WebhookSettings::default() };
    let (sandbox, receiver) = with_receiver(Settings { webhooks, ..Settings::default() }).await;
    let world = sandbox.world();
    let id = world.create_contact(&json!({"name": "Ada"}), Webhook::Lost).unwrap();
    world.create_task(&id, &json!({"title": "Call", "body": "now"}), Webhook::Sent).unwrap();
    world.webhooks_settled().await;
    let got = receiver.got().remove(0);
    assert_eq!(got.header("X-GHL-Signature"), "N/A");
    let body = got.json();
    assert_eq!((&body["type"], &body["data"]["title"]), (&json!("TaskCreate"), &json!("Call")));
    assert!(body["data"].get("contactId").is_none() && body["data"].get("body").is_none() && body["webhookId"].is_string());
}
