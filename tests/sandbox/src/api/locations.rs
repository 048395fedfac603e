//! `/locations/{id}` and its custom field definitions.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::own_location;
use crate::{
    answer::{Answer, Refusal, Reply},
    wire,
    world::World,
};

pub(crate) async fn read(State(world): State<World>, Path(location_id): Path<String>) -> Answer {
    own_location(&world, Some(&location_id))?;
    Reply::ok(&json!({"location": wire::location(world.premises())}))
}

pub(crate) async fn custom_fields(
    State(world): State<World>,
    Path(location_id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    own_location(&world, Some(&location_id))?;
    let of_contacts = query.get("model").is_none_or(|model| model == "contact" || model == "all");
    let fields = world.premises().custom_fields.values().filter(|_| of_contacts);
    let fields: Vec<Value> = fields.map(|field| wire::custom_field(field, &location_id)).collect();
    Reply::ok(&json!({ "customFields": fields }))
}

pub(crate) async fn custom_field(State(world): State<World>, Path((location_id, id)): Path<(String, String)>) -> Answer {
    own_location(&world, Some(&location_id))?;
    let field = world.premises().custom_fields.get(&id).ok_or_else(|| Refusal::not_found("Custom field", &id))?;
    Reply::ok(&json!({"customField": wire::custom_field(field, &location_id)}))
}
