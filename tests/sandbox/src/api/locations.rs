//! `/locations/{id}` and its custom field definitions.

use std::collections::BTreeMap;

use axum::{
    Extension,
    extract::{Path, Query, State},
};
use serde_json::{Value, json};

use super::shapes::{own_location, page};
use crate::{
    agency::Agency,
    answer::{Answer, Refusal, Reply},
    wire,
    world::World,
};

/// Of the agency, with its token.
pub(crate) async fn search(State(agency): State<Agency>, Query(query): Query<BTreeMap<String, String>>) -> Answer {
    if query.get("companyId").is_some_and(|id| id != agency.company_id()) {
        return Err(Refusal::forbidden());
    }
    let rows: Vec<Value> = agency.worlds().iter().map(|world| wire::location(world.premises())).collect();
    Reply::ok(&json!({"locations": page(&rows, &query, 10)}))
}

pub(crate) async fn read(Extension(world): Extension<World>, Path(location_id): Path<String>) -> Answer {
    own_location(&world, Some(&location_id))?;
    Reply::ok(&json!({"location": wire::location(world.premises())}))
}

pub(crate) async fn custom_fields(
    Extension(world): Extension<World>,
    Path(location_id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    own_location(&world, Some(&location_id))?;
    let of_contacts = query.get("model").is_none_or(|model| model == "contact" || model == "all");
    let fields = world.custom_fields();
    let fields = fields.iter().filter(|_| of_contacts);
    let fields: Vec<Value> = fields.map(|field| wire::custom_field(field, &location_id)).collect();
    Reply::ok(&json!({ "customFields": fields }))
}

pub(crate) async fn custom_field(Extension(world): Extension<World>, Path((location_id, id)): Path<(String, String)>) -> Answer {
    own_location(&world, Some(&location_id))?;
    let fields = world.custom_fields();
    let field = fields.iter().find(|field| field.id == id).ok_or_else(|| Refusal::not_found("Custom field", &id))?;
    Reply::ok(&json!({"customField": wire::custom_field(field, &location_id)}))
}
