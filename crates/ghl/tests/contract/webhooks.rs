//! The vendor's webhook examples and schemas: what they hint at is found, and what they tell is what a look would find.

use std::path::Path;

use axum::Router;
use domain::{ContactId, LocationId, Moment, RecordKind};
use ghl::webhook::{Hint, Webhook, read};
use ghl::{Versions, Zone};
use serde_json::{Map, Value, json};

use crate::contract;
use crate::everything::client;

/// What webhooks tell and this project does not keep: no part of a record in it.
const NOT_KEPT: [&str; 6] = ["attachments", "dndSettings", "groupId", "users", "type", "locationId"];

/// What only some kinds keep: tasks have no date of their own in any answer, appointments no source.
fn is_kept(kind: RecordKind, key: &str) -> bool {
    !NOT_KEPT.contains(&key) && !matches!((kind, key), (RecordKind::Task, "dateAdded") | (RecordKind::Appointment, "source"))
}

#[tokio::test]
async fn every_webhook_of_the_vendor_is_read_without_loss() {
    let Some(contract) = contract() else { return };
    let (mut examples, mut schemas) = (0, 0);
    for entry in std::fs::read_dir(contract.join("webhooks")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let Some(kind) = ["Contact", "Task", "Note", "Appointment"].into_iter().find(|kind| name.starts_with(kind)) else {
            check_other(&name, &entry.path());
            continue;
        };
        let body: Value = serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap();
        let body = if name.contains(".schema") {
            schemas += 1;
            let mut body = instance(&body, "x");
            body["type"] = Value::from(name.split('.').next().unwrap());
            body
        } else {
            examples += 1;
            body
        };
        check(&name, kind, &body).await;
    }
    assert_eq!((examples, schemas), (14, 14));
}

fn check_other(name: &str, file: &Path) {
    if name.contains(".example") {
        let read = read(&std::fs::read(file).unwrap()).unwrap();
        let Webhook::Installation(told) = read else {
            assert_eq!(read, Webhook::Other, "{name} is about nothing that is mirrored");
            return;
        };
        let body: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(told.installed, name.starts_with("AppInstall"), "{name}");
        assert_eq!(told.app_id, body["appId"]);
        assert_eq!(told.location_id.as_ref().map(LocationId::as_str), body["locationId"].as_str());
        assert_eq!(told.company_id.as_deref(), body["companyId"].as_str());
    }
}

async fn check(name: &str, kind: &str, body: &Value) {
    let Webhook::Hint(hint) = read(body.to_string().as_bytes()).unwrap() else { panic!("{name} is no hint") };
    let content = body.get("appointment").unwrap_or(body);
    assert_eq!(hint.location_id.as_str(), body["locationId"], "{name}");
    let id = hint.record.as_ref().map_or_else(|| hint.contact_id.as_ref().unwrap().as_str(), |(_, id)| id.as_str());
    assert_eq!(id, content["id"], "{name}");
    assert_eq!(
        hint.contact_id.as_ref().unwrap().as_str(),
        if kind == "Contact" { &content["id"] } else { &content["contactId"] },
        "{name}"
    );
    // Two of the vendor's examples say that they are of another type than the document they stand in.
    assert!(hint.kind.starts_with(kind), "{name}");

    let record_kind = hint.record.as_ref().map_or(RecordKind::Contact, |(kind, _)| *kind);
    let found = leaves(&looked_up(&hint, record_kind, content).await);
    let told = content.as_object().unwrap().iter();
    for (key, told) in told.filter(|(key, _)| is_kept(record_kind, key) && !matches!(key.as_str(), "id" | "contactId")) {
        for told in leaves(told) {
            assert!(found.iter().any(|found| is_same(&told, found)), "{name}: {key} is lost: {told} is not in {found:?}");
        }
    }
}

/// What a look finds, when GHL holds what the webhook tells.
async fn looked_up(hint: &Hint, kind: RecordKind, content: &Value) -> Value {
    let answer = match kind {
        RecordKind::Contact => json!({ "contact": content }),
        RecordKind::Task => json!({ "tasks": [content] }),
        RecordKind::Note => json!({ "notes": [content] }),
        RecordKind::Appointment => json!({ "events": [content] }),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, Router::new().fallback(async move || axum::Json(answer))).await });
    let (client, _) = client(&base_url, hint.location_id.as_str(), "token", Versions::default());
    let (contact, zone): (&ContactId, _) = (hint.contact_id.as_ref().unwrap(), Zone::named("Europe/Berlin"));
    let listed = match kind {
        RecordKind::Contact => return serde_json::to_value(client.contact(contact, &zone).await.unwrap().value.record).unwrap(),
        RecordKind::Task => client.tasks(contact, &zone).await.unwrap().value,
        RecordKind::Note => client.notes(contact, &zone).await.unwrap().value,
        RecordKind::Appointment => client.appointments(contact, &zone).await.unwrap().value,
    };
    server.abort();
    serde_json::to_value(&listed.records[0].1.record).unwrap()
}

/// Texts, numbers and truth values, and the keys of objects that are not fields: ids of custom fields.
fn leaves(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.iter().flat_map(leaves).collect(),
        Value::Object(fields) => fields.iter().flat_map(|(key, value)| [vec![Value::from(key.as_str())], leaves(value)].concat()).collect(),
        Value::Null => Vec::new(),
        leaf @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => vec![leaf.clone()],
    }
}

/// The same instant or the same day counts as the same; keys of fields that are spelled otherwise here do too.
fn is_same(told: &Value, found: &Value) -> bool {
    let (Some(told_text), Some(found_text)) = (told.as_str(), found.as_str()) else { return told == found };
    let same_instant =
        matches!((Moment::read(told_text), Moment::read(found_text)), (Moment::At(told), Moment::At(found)) if told == found);
    told_text == found_text
        || same_instant
        || (found_text.len() == 10 && told_text.starts_with(found_text))
        || matches!(told_text, "id" | "value")
}

/// Something that fits a schema, with a value for everything in it.
fn instance(schema: &Value, path: &str) -> Value {
    let one_of = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(|schemas| schemas.get(0));
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
            Value::Object(properties.iter().map(|(key, schema)| (key.clone(), instance(schema, key))).collect::<Map<_, _>>())
        }
        Some("array") => json!([instance(&schema["items"], path)]),
        Some("boolean") => json!(true),
        Some("number" | "integer") => json!(7),
        _ if path == "dateOfBirth" => json!("2000-01-05"),
        _ if path.starts_with("date") => json!("2024-03-01T10:00:00.000Z"),
        _ if path.ends_with("Time") || path == "dueDate" => json!("2024-03-02T10:00:00+01:00"),
        _ => one_of.map_or_else(|| Value::from(format!("some {path}")), |schema| instance(schema, path)),
    }
}
