//! `/contacts/{id}/tasks`.

use axum::{Extension, body::Bytes, extract::Path};
use serde_json::{Value, json};

use super::shapes::{object_body, succeeded};
use crate::{
    Webhook,
    answer::{Answer, Refusal, Reply},
    draft::Writer,
    wire::{self, ApiVersion},
    world::{World, task_of},
};

pub(crate) async fn list(Extension(world): Extension<World>, Path(contact_id): Path<String>) -> Answer {
    let tasks = world.state().folder(&contact_id).map(|folder| folder.tasks.clone());
    let tasks = tasks.ok_or_else(|| Refusal::not_found("Contact", &contact_id))?;
    Reply::ok(&json!({"tasks": tasks.iter().map(|task| wire::task(task)).collect::<Vec<_>>()}))
}

pub(crate) async fn create(Extension(world): Extension<World>, Path(contact_id): Path<String>, body: Bytes) -> Answer {
    let task = world.create_task_as(Writer::Creating, Some(&contact_id), &object_body(&body)?, Webhook::ByChance)?;
    Reply::created(&json!({"task": wire::task(&task)}))
}

pub(crate) async fn read(Extension(world): Extension<World>, Path((contact_id, task_id)): Path<(String, String)>) -> Answer {
    let task = task_of(&world.state(), Some(&contact_id), &task_id)?;
    Reply::ok(&json!({"task": wire::task(&task)}))
}

pub(crate) async fn update(Extension(world): Extension<World>, Path((contact_id, task_id)): Path<(String, String)>, body: Bytes) -> Answer {
    let task = world.update_task_as(Writer::Updating, Some(&contact_id), &task_id, &object_body(&body)?, Webhook::ByChance)?;
    Reply::ok(&json!({"task": wire::task(&task)}))
}

pub(crate) async fn complete(
    Extension(world): Extension<World>,
    Path((contact_id, task_id)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let body = object_body(&body)?;
    if !body.get("completed").is_some_and(Value::is_boolean) || body.len() != 1 {
        return Err(Refusal::unprocessable(&["completed must be a boolean value".to_owned()]));
    }
    let task = world.update_task_as(Writer::Updating, Some(&contact_id), &task_id, &body, Webhook::ByChance)?;
    Reply::ok(&json!({"task": wire::task(&task)}))
}

pub(crate) async fn delete(
    Extension(world): Extension<World>,
    Extension(version): Extension<ApiVersion>,
    Path((contact_id, task_id)): Path<(String, String)>,
) -> Answer {
    world.delete_task(&contact_id, &task_id, Webhook::ByChance)?;
    Reply::ok(&succeeded(&world, version, true))
}
