//! `/users`.

use std::collections::BTreeMap;

use axum::{
    Extension,
    extract::{Path, Query},
};
use serde_json::{Value, json};

use super::shapes::page;
use crate::{
    answer::{Answer, Refusal, Reply},
    wire,
    world::World,
};

pub(crate) async fn search(Extension(world): Extension<World>, Query(query): Query<BTreeMap<String, String>>) -> Answer {
    match query.get("companyId") {
        None => return Err(Refusal::missing("companyId")),
        Some(id) if id == world.company_id() => {}
        Some(_) => return Err(Refusal::forbidden()),
    }
    let text = query.get("query").map(|text| text.to_lowercase()).unwrap_or_default();
    let here = query.get("locationId").is_none_or(|id| id == world.location_id());
    let matching: Vec<Value> = world
        .users()
        .iter()
        .filter(|user| here && (user.name().to_lowercase().contains(&text) || user.email.contains(&text)))
        .map(|user| wire::user(user, world.location_id()))
        .collect();
    Reply::ok(&json!({"users": page(&matching, &query, 25), "count": matching.len()}))
}

pub(crate) async fn read(Extension(world): Extension<World>, Path(user_id): Path<String>) -> Answer {
    let users = world.users();
    let user = users.iter().find(|user| user.id == user_id).ok_or_else(|| Refusal::not_found("User", &user_id))?;
    let mut told = wire::user(user, world.location_id());
    if let Some(fields) = told.as_object_mut() {
        // Only the list tells it.
        fields.remove("deleted");
    }
    Reply::ok(&told)
}
