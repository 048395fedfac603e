//! The agency and its app: where it is installed, and what becomes of tokens.

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::read;
use crate::{Webhook, agency::Agency, answer::Refusal, faults::FaultOrder, oauth::Consent, webhook::FateName};

type Done = Result<Json<Value>, Refusal>;

pub(super) fn routes(agency: &Agency) -> Router {
    let routes: Router<Agency> = Router::new()
        .route("/sandbox/app", get(app))
        .route("/sandbox/app/authorize", post(authorize))
        .route("/sandbox/app/uninstall", post(uninstall))
        .route("/sandbox/app/active", post(set_active))
        .route("/sandbox/app/private-token", post(set_private_token))
        .route("/sandbox/app/expire", post(expire))
        .route("/sandbox/app/locations", post(add_location))
        .route("/sandbox/app/faults", post(order_fault).delete(clear_faults));
    routes.with_state(agency.clone())
}

async fn app(State(agency): State<Agency>) -> Json<Value> {
    let installed = agency.installed();
    let locations = agency.worlds().into_iter().map(|world| {
        let since = installed.get(world.location_id());
        json!({"id": world.location_id(), "name": world.premises().name, "contacts": world.contact_count(), "installed": since})
    });
    Json(json!({
        "app_id": agency.app_id(),
        "company_id": agency.company_id(),
        "locations": locations.collect::<Vec<_>>(),
        "oauth": agency.oauth_stats(),
        "calls": agency.calls(),
        "violations": agency.limits_violated(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorize {
    location: Option<String>,
    #[serde(default)]
    agency: bool,
    #[serde(default)]
    future: bool,
    #[serde(default)]
    webhook: FateName,
}

async fn authorize(State(agency): State<Agency>, body: Bytes) -> Done {
    let wanted: Authorize = read(&body)?;
    let consent = match wanted.location {
        Some(id) => Consent::Location(id),
        None if wanted.agency => {
            let locations = agency.worlds().iter().map(|world| world.location_id().to_owned()).collect();
            Consent::Agency { locations, future: wanted.future }
        }
        None => return Err(Refusal::bad_request("location, or agency: true, is needed")),
    };
    let code = agency.authorize(&consent, wanted.webhook.fate(DELAY))?;
    Ok(Json(json!({ "code": code })))
}

const DELAY: std::time::Duration = std::time::Duration::from_secs(2);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Uninstall {
    /// None: the whole agency.
    location: Option<String>,
    #[serde(default)]
    webhook: FateName,
}

async fn uninstall(State(agency): State<Agency>, body: Bytes) -> Result<StatusCode, Refusal> {
    let wanted: Uninstall = read(&body)?;
    let fate: Webhook = wanted.webhook.fate(DELAY);
    match &wanted.location {
        Some(id) => agency.uninstall(id, fate),
        None => agency.uninstall_all(fate),
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Active {
    location: String,
    active: bool,
}

async fn set_active(State(agency): State<Agency>, body: Bytes) -> Result<StatusCode, Refusal> {
    let wanted: Active = read(&body)?;
    agency.set_active(&wanted.location, wanted.active);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivateToken {
    location: String,
    token: Option<String>,
}

async fn set_private_token(State(agency): State<Agency>, body: Bytes) -> Result<StatusCode, Refusal> {
    let wanted: PrivateToken = read(&body)?;
    agency.set_private_token(&wanted.location, wanted.token.as_deref());
    Ok(StatusCode::NO_CONTENT)
}

async fn expire(State(agency): State<Agency>) -> StatusCode {
    agency.expire_access_tokens();
    StatusCode::NO_CONTENT
}

async fn add_location(State(agency): State<Agency>) -> Done {
    let added = agency.add_location().map_err(|problem| Refusal::bad_request(&problem.to_string()))?;
    Ok(Json(json!({"id": added.location_id(), "token": added.token()})))
}

async fn order_fault(State(agency): State<Agency>, body: Bytes) -> Result<StatusCode, Refusal> {
    agency.order_fault(read::<FaultOrder>(&body)?);
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_faults(State(agency): State<Agency>) -> StatusCode {
    agency.door().clear_faults();
    StatusCode::NO_CONTENT
}
