//! `/users`.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Refusal, Reply},
    wire,
    world::World,
};

pub(crate) async fn search(State(world): State<World>, Query(query): Query<BTreeMap<String, String>>) -> Answer {
    match query.get("companyId") {
        None => return Err(Refusal::missing("companyId")),
        Some(id) if id == world.company_id() => {}
        Some(_) => return Err(Refusal::forbidden()),
    }
    let number = |key: &str, otherwise: usize| query.get(key).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let text = query.get("query").map(|text| text.to_lowercase()).unwrap_or_default();
    let here = query.get("locationId").is_none_or(|id| id == world.location_id());
    let matching: Vec<Value> = world
        .premises()
        .users
        .values()
        .filter(|user| here && (user.name().to_lowercase().contains(&text) || user.email.contains(&text)))
        .map(|user| wire::user(user, world.location_id()))
        .collect();
    let page: Vec<&Value> = matching.iter().skip(number("skip", 0)).take(number("limit", 25)).collect();
    Reply::ok(&json!({"users": page, "count": matching.len()}))
}

pub(crate) async fn read(State(world): State<World>, Path(user_id): Path<String>) -> Answer {
    let user = world.premises().users.get(&user_id).ok_or_else(|| Refusal::not_found("User", &user_id))?;
    let mut told = wire::user(user, world.location_id());
    if let Some(fields) = told.as_object_mut() {
        // Only the list tells it.
        fields.remove("deleted");
    }
    Reply::ok(&told)
}
