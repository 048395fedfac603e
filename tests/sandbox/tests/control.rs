//! The control API, and worlds that outlive their process.

use std::path::PathBuf;

use sandbox::{Error, Sandbox, Settings, Webhook};
use serde_json::{Value, json};

use crate::common::{Client, Receiver, eventually, start};

#[tokio::test]
async fn people_change_things_by_curl_and_say_what_becomes_of_the_webhook() {
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let sandbox = start(Settings { webhook_url: Some(url), ..Settings::default() }).await;
    let client = Client::of(&sandbox);
    let (status, body) = client.post("/sandbox/contacts", &json!({"firstName": "Ada"})).await;
    assert_eq!(status, 200);
    let id = body["id"].as_str().unwrap().to_owned();
    let at = format!("/sandbox/contacts/{id}");
    assert_eq!(client.put(&format!("{at}?webhook=lost"), &json!({"companyName": "Engines"})).await.0, 200);
    assert_eq!(client.post(&format!("{at}/tags"), &json!({"add": ["vip"]})).await.1["tags"], json!(["vip"]));
    let (_, body) = client.post(&format!("{at}/tasks?webhook=repeated"), &json!({"title": "Call"})).await;
    let task = body["id"].as_str().unwrap().to_owned();
    assert_eq!(client.put(&format!("{at}/tasks/{task}?webhook=delayed&delay=10ms"), &json!({"completed": true})).await.0, 200);
    assert_eq!(client.post(&format!("{at}/notes"), &json!({"body": "hi"})).await.0, 200);
    let calendar = sandbox.world().calendar_ids()[0].clone();
    let draft = json!({"calendarId": calendar, "contactId": id, "startTime": "2030-05-01 10:00:00"});
    assert_eq!(client.post("/sandbox/appointments", &draft).await.0, 200);
    assert_eq!(client.put(&format!("{at}?webhook=maybe"), &json!({})).await.0, 400);
    assert_eq!(client.delete("/sandbox/contacts/nobody", None).await.0, 400);
    sandbox.world().webhooks_settled().await;
    let mut types = receiver.types();
    types.sort();
    assert_eq!(types, ["AppointmentCreate", "ContactCreate", "ContactTagUpdate", "NoteCreate", "TaskComplete", "TaskCreate", "TaskCreate"]);
    let (_, truth) = client.get("/sandbox/snapshot").await;
    assert_eq!(truth["contacts"][&id]["contact"]["companyName"], "Engines");
    assert_eq!(truth["contacts"][&id]["appointments"][0]["startTime"], "2030-05-01T10:00:00-04:00");
    assert_eq!(client.get("/sandbox/stats").await.1["webhooks"]["lost"], 1);
    assert_eq!(client.get("/sandbox/stats").await.1["calls_total"], 0, "the control API spends nothing");
}

#[tokio::test]
async fn the_weather_and_a_story_are_made_by_curl() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox);
    let (status, body) =
        client.post("/sandbox/chaos", &json!({"webhooks": {"lost": 0.5, "delay": "1s"}, "answers": {"failed": 1.0}})).await;
    assert_eq!((status, &body["webhooks"]["lost"]), (200, &json!(0.5)));
    assert_eq!(client.get(&format!("/locations/{}", sandbox.location_id())).await.0, 503);
    assert_eq!(client.delete("/sandbox/faults", None).await.0, 204);
    for (status, message) in
        [(401, "The token is not authorized for this scope."), (403, "You do not have permission to access this resource")]
    {
        assert_eq!(client.post("/sandbox/withheld", &json!({"path": "/locations/", "status": status})).await.0, 204);
        let (refused, body) = client.get(&format!("/locations/{}", sandbox.location_id())).await;
        assert_eq!((refused, &body["message"]), (status, &json!(message)));
    }
    assert_eq!(client.post("/sandbox/withheld", &json!({"path": "/x", "status": 500})).await.0, 400);
    assert_eq!(client.delete("/sandbox/withheld", None).await.0, 204);
    assert_eq!(client.get(&format!("/locations/{}", sandbox.location_id())).await.0, 200);
    let fault = json!({"fault": "status", "status": 500, "times": 1, "path": "/locations"});
    assert_eq!(client.post("/sandbox/faults", &fault).await.0, 204);
    assert_eq!(client.get(&format!("/locations/{}", sandbox.location_id())).await.0, 500);
    assert_eq!(client.put("/sandbox/limits", &json!({"burst": 1, "interval": "1m"})).await.0, 200);
    assert_eq!(client.get(&format!("/locations/{}", sandbox.location_id())).await.0, 429);
    assert_eq!(client.post("/sandbox/populate?contacts=5", &Value::Null).await.1["contacts"], 5);
    let (status, body) = client.post("/sandbox/story", &json!({"changes": 30, "pace": "0ms"})).await;
    assert_eq!((status, &body["changes"]), (202, &json!(30)));
    eventually(async || sandbox.world().stats().webhooks.caused > 20).await;
    let page = client.raw_get("/").await.text().await.unwrap();
    assert!(page.contains("curl") && page.contains(sandbox.location_id()) && !page.contains("{{"));
}

#[tokio::test]
async fn the_control_api_asks_for_its_token_when_it_has_one() {
    let sandbox = start(Settings { control_token: Some("secret".to_owned()), ..Settings::default() }).await;
    let client = Client::of(&sandbox);
    assert_eq!(client.get("/sandbox/stats").await.0, 401);
    assert_eq!(client.post("/sandbox/contacts", &json!({})).await.0, 401);
    assert_eq!(client.with_token("secret").get("/sandbox/stats").await.0, 200);
    assert_eq!(client.raw_get("/").await.status().as_u16(), 200);
}

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("sandbox-{}-{name}.jsonl", std::process::id()));
    drop(std::fs::remove_file(&path));
    path
}

#[tokio::test]
async fn a_world_with_a_file_is_there_again_after_a_restart_even_when_the_last_line_was_cut() {
    let path = scratch("restart");
    let settings = || Settings { data: Some(path.clone()), ..Settings::default() };
    let sandbox = start(settings()).await;
    let world = sandbox.world();
    world.populate(1, 20);
    let gone = world.contact_ids()[3].clone();
    world.delete_contact(&gone, Webhook::Sent).unwrap();
    let new = world.create_contact(&json!({"firstName": "Zo 🌈", "tags": ["vip"]}), Webhook::Sent).unwrap();
    let task = world.create_task(&new, &json!({"title": "Call"}), Webhook::Sent).unwrap();
    world.complete_task(&new, &task, true, Webhook::Sent).unwrap();
    let truth = world.snapshot();
    drop(sandbox);
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b"{\"ids\":12,\"entry\":{\"change\":\"contact_gone\",\"i").unwrap();

    let again = start(settings()).await;
    assert_eq!(again.world().snapshot(), truth);
    let next = again.world().create_contact(&json!({"firstName": "Next"}), Webhook::Sent).unwrap();
    assert!(!truth.contacts.contains_key(&next));
    again.stop().await;
    let other = Sandbox::start(Settings { seed: 9, ..settings() }).await;
    assert!(matches!(other.err(), Some(Error::OtherWorld { .. })));
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn a_taken_port_is_told_in_one_sentence_and_a_stop_gives_it_back() {
    let sandbox = start(Settings::default()).await;
    let listen = sandbox.address();
    let taken = Sandbox::start(Settings { listen, ..Settings::default() }).await.err().unwrap().to_string();
    assert!(taken.starts_with(&format!("sandbox: address {listen} cannot be listened on")), "{taken}");
    let client = Client::of(&sandbox);
    assert_eq!(client.get("/sandbox/stats").await.0, 200);
    sandbox.stop().await;
    start(Settings { listen, ..Settings::default() }).await.stop().await;
}
