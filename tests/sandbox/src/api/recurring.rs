//! `/locations/{id}/recurring-tasks`. There is no list of them.

use axum::{Extension, body::Bytes, extract::Path};
use serde_json::{Value, json};

use super::shapes::{object_body, own_location};
use crate::{
    Webhook,
    answer::{Answer, Reply},
    records::RecurringTask,
    wire,
    world::{World, no_rule},
};

fn told(rule: &RecurringTask, world: &World) -> Value {
    json!({"recurringTask": wire::recurring_task(rule, world.location_id())})
}

pub(crate) async fn create(Extension(world): Extension<World>, Path(location_id): Path<String>, body: Bytes) -> Answer {
    own_location(&world, Some(&location_id))?;
    let rule = world.create_recurring_task_as(&object_body(&body)?, Webhook::ByChance)?;
    Reply::created(&told(&rule, &world))
}

pub(crate) async fn read(Extension(world): Extension<World>, Path((location_id, id)): Path<(String, String)>) -> Answer {
    own_location(&world, Some(&location_id))?;
    let rule = world.state().recurring_tasks().get(&id).cloned().ok_or_else(|| no_rule(&id))?;
    Reply::ok(&told(&rule, &world))
}

pub(crate) async fn update(Extension(world): Extension<World>, Path((location_id, id)): Path<(String, String)>, body: Bytes) -> Answer {
    own_location(&world, Some(&location_id))?;
    Reply::ok(&told(&*world.update_recurring_task_as(&id, &object_body(&body)?)?, &world))
}

/// The tasks it made stay.
pub(crate) async fn delete(Extension(world): Extension<World>, Path((location_id, id)): Path<(String, String)>) -> Answer {
    own_location(&world, Some(&location_id))?;
    world.state().drop_recurring_task(&id).ok_or_else(|| no_rule(&id))?;
    Reply::ok(&json!({"id": id, "success": true}))
}
