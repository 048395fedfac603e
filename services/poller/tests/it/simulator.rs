//! The poller against the simulator, which is written from the contract alone: the log must come to equal what the simulator holds.

use std::collections::BTreeMap;

use domain::{Body, Change, LocationId, Record, RecordKind, Stored};
use jiff::Timestamp;
use sandbox::{Limits, Sandbox, Settings, Snapshot, Webhook, World};
use serde_json::{Value, json};

use crate::fixture::{Ghl, PollerFixture, eventually};

/// The form in which both sides are compared.
type Holdings = BTreeMap<(RecordKind, String), Value>;

async fn settle_in(name: &str, contacts: usize) -> (Sandbox, World, PollerFixture) {
    let sandbox = Sandbox::start(Settings { limits: Limits::none(), ..Settings::default() }).await.unwrap();
    let world = sandbox.world();
    world.populate(7, contacts);
    let ghl = Ghl {
        base_url: sandbox.base_url(),
        location_id: sandbox.location_id().to_owned(),
        token: sandbox.token().to_owned(),
        pem: sandbox.ed25519_public_pem().unwrap(),
    };
    let fixture = PollerFixture::start_over(name, ghl, "").await;
    world.send_webhooks_to(Some(format!("{}/webhooks/ghl", fixture.http).parse().unwrap()));
    (sandbox, world, fixture)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_converges_on_what_the_simulator_holds() {
    let (sandbox, world, fixture) = settle_in("simulator", 60).await;
    let location_id = LocationId::new(sandbox.location_id()).unwrap();
    until_equal(&fixture, &location_id, &world).await;
    change_some_of_everything(&world);
    until_equal(&fixture, &location_id, &world).await;
    let newest = world.create_contact(&json!({"locationId": sandbox.location_id(), "firstName": "Nina"}), Webhook::Sent).unwrap();
    until_equal(&fixture, &location_id, &world).await;
    let news = fixture.log.read(&location_id, 0, 10_000).await.unwrap().into_iter().filter(|event| {
        let Ok(Body::Record(fact)) = event.read() else { return false };
        fact.new_in_ghl && fact.record.kind() == RecordKind::Contact
    });
    let news: Vec<String> = news.filter_map(|event| event.contact_id).map(|id| id.to_string()).collect();
    assert_eq!(news, [newest], "only who came after the location was connected is new");
    assert!(fixture.log.parked().list(None, None, 10).await.unwrap().is_empty());
    fixture.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_edit_is_taken_from_the_rows_of_the_search() {
    for page_limit_max in [500, 100] {
        let contacts = 1_500;
        let settings = Settings { limits: Limits::none(), ..Settings::default() };
        let sandbox = Sandbox::start(settings).await.unwrap();
        let world = sandbox.world();
        world.populate(7, contacts);
        world.set_search(sandbox::SearchSettings { page_limit_max, ..world.search() });
        let ghl = Ghl {
            base_url: sandbox.base_url(),
            location_id: sandbox.location_id().to_owned(),
            token: sandbox.token().to_owned(),
            pem: sandbox.ed25519_public_pem().unwrap(),
        };
        let more = "watch.interval = \"500ms\"\nwatch.bulk_min = 20\n";
        let fixture = PollerFixture::start_over(&format!("bulk-{page_limit_max}"), ghl, more).await;
        world.send_webhooks_to(Some(format!("{}/webhooks/ghl", fixture.http).parse().unwrap()));
        let location_id = LocationId::new(sandbox.location_id()).unwrap();
        until_equal(&fixture, &location_id, &world).await;
        for (index, id) in world.contact_ids().iter().enumerate() {
            let fate = if index % 50 == 0 { Webhook::Sent } else { Webhook::Lost };
            world.update_contact(id, &json!({"city": "Lyon", "tags": ["moved"]}), fate).unwrap();
        }
        // Rows do not mention what is empty: of these, none shows what has changed.
        for id in world.contact_ids().iter().step_by(100) {
            world.update_contact(id, &json!({"companyName": "", "website": ""}), Webhook::Lost).unwrap();
        }
        until_equal(&fixture, &location_id, &world).await;
        assert!(fixture.counter("contacts_in_bulk_total").await > 1_000.0);
        fixture.stop().await;
        sandbox.stop().await;
    }
}

fn change_some_of_everything(world: &World) {
    let ids = world.contact_ids();
    for (index, id) in ids.iter().enumerate() {
        let changed = match index % 6 {
            0 => world.update_contact(id, &json!({"firstName": format!("New {index}"), "city": "Lyon"}), Webhook::Sent),
            1 => world
                .create_task(id, &json!({"title": "Call 📞", "dueDate": "2031-01-02T10:00:00.000Z", "completed": false}), Webhook::Sent)
                .map(drop),
            2 => world.create_note(id, &json!({"body": "<p>مرحبا</p>"}), Webhook::Repeated(3)).map(drop),
            3 => world.add_tags(id, &["vip"], Webhook::Sent).map(drop),
            4 => world.delete_contact(id, Webhook::Sent),
            _ => match world.note_ids(id).first() {
                Some(note) => world.delete_note(id, note, Webhook::Sent),
                None => Ok(()),
            },
        };
        changed.unwrap();
    }
}

async fn until_equal(fixture: &PollerFixture, location_id: &LocationId, world: &World) {
    eventually("the log holds what the simulator holds", || async {
        let (log, truth) = (of_log(fixture.log.read(location_id, 0, 100_000).await.unwrap()), of_world(&world.snapshot()));
        (log == truth).then_some(())
    })
    .await;
}

fn of_log(events: Vec<Stored>) -> Holdings {
    let mut holdings = Holdings::new();
    for event in events {
        let (Some((kind, id)), Ok(Body::Record(fact))) = (event.record.clone(), event.read()) else { continue };
        let key = (kind, id.to_string());
        if fact.change == Change::Vanished {
            holdings.remove(&key);
            continue;
        }
        let time = |moment: &Option<domain::Moment>| moment.as_ref().and_then(domain::Moment::instant).map(|at| at.to_string());
        let gist = match &fact.record {
            Record::Contact(contact) => json!([
                contact.name,
                contact.first_name,
                contact.email,
                contact.phone,
                contact.company,
                contact.street,
                contact.city,
                contact.postal_code,
                contact.tags,
                contact.custom_fields,
                contact.assigned_to,
                contact.date_of_birth,
                contact.website
            ]),
            Record::Task(task) => json!([task.title, task.body, task.done, time(&task.due_at), task.assigned_to]),
            Record::Note(note) => json!([note.title, note.body, note.user_id, note.pinned]),
            Record::Appointment(appointment) => json!([
                appointment.title,
                time(&appointment.starts_at),
                time(&appointment.ends_at),
                appointment.status,
                appointment.place,
                appointment.notes,
                appointment.calendar_id,
                appointment.assigned_to
            ]),
        };
        holdings.insert(key, gist);
    }
    holdings
}

fn of_world(snapshot: &Snapshot) -> Holdings {
    let mut holdings = Holdings::new();
    for (id, truth) in &snapshot.contacts {
        holdings.insert((RecordKind::Contact, id.clone()), contact(&truth.contact));
        let time = |value: &Value| value.as_str().map(|text| text.parse::<Timestamp>().unwrap().to_string());
        // The list of a contact's appointments gives whole seconds.
        let second = |value: &Value| {
            value.as_str().map(|text| Timestamp::from_second(text.parse::<Timestamp>().unwrap().as_second()).unwrap().to_string())
        };
        for task in &truth.tasks {
            let gist = json!([
                non_empty(&task["title"]),
                non_empty(&task["body"]),
                task["completed"],
                time(&task["dueDate"]),
                non_empty(&task["assignedTo"])
            ]);
            holdings.insert((RecordKind::Task, task["id"].as_str().unwrap().to_owned()), gist);
        }
        for note in &truth.notes {
            let gist = json!([non_empty(&note["title"]), non_empty(&note["body"]), non_empty(&note["userId"]), note["pinned"]]);
            holdings.insert((RecordKind::Note, note["id"].as_str().unwrap().to_owned()), gist);
        }
        for row in &truth.appointments {
            let gist = json!([
                non_empty(&row["title"]),
                second(&row["startTime"]),
                second(&row["endTime"]),
                non_empty(&row["appointmentStatus"]),
                non_empty(&row["address"]),
                non_empty(&row["notes"]),
                non_empty(&row["calendarId"]),
                non_empty(&row["assignedUserId"])
            ]);
            holdings.insert((RecordKind::Appointment, row["id"].as_str().unwrap().to_owned()), gist);
        }
    }
    holdings
}

fn contact(fields: &Value) -> Value {
    let mut tags: Vec<&str> = fields["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    tags.sort_unstable();
    tags.dedup();
    let custom: BTreeMap<&str, &Value> = fields["customFields"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|field| !non_empty(&field["value"]).is_null())
        .map(|field| (field["id"].as_str().unwrap(), &field["value"]))
        .collect();
    let text = |key: &str| non_empty(&fields[key]);
    json!([
        text("name"),
        text("firstName"),
        text("email"),
        text("phone"),
        text("companyName"),
        text("address1"),
        text("city"),
        text("postalCode"),
        tags,
        custom,
        text("assignedTo"),
        text("dateOfBirth"),
        text("website")
    ])
}

/// Empty text counts as missing.
fn non_empty(value: &Value) -> Value {
    if value.as_str() == Some("") { Value::Null } else { value.clone() }
}
