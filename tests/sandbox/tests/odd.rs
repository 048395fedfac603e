//! What is rare and must be survived: restored and merged contacts, tasks of several people or of nobody, tasks that come by
//! themselves, and companies.

use sandbox::{RecordKind, Sandbox, Settings, Webhook};
use serde_json::{Value, json};

use crate::common::{Client, Receiver, start};

fn ids(rows: &Value) -> Vec<&str> {
    rows.as_array().into_iter().flatten().filter_map(|row| row["id"].as_str().or_else(|| row["_id"].as_str())).collect()
}

async fn all_tasks(client: &Client, sandbox: &Sandbox) -> Value {
    client
        .post(&format!("/locations/{}/tasks/search", sandbox.location_id()), &json!({"limit": 100}))
        .await
        .1
        .get("tasks")
        .cloned()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_deleted_contact_comes_back_whole_under_the_same_ids_and_nobody_is_told() {
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let sandbox = start(Settings { webhook_url: Some(url), history: true, ..Settings::default() }).await;
    let (client, world) = (Client::of(&sandbox), sandbox.world());
    world.populate(3, 20);
    let before = world.snapshot();
    let full = |truth: &sandbox::ContactTruth| !truth.tasks.is_empty() && !truth.notes.is_empty() && !truth.appointments.is_empty();
    let (id, truth) = before.contacts.iter().find(|(_, truth)| full(truth)).unwrap();
    world.delete_contact(id, Webhook::Sent).unwrap();
    assert_eq!(client.get(&format!("/contacts/{id}")).await.0, 400);
    let deleted_tasks = ids(&json!(truth.tasks)).len();
    assert_eq!(all_tasks(&client, &sandbox).await.as_array().unwrap().len(), before.counts()[1] - deleted_tasks);
    assert_eq!(&world.deleted_contact_ids(), std::slice::from_ref(id));
    world.restore_contact(id).unwrap();
    assert!(world.snapshot() == before, "nothing is different");
    assert_eq!(client.get(&format!("/contacts/{id}")).await.0, 200);
    assert!(world.restore_contact(id).is_err());
    world.webhooks_settled().await;
    assert_eq!(receiver.types(), ["ContactDelete"]);
    let versions = &world.versions()[&(RecordKind::Contact, id.clone())];
    assert_eq!(versions.iter().map(|version| version.content.is_some()).collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn a_task_deleted_on_its_own_comes_back_unless_its_contact_is_gone() {
    let sandbox = start(Settings::default()).await;
    let world = sandbox.world();
    let id = world.create_contact(&json!({"firstName": "Ada"}), Webhook::Sent).unwrap();
    let task = world.create_task(&id, &json!({"title": "Call"}), Webhook::Sent).unwrap();
    world.delete_task(&id, &task, Webhook::Sent).unwrap();
    assert_eq!(world.deleted_task_ids(), [task.as_str()]);
    world.restore_task(&task).unwrap();
    assert_eq!(world.task_ids(&id), [task.as_str()]);
    world.delete_task(&id, &task, Webhook::Sent).unwrap();
    world.delete_contact(&id, Webhook::Sent).unwrap();
    assert!(world.restore_task(&task).is_err());
}

#[tokio::test]
async fn merging_moves_what_hung_on_the_loser_and_ends_the_loser() {
    let sandbox = start(Settings { history: true, ..Settings::default() }).await;
    let (client, world) = (Client::of(&sandbox), sandbox.world());
    let winner = world.create_contact(&json!({"firstName": "Ada", "tags": ["one"]}), Webhook::Lost).unwrap();
    let loser = world.create_contact(&json!({"firstName": "A.", "phone": "+12075550101", "tags": ["two"]}), Webhook::Lost).unwrap();
    let task = world.create_task(&loser, &json!({"title": "Call"}), Webhook::Lost).unwrap();
    let note = world.create_note(&loser, &json!({"body": "hi"}), Webhook::Lost).unwrap();
    let calendar = world.calendar_ids()[0].clone();
    let draft = json!({"calendarId": calendar, "contactId": loser, "startTime": "2030-05-01 10:00:00"});
    let visit = world.create_appointment(&draft, Webhook::Lost).unwrap();
    assert!(world.merge_contacts(&winner, &winner, Webhook::Lost).is_err());
    world.merge_contacts(&winner, &loser, Webhook::Lost).unwrap();
    let (_, body) = client.get(&format!("/contacts/{winner}")).await;
    assert_eq!((&body["contact"]["firstName"], &body["contact"]["phone"]), (&json!("Ada"), &json!("+12075550101")));
    assert_eq!(body["contact"]["tags"], json!(["one", "two"]));
    assert_eq!(client.get(&format!("/contacts/{loser}")).await.0, 400);
    let (_, body) = client.get(&format!("/contacts/{winner}/tasks/{task}")).await;
    assert_eq!(body["task"]["contactId"], json!(winner));
    assert_eq!(client.get(&format!("/contacts/{winner}/notes/{note}")).await.1["note"]["contactId"], json!(winner));
    assert_eq!(client.get(&format!("/calendars/events/appointments/{visit}")).await.1["event"]["contactId"], json!(winner));
    assert!(world.restore_contact(&loser).is_err());
    let versions = world.versions();
    let owners = |kind, id: &String| -> Vec<Value> {
        versions[&(kind, id.clone())].iter().map(|version| version.content.as_ref().unwrap()["contactId"].clone()).collect()
    };
    assert_eq!(owners(RecordKind::Note, &note), [json!(loser), json!(winner)]);
    assert_eq!(owners(RecordKind::Task, &task), [json!(loser), json!(winner)]);
}

#[tokio::test]
async fn a_task_hangs_on_several_contacts_or_on_none() {
    let sandbox = start(Settings::default()).await;
    let (client, world) = (Client::of(&sandbox), sandbox.world());
    let people: Vec<String> =
        ["Ada", "Zoe"].iter().map(|name| world.create_contact(&json!({"firstName": name}), Webhook::Lost).unwrap()).collect();
    let shared = world.create_task(&people[0], &json!({"title": "Both", "contactIds": people}), Webhook::Lost).unwrap();
    let loose = world.create_loose_task(&json!({"title": "Nobody's"}), Webhook::Lost).unwrap();
    for id in &people {
        let (_, body) = client.get(&format!("/contacts/{id}/tasks")).await;
        assert_eq!((ids(&body["tasks"]), &body["tasks"][0]["contactId"]), (vec![shared.as_str()], &json!(people[0])));
    }
    let rows = all_tasks(&client, &sandbox).await;
    assert_eq!(rows.as_array().map(Vec::len), Some(2), "each once");
    let row = rows.as_array().unwrap().iter().find(|row| row["_id"] == json!(loose)).unwrap();
    assert!(row.get("contactId").is_none());
    assert_eq!(world.snapshot().loose_tasks.len(), 1);
    world.update_any_task(&loose, &json!({"completed": true}), Webhook::Lost).unwrap();
    world.delete_contact(&people[0], Webhook::Lost).unwrap();
    let (_, body) = client.get(&format!("/contacts/{}/tasks/{shared}", people[1])).await;
    assert_eq!(body["task"]["contactId"], json!(people[1]), "it stays with the other one");
    world.delete_any_task(&loose, Webhook::Lost).unwrap();
    assert_eq!(ids(&all_tasks(&client, &sandbox).await), [shared.as_str()]);
}

#[tokio::test]
async fn a_rule_makes_tasks_for_its_contacts_again_and_again() {
    let sandbox = start(Settings::default()).await;
    let (client, world) = (Client::of(&sandbox), sandbox.world());
    let id = world.create_contact(&json!({"firstName": "Ada"}), Webhook::Lost).unwrap();
    let path = format!("/locations/{}/recurring-tasks", sandbox.location_id());
    let options = json!({"intervalType": "weekly", "interval": 1, "startDate": "2030-01-01T09:00:00Z", "dueAfterSeconds": 3600});
    let (status, body) = client.post(&path, &json!({"title": "Check in"})).await;
    assert_eq!((status, &body["message"]), (422, &json!(["rruleOptions should not be empty"])));
    let draft = json!({"title": "Check in", "contactIds": [id], "rruleOptions": options});
    let (status, body) = client.post(&path, &draft).await;
    assert_eq!((status, &body["recurringTask"]["totalOccurrence"]), (201, &json!(1)));
    let rule = body["recurringTask"]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.run_recurring_task(&rule, Webhook::Lost).unwrap().len(), 1);
    let (_, body) = client.get(&format!("{path}/{rule}")).await;
    assert_eq!((&body["recurringTask"]["totalOccurrence"], &body["recurringTask"]["rruleOptions"]), (&json!(2), &options));
    assert_eq!(client.put(&format!("{path}/{rule}"), &json!({"title": "Call"})).await.1["recurringTask"]["title"], "Call");
    assert_eq!(client.get(&format!("/contacts/{id}/tasks")).await.1["tasks"].as_array().map(Vec::len), Some(2));
    let (status, body) = client.delete(&format!("{path}/{rule}"), None).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)));
    assert_eq!(client.get(&format!("{path}/{rule}")).await.0, 400);
    assert_eq!(world.task_ids(&id).len(), 2, "what it made stays");
}

#[tokio::test]
async fn contacts_belong_to_a_business() {
    let sandbox = start(Settings::default()).await;
    let (client, world) = (Client::of(&sandbox), sandbox.world());
    let (status, body) = client.post("/businesses/", &json!({"name": "Engines", "locationId": sandbox.location_id()})).await;
    assert_eq!((status, &body["success"]), (201, &json!(true)));
    let business = body["buiseness"]["id"].as_str().unwrap().to_owned();
    let id = world.create_contact(&json!({"firstName": "Ada", "businessId": business}), Webhook::Lost).unwrap();
    world.create_contact(&json!({"firstName": "Zoe"}), Webhook::Lost).unwrap();
    let query = format!("locationId={}", sandbox.location_id());
    let (_, body) = client.get(&format!("/contacts/business/{business}?{query}")).await;
    assert_eq!((ids(&body["contacts"]), &body["count"]), (vec![id.as_str()], &json!(1)));
    assert_eq!(client.get(&format!("/contacts/{id}")).await.1["contact"]["businessId"], json!(business));
    let (_, body) = client.put(&format!("/businesses/{business}"), &json!({"city": "London"})).await;
    assert_eq!(body["buiseness"]["city"], "London");
    assert_eq!(client.get(&format!("/businesses/?{query}")).await.1["businesses"][0]["name"], "Engines");
    assert_eq!(client.get(&format!("/businesses/{business}")).await.1["business"]["id"], json!(business));
    assert_eq!(client.delete(&format!("/businesses/{business}"), None).await.1["success"], json!(true));
    assert_eq!(client.get(&format!("/contacts/business/{business}?{query}")).await.0, 400);
    assert_eq!(client.get("/businesses/").await.0, 422);
}

#[tokio::test]
async fn people_restore_merge_and_share_by_curl_and_a_file_keeps_it_all() {
    let path = std::env::temp_dir().join(format!("sandbox-{}-odd.jsonl", std::process::id()));
    drop(std::fs::remove_file(&path));
    let settings = || Settings { data: Some(path.clone()), ..Settings::default() };
    let sandbox = start(settings()).await;
    let (client, world) = (Client::of(&sandbox), sandbox.world());
    world.populate(4, 12);
    let people = world.contact_ids();
    let made = async |path: &str, body: Value| client.post(path, &body).await.1["id"].as_str().unwrap().to_owned();
    let shared = made("/sandbox/tasks", json!({"title": "Both", "contactIds": [people[0], people[1]]})).await;
    let loose = made("/sandbox/tasks", json!({"title": "Nobody's"})).await;
    let options = json!({"intervalType": "daily", "interval": 1, "startDate": "2030-01-01T09:00:00Z", "dueAfterSeconds": 60});
    let rule = made("/sandbox/recurring-tasks", json!({"title": "Daily", "contactIds": [people[2]], "rruleOptions": options})).await;
    assert_eq!(client.post(&format!("/sandbox/recurring-tasks/{rule}/run"), &json!({})).await.1["tasks"].as_array().map(Vec::len), Some(1));
    assert_eq!(client.post(&format!("/sandbox/contacts/{}/merge", people[3]), &json!({"loser": people[0]})).await.0, 200);
    for id in &people[4..7] {
        assert_eq!(client.delete(&format!("/sandbox/contacts/{id}"), None).await.0, 200);
    }
    assert_eq!(client.post(&format!("/sandbox/contacts/{}/restore", people[5]), &json!({})).await.0, 200);
    assert_eq!(client.put(&format!("/sandbox/tasks/{loose}"), &json!({"title": "Tidy"})).await.0, 200);
    assert_eq!(client.delete(&format!("/sandbox/tasks/{shared}"), None).await.0, 200);
    assert_eq!(client.post(&format!("/sandbox/tasks/{shared}/restore"), &json!({})).await.0, 200);
    made("/sandbox/businesses", json!({"name": "Engines"})).await;
    let truth = world.snapshot();
    sandbox.stop().await;
    let again = start(settings()).await;
    let world = again.world();
    assert!(world.snapshot() == truth, "nothing is different");
    assert_eq!((world.business_ids().len(), world.recurring_task_ids()), (1, vec![rule]));
    assert_eq!(world.deleted_contact_ids().len(), 2);
    again.stop().await;
    // And once more, from the file as the second start wrote it.
    let third = start(settings()).await;
    assert!(third.world().snapshot() == truth, "nothing is different");
    third.world().restore_contact(&people[4]).unwrap();
    std::fs::remove_file(&path).unwrap();
}
