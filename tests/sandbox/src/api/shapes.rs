//! What the endpoints have in common: bodies, pages, the location a call is for, and how success is spelled.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{answer::Refusal, settings::Spelling, wire::ApiVersion, world::World};

/// The body as JSON; what is not JSON is a 400.
pub(super) fn json_body(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|_quotes_content| Refusal::bad_request("Unexpected token in JSON"))
}

pub(super) fn object_body(bytes: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let Value::Object(fields) = json_body(bytes)? else {
        return Err(Refusal::bad_request("body must be a JSON object"));
    };
    Ok(fields)
}

/// What `skip` and `limit` leave.
pub(super) fn page<'a>(rows: &'a [Value], query: &BTreeMap<String, String>, limit: usize) -> Vec<&'a Value> {
    let number = |key: &str, otherwise: usize| query.get(key).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    rows.iter().skip(number("skip", 0)).take(number("limit", limit)).collect()
}

/// The token is good for one location.
pub(super) fn own_location(world: &World, location_id: Option<&str>) -> Result<(), Refusal> {
    match location_id {
        None | Some("") => Err(Refusal::missing("locationId")),
        Some(id) if id == world.location_id() => Ok(()),
        Some(_) => Err(Refusal::forbidden()),
    }
}

/// `{"succeded": true}`, in the spelling of the version or of the settings; v3's deletes carry both.
pub(super) fn succeeded(world: &World, version: ApiVersion, deleting: bool) -> Map<String, Value> {
    let (old, new) = match (world.settings().succeeded, version) {
        (Spelling::Both, _) => (true, true),
        (Spelling::Succeded, _) | (Spelling::AsVersion, ApiVersion::V2) => (true, false),
        (Spelling::Succeeded, _) => (false, true),
        (Spelling::AsVersion, ApiVersion::V3) => (deleting, true),
    };
    let spellings = [("succeded", old), ("succeeded", new)];
    spellings.into_iter().filter(|(_, used)| *used).map(|(spelling, _)| (spelling.to_owned(), json!(true))).collect()
}
