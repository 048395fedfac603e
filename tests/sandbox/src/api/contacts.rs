//! `/contacts/{id}`: create, read, update, upsert, delete.

use std::sync::Arc;

use axum::{Extension, body::Bytes, extract::Path};
use serde_json::{Value, json};

use super::shapes::{object_body, own_location, succeeded};
use crate::{
    Webhook,
    answer::{Answer, Refusal, Reply},
    draft::Writer,
    records::Contact,
    wire::{ApiVersion, ContactById},
    world::World,
};

fn told(contact: &Contact, world: &World, version: ApiVersion) -> Value {
    serde_json::to_value(ContactById(contact, world.location_id(), version)).unwrap_or_default()
}

#[derive(serde::Serialize)]
struct Wrapped<'a> {
    contact: ContactById<'a>,
}

pub(crate) async fn create(Extension(world): Extension<World>, Extension(version): Extension<ApiVersion>, body: Bytes) -> Answer {
    let body = object_body(&body)?;
    own_location(&world, body.get("locationId").and_then(Value::as_str))?;
    let contact = world.create_contact_as(Writer::Creating, &body, Webhook::ByChance)?;
    Reply::created(&json!({"contact": told(&contact, &world, version)}))
}

pub(crate) async fn read(
    Extension(world): Extension<World>,
    Extension(version): Extension<ApiVersion>,
    Path(contact_id): Path<String>,
) -> Answer {
    let contact = world.state().folder(&contact_id).map(|folder| Arc::clone(&folder.contact));
    let contact = contact.ok_or_else(|| Refusal::not_found("Contact", &contact_id))?;
    Reply::ok(&Wrapped { contact: ContactById(&contact, world.location_id(), version) })
}

pub(crate) async fn update(
    Extension(world): Extension<World>,
    Extension(version): Extension<ApiVersion>,
    Path(contact_id): Path<String>,
    body: Bytes,
) -> Answer {
    let body = object_body(&body)?;
    let contact = world.update_contact_as(Writer::Updating, &contact_id, &body, Webhook::ByChance)?;
    let mut answer = succeeded(&world, version, false);
    answer.insert("contact".to_owned(), told(&contact, &world, version));
    Reply::ok(&answer)
}

pub(crate) async fn upsert(Extension(world): Extension<World>, Extension(version): Extension<ApiVersion>, body: Bytes) -> Answer {
    let body = object_body(&body)?;
    own_location(&world, body.get("locationId").and_then(Value::as_str))?;
    let upserted = world.upsert_contact_as(&body, Webhook::ByChance)?;
    Reply::ok(&json!({"new": upserted.new, "contact": told(&upserted.contact, &world, version)}))
}

pub(crate) async fn delete(
    Extension(world): Extension<World>,
    Extension(version): Extension<ApiVersion>,
    Path(contact_id): Path<String>,
) -> Answer {
    world.delete_contact(&contact_id, Webhook::ByChance)?;
    Reply::ok(&succeeded(&world, version, true))
}
