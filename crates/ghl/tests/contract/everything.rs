//! Every request that the client can send.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};

use domain::{ContactId, LocationId, RecordId};
use ghl::{
    Argument, Channel, Client, Closed, ContactFields, Error, EventsOf, Field, Kind, NewContact, NewNote, NewTask, NoteChange, NoteFields,
    Operation, Rate, Reach, Search, Settings, TaskChange, TaskSearch, Transport, Versions, Window, Zone,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use settings::Period;

/// What is asked about.
pub(crate) struct Subject {
    pub(crate) contact: ContactId,
    /// To be changed and deleted.
    pub(crate) task: RecordId,
    pub(crate) note: RecordId,
    pub(crate) calendar: String,
    pub(crate) company: String,
}

/// The statuses of the calls that were made, by operation.
pub(crate) type Statuses = Arc<Mutex<BTreeMap<String, Vec<u16>>>>;

pub(crate) fn client(base_url: &str, location_id: &str, token: &str, versions: Versions) -> (Client, Statuses) {
    let (transport, statuses) = transport(base_url, versions);
    (Client::new(transport, LocationId::new(location_id).unwrap(), token.to_owned().into()), statuses)
}

pub(crate) fn transport(base_url: &str, versions: Versions) -> (Transport, Statuses) {
    let statuses = Statuses::default();
    let told = Arc::clone(&statuses);
    let on_call = move |call: &ghl::Call<'_>| {
        told.lock().unwrap().entry(call.operation.name.to_owned()).or_default().push(call.status.unwrap_or_default());
    };
    let settings = Settings {
        base_url: base_url.parse().unwrap(),
        connect_timeout: Period::from_secs(5),
        request_timeout: Period::from_secs(30),
        body_bytes_max: NonZeroUsize::new(1 << 24).unwrap(),
        events_bytes_max: NonZeroUsize::new(1 << 24).unwrap(),
        legacy_contact_list: true,
        versions,
        rate: Rate { calls_per_second: 1e6, window_calls_max: NonZeroU32::MAX, ..Rate::default() },
    };
    (Transport::new(settings, Arc::new(on_call)).unwrap(), statuses)
}

pub(crate) fn v3() -> Versions {
    let third = || "v3".to_owned();
    Versions { contacts: third(), locations: third(), users: third(), calendars: third(), businesses: third() }
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

type Outcomes = Vec<(&'static str, Result<(), Error>)>;

/// The typed reads.
pub(crate) async fn reads(client: &Client, of: &Subject, zone: &Zone) -> Outcomes {
    let (from, to) = (instant("2020-01-01T00:00:00Z"), instant("2040-01-01T00:00:00Z"));
    let cursor = json!([1_719_999_999_999_i64, of.contact.as_str()]);
    let everyone = Search { window: Window::Everyone, rows_max: 100, after: None };
    let tasks = TaskSearch { rows_max: 100, skip: 0, contacts: vec![of.contact.clone()], done: Some(false) };
    let reach = Reach::Phone("+12075550199".to_owned());
    vec![
        ("contact", client.contact(&of.contact, zone).await.map(drop)),
        ("search", client.search(&everyone, zone).await.map(drop)),
        (
            "search on",
            client.search(&Search { window: Window::Updated { from, to }, after: Some(cursor), ..everyone }, zone).await.map(drop),
        ),
        ("contact with", client.contact_with(&reach, zone).await.map(drop)),
        ("tasks", client.tasks(&of.contact, zone).await.map(drop)),
        ("task", client.task(&of.contact, &of.task, zone).await.map(drop)),
        ("search tasks", client.search_tasks(&tasks, zone).await.map(drop)),
        ("search all tasks", client.search_tasks(&TaskSearch::default(), zone).await.map(drop)),
        ("notes", client.notes(&of.contact, zone).await.map(drop)),
        ("note", client.note(&of.contact, &of.note, zone).await.map(drop)),
        ("appointments", client.appointments(&of.contact, zone).await.map(drop)),
        ("events", client.calendar_events(EventsOf::Calendar(&of.calendar), from, to, zone).await.map(drop)),
        ("calendars", client.calendars().await.map(drop)),
        ("users", client.users(&of.company).await.map(drop)),
        ("location", client.location().await.map(drop)),
        ("custom fields", client.custom_fields().await.map(drop)),
    ]
}

/// The typed writes. The contact comes last: it is deleted.
pub(crate) async fn writes(client: &Client, of: &Subject, custom_field: &str, zone: &Zone) -> Outcomes {
    let fields = ContactFields {
        first_name: "Ann".to_owned().into(),
        last_name: "Smith".to_owned().into(),
        street: "Main St 1".to_owned().into(),
        city: Field::Clear,
        postal_code: Some("10115".to_owned()),
        country: Some("DE".to_owned()),
        time_zone: "Europe/Berlin".to_owned().into(),
        date_of_birth: jiff::civil::date(1990, 9, 25).into(),
        do_not_disturb: Some(true),
        channels: [(Channel::Sms, Closed::Active), (Channel::WhatsApp, Closed::Inactive)].into(),
        custom_fields: [(custom_field.to_owned(), json!("gold"))].into(),
        ..ContactFields::default()
    };
    let new = NewContact {
        company: Some("Acme".to_owned()),
        tags: vec!["vip".to_owned()],
        fields: fields.clone(),
        ..NewContact::new(Reach::Email("ann.smith.new@example.com".to_owned()))
    };
    let task = NewTask {
        title: "Call".to_owned(),
        due_at: instant("2030-01-01T10:00:00Z"),
        done: false,
        body: Some("<p>now</p>".to_owned()),
        assigned_to: None,
    };
    let more = NoteFields { title: Some("Call".to_owned()), color: Some("#FFAA00".to_owned()), pinned: Some(true), user_id: None };
    let note = NewNote { body: "Reached".to_owned(), more: more.clone() };
    let tags = ["by-test".to_owned()];
    vec![
        ("create contact", client.create_contact(&new, zone).await.map(drop)),
        ("find created contact", client.find_created_contact(&new, zone).await.map(drop)),
        ("update contact", client.update_contact(&of.contact, &fields, zone).await.map(drop)),
        ("add tags", client.add_tags(&of.contact, &tags).await.map(drop)),
        ("remove tags", client.remove_tags(&of.contact, &tags).await.map(drop)),
        ("create task", client.create_task(&of.contact, &task, zone).await.map(drop)),
        ("find created task", client.find_created_task(&of.contact, &task, zone).await.map(drop)),
        (
            "update task",
            client
                .update_task(&of.contact, &of.task, &TaskChange { due_at: Some(task.due_at), ..TaskChange::default() }, zone)
                .await
                .map(drop),
        ),
        ("complete task", client.complete_task(&of.contact, &of.task, true, zone).await.map(drop)),
        ("delete task", client.delete_task(&of.contact, &of.task).await.map(drop)),
        ("create note", client.create_note(&of.contact, &note, zone).await.map(drop)),
        ("find created note", client.find_created_note(&of.contact, &note, zone).await.map(drop)),
        ("update note", client.update_note(&of.contact, &of.note, &NoteChange { body: None, more }, zone).await.map(drop)),
        ("delete note", client.delete_note(&of.contact, &of.note).await.map(drop)),
        ("delete contact", client.delete_contact(&of.contact).await.map(drop)),
    ]
}

/// Every argument that an operation takes.
pub(crate) fn all_arguments(operation: &Operation) -> Map<String, Value> {
    operation.wanted().map(|argument| (argument.name.to_owned(), sample(argument))).collect()
}

fn sample(argument: &Argument) -> Value {
    match (argument.name, argument.kind) {
        ("dueDate", _) => json!("2030-01-01T10:00:00Z"),
        ("dateOfBirth", _) => json!("1990-09-25"),
        ("startTime" | "endTime", _) => json!("1695600000000"),
        ("model", _) => json!("contact"),
        ("dndSettings", _) => json!({}),
        ("inboundDndSettings", _) => json!({"all": {"status": "active", "message": "on the phone"}}),
        ("customFields", _) => json!([{"id": "f-1", "field_value": "gold"}, {"id": "f-2", "field_value": ["a", "b"]}]),
        ("filters", _) => json!([{"field": "dateUpdated", "operator": "range", "value": {"gte": "2026-09-01T00:00:00.000Z"}}]),
        ("sort", _) => json!([{"field": "dateUpdated", "direction": "asc"}]),
        (_, Kind::Text) => json!("text"),
        (_, Kind::Number) => json!(1),
        (_, Kind::Flag) => json!(true),
        (_, Kind::Texts) => json!(["a", "b"]),
        (_, Kind::Json | Kind::Location) => json!([1, "a"]),
    }
}
