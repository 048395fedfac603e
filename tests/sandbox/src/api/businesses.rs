//! `/businesses`, and the contacts that belong to one.

use std::collections::BTreeMap;

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, Query},
};
use serde_json::{Value, json};

use super::shapes::{object_body, own_location, page};
use crate::{
    answer::{Answer, Refusal, Reply},
    records::{Business, Contact},
    wire::{self, ContactRow},
    world::World,
};

pub(crate) async fn list(Extension(world): Extension<World>, Query(query): Query<BTreeMap<String, String>>) -> Answer {
    own_location(&world, query.get("locationId").map(String::as_str))?;
    let rows: Vec<Value> = world.state().businesses().values().map(|row| wire::business(row, world.location_id())).collect();
    Reply::ok(&json!({"businesses": page(&rows, &query, 100)}))
}

pub(crate) async fn read(Extension(world): Extension<World>, Path(id): Path<String>) -> Answer {
    let business = world.state().businesses().get(&id).cloned().ok_or_else(|| Refusal::not_found("Business", &id))?;
    Reply::ok(&json!({"business": wire::business(&business, world.location_id())}))
}

/// The key is misspelt as GHL's is.
fn written(business: &Business, world: &World) -> Value {
    json!({"success": true, "buiseness": wire::business(business, world.location_id())})
}

pub(crate) async fn create(Extension(world): Extension<World>, body: Bytes) -> Answer {
    let body = object_body(&body)?;
    own_location(&world, body.get("locationId").and_then(Value::as_str))?;
    Reply::created(&written(&*world.create_business_as(&body)?, &world))
}

pub(crate) async fn update(Extension(world): Extension<World>, Path(id): Path<String>, body: Bytes) -> Answer {
    Reply::ok(&written(&*world.update_business_as(&id, &object_body(&body)?)?, &world))
}

pub(crate) async fn delete(Extension(world): Extension<World>, Path(id): Path<String>) -> Answer {
    world.state().drop_business(&id).ok_or_else(|| Refusal::not_found("Business", &id))?;
    Reply::ok(&json!({"success": true}))
}

/// `GET /contacts/business/{id}`, in the order of ids.
pub(crate) async fn contacts(
    Extension(world): Extension<World>,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    own_location(&world, query.get("locationId").map(String::as_str))?;
    let text = query.get("query").map(|text| text.to_lowercase()).unwrap_or_default();
    let state = world.state();
    state.businesses().get(&id).ok_or_else(|| Refusal::not_found("Business", &id))?;
    let belongs = state.folders().map(|folder| &folder.contact).filter(|contact| contact.business_id.as_ref() == Some(&id));
    let named = belongs.filter(|contact| contact.name().unwrap_or_default().to_lowercase().contains(&text));
    let rows: Vec<Value> = named.map(|row| told(row, &world)).collect();
    Reply::ok(&json!({"contacts": page(&rows, &query, 25), "count": rows.len()}))
}

fn told(contact: &Contact, world: &World) -> Value {
    serde_json::to_value(ContactRow(contact, world.location_id(), None)).unwrap_or_default()
}
