//! Tags of a contact, and of the location.

use axum::{Extension, body::Bytes, extract::Path};
use serde_json::{Value, json};

use super::shapes::{json_body, own_location};
use crate::{
    Webhook,
    answer::{Answer, Refusal, Reply},
    draft,
    world::World,
};

/// `{"tags": ["…"]}`, also for the DELETE, which has a body.
fn tags(body: &[u8]) -> Result<Vec<String>, Refusal> {
    let body = json_body(body)?;
    let rows = body.get("tags").and_then(Value::as_array);
    let tags: Option<Vec<String>> = rows.and_then(|rows| rows.iter().map(|row| row.as_str().map(str::to_owned)).collect());
    tags.ok_or_else(|| Refusal::unprocessable(&["each value in tags must be a string".to_owned()]))
}

pub(crate) async fn add(Extension(world): Extension<World>, Path(contact_id): Path<String>, body: Bytes) -> Answer {
    Reply::created(&json!({"tags": world.change_tags(&contact_id, &tags(&body)?, &[], Webhook::ByChance)?}))
}

pub(crate) async fn remove(Extension(world): Extension<World>, Path(contact_id): Path<String>, body: Bytes) -> Answer {
    Reply::ok(&json!({"tags": world.change_tags(&contact_id, &[], &tags(&body)?, Webhook::ByChance)?}))
}

fn told(id: &str, name: &str, world: &World) -> Value {
    json!({"id": id, "name": name, "locationId": world.location_id()})
}

pub(crate) async fn of_location(Extension(world): Extension<World>, Path(location_id): Path<String>) -> Answer {
    own_location(&world, Some(&location_id))?;
    let tags: Vec<Value> = world.state().tags().iter().map(|(name, id)| told(id, name, &world)).collect();
    Reply::ok(&json!({ "tags": tags }))
}

pub(crate) async fn read(Extension(world): Extension<World>, Path((location_id, tag_id)): Path<(String, String)>) -> Answer {
    own_location(&world, Some(&location_id))?;
    let tag = world.state().tags().iter().find(|(_, id)| **id == tag_id).map(|(name, id)| told(id, name, &world));
    Reply::ok(&json!({"tag": tag.ok_or_else(|| Refusal::not_found("Tag", &tag_id))?}))
}

pub(crate) async fn create(Extension(world): Extension<World>, Path(location_id): Path<String>, body: Bytes) -> Answer {
    own_location(&world, Some(&location_id))?;
    let body = json_body(&body)?;
    let name = body.get("name").and_then(Value::as_str).map(str::to_owned);
    let name = draft::tag_names(name.as_slice()).pop().ok_or_else(|| Refusal::missing("name"))?;
    let id = world.state().ensure_tag(&name);
    Reply::ok(&json!({"tag": told(&id, &name, &world)}))
}
