//! `/oauth`: tokens for codes, for refresh tokens and for locations, and where the app is installed.

use std::collections::BTreeMap;

use axum::{
    Extension,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use super::shapes::page;
use crate::{
    Webhook,
    agency::Agency,
    answer::{Answer, Refusal, Reply},
    oauth::{Consent, Denied, Holder, Issued},
    wire::{self, ApiVersion},
};

/// A form's fields by their names in version 2021-07-28, and how the caller's version spells them.
struct Form(BTreeMap<String, String>, ApiVersion);

impl Form {
    /// A form always, JSON in v3 only.
    fn read(headers: &HeaderMap, version: ApiVersion, body: &[u8]) -> Result<Self, Refusal> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let fields = match (kind.split(';').next().unwrap_or_default().trim(), version) {
            ("application/x-www-form-urlencoded", _) => form_urlencoded::parse(body).into_owned().collect(),
            ("application/json", ApiVersion::V3) => {
                let fields: BTreeMap<String, Value> =
                    serde_json::from_slice(body).map_err(|_quotes_content| Refusal::bad_request("Unexpected token in JSON"))?;
                fields.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect()
            }
            _ => return Err(Refusal::bad_request("Invalid request: content must be application/x-www-form-urlencoded")),
        };
        Ok(Self(fields, version))
    }

    fn spelled(&self, field: &str) -> String {
        match self.1 {
            ApiVersion::V2 => field.to_owned(),
            ApiVersion::V3 => wire::camel(field),
        }
    }

    fn optional(&self, field: &str) -> Option<&str> {
        self.0.get(&self.spelled(field)).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn required(&self, field: &str) -> Result<&str, Refusal> {
        self.optional(field).ok_or_else(|| Refusal::bad_request(&format!("Missing parameter: {}", self.spelled(field))))
    }
}

fn refused(denied: Denied) -> Refusal {
    match denied {
        Denied::Client => Refusal::unauthorized("Invalid client: client credentials are invalid"),
        Denied::Code => Refusal::bad_request("Invalid grant: authorization code is invalid"),
        Denied::Refresh => Refusal::bad_request("Invalid grant: refresh token is invalid"),
        Denied::NotActive => Refusal::bad_request("Location is not active"),
        Denied::NotInstalled => Refusal::bad_request("Location not found or the app is not installed in it"),
    }
}

/// `POST /oauth/token`.
pub(crate) async fn token(
    State(agency): State<Agency>,
    Extension(version): Extension<ApiVersion>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let form = Form::read(&headers, version, &body)?;
    let (client_id, client_secret) = (form.required("client_id")?, form.required("client_secret")?);
    let grant_type = form.required("grant_type")?;
    let other_redirect = form.optional("redirect_uri").is_some_and(|uri| uri != agency.app().redirect_uri());
    let issued = match grant_type {
        "authorization_code" => {
            let code = form.required("code")?;
            agency.grant(|app, now| match app.is_client(client_id, client_secret) {
                false => Err(Denied::Client),
                true if other_redirect => Err(Denied::Code),
                true => app.exchange(code, now),
            })
        }
        "refresh_token" => {
            let token = form.required("refresh_token")?;
            agency.grant(|app, now| if app.is_client(client_id, client_secret) { app.rotate(token, now) } else { Err(Denied::Client) })
        }
        _ => return Err(Refusal::bad_request(&format!("Invalid parameter: {}", form.spelled("grant_type")))),
    };
    told(&agency, &issued.map_err(refused)?, version, false)
}

/// `POST /oauth/locationToken`, in v3 `/oauth/location-token`, with the agency's token.
pub(crate) async fn location_token(
    State(agency): State<Agency>,
    Extension(version): Extension<ApiVersion>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    // Only here v3 has the names of v2, which have no underscores.
    let form = Form::read(&headers, version, &body)?;
    if form.required("companyId")? != agency.company_id() {
        return Err(Refusal::forbidden());
    }
    let location_id = form.required("locationId")?;
    let issued = agency.grant(|app, now| app.location_token(location_id, now)).map_err(refused)?;
    told(&agency, &issued, version, true)
}

/// That a location's token comes with a refresh token is not in the schema of 2021-07-28, but seen in the field.
fn told(agency: &Agency, issued: &Issued, version: ApiVersion, to_agency: bool) -> Answer {
    let app = agency.app();
    let user_id = agency.first().and_then(|world| world.user_ids().into_iter().next()).unwrap_or_default();
    let (spelled, mut fields): (fn(&str) -> String, _) = match version {
        ApiVersion::V2 => (str::to_owned, Map::new()),
        ApiVersion::V3 => (wire::camel, Map::new()),
    };
    fields.insert(spelled("access_token"), json!(issued.access));
    fields.insert(spelled("token_type"), json!("Bearer"));
    fields.insert(spelled("expires_in"), json!(issued.expires_in.as_secs()));
    fields.insert(spelled("refresh_token"), json!(issued.refresh));
    fields.insert("scope".to_owned(), json!(app.scopes()));
    fields.insert("userId".to_owned(), json!(user_id));
    fields.insert("companyId".to_owned(), json!(agency.company_id()));
    match &issued.holder {
        Holder::Location(id) => {
            fields.insert("userType".to_owned(), json!("Location"));
            fields.insert("locationId".to_owned(), json!(id));
            fields.insert("isBulkInstallation".to_owned(), json!(false));
            if to_agency {
                fields.insert("appId".to_owned(), json!(app.id));
                fields.insert("versionId".to_owned(), json!(app.version_id));
            }
        }
        Holder::Agency => {
            let approved: Vec<&String> = app.installed().keys().collect();
            fields.insert("userType".to_owned(), json!("Company"));
            fields.insert("approvedLocations".to_owned(), json!(approved));
            fields.insert("isBulkInstallation".to_owned(), json!(true));
            fields.insert("installToFutureLocations".to_owned(), json!(app.future));
            fields.insert("approveAllLocations".to_owned(), json!(app.future));
        }
    }
    Reply::ok(&fields)
}

/// What both spellings of the list have: the rows asked for, before paging.
fn installed(agency: &Agency, query: &BTreeMap<String, String>) -> Vec<Value> {
    let app = agency.app();
    let text = query.get("query").map(|text| text.to_lowercase()).unwrap_or_default();
    let wanted = query.get("isInstalled").map(|flag| flag == "true");
    let only = query.get("locationId");
    let mut rows = Vec::new();
    for world in agency.worlds() {
        let (id, name) = (world.location_id(), &world.premises().name);
        let since = app.installed().get(id);
        let fits = name.to_lowercase().contains(&text)
            && wanted.is_none_or(|wanted| wanted == since.is_some())
            && only.is_none_or(|only| only == id);
        if fits {
            rows.push(wire::present(json!({
                "_id": id,
                "name": name,
                "address": "12 Harbour Street, Portland, ME 04101, US",
                "isInstalled": since.is_some(),
                "versionId": since.map(|_| &app.version_id),
                "installedAt": since.map(|at| wire::instant(*at)),
            })));
        }
    }
    rows
}

/// `GET /oauth/installedLocations`.
pub(crate) async fn installed_locations(State(agency): State<Agency>, Query(query): Query<BTreeMap<String, String>>) -> Answer {
    for key in ["companyId", "appId"] {
        if query.get(key).is_none_or(String::is_empty) {
            return Err(Refusal::missing(key));
        }
    }
    if query.get("companyId").map(String::as_str) != Some(agency.company_id()) {
        return Err(Refusal::forbidden());
    }
    let rows = if query.get("appId") == Some(&agency.app_id()) { installed(&agency, &query) } else { Vec::new() };
    let future = agency.app().future;
    Reply::ok(&json!({"locations": page(&rows, &query, 20), "count": rows.len(), "installToFutureLocations": future}))
}

const PAGE_SIZE: usize = 20;

/// `GET /oauth/installed-locations`: the list of v3, with errors and pages of its own kind. A token of a page is its offset.
pub(crate) async fn installed_locations_v3(
    State(agency): State<Agency>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Reply, Response> {
    let invalid = |key: &str| Refusal::aip(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", &format!("{key} is invalid")).into_response();
    for (key, wanted) in [("companyId", agency.company_id().to_owned()), ("appId", agency.app_id())] {
        match query.get(key) {
            Some(given) if *given == wanted => {}
            Some(_) if key == "appId" => {
                let message = "The requested App was not found.";
                return Err(Refusal::aip(StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND", message).into_response());
            }
            _ => return Err(invalid(key)),
        }
    }
    let number = |key: &str, otherwise: usize| query.get(key).map_or(Some(otherwise), |text| text.parse().ok());
    let size = number("pageSize", PAGE_SIZE).filter(|size| *size > 0).ok_or_else(|| invalid("pageSize"))?;
    let from = number("pageToken", 0).ok_or_else(|| invalid("pageToken"))?;
    let rows = installed(&agency, &query);
    let items: Vec<&Value> = rows.iter().skip(from).take(size).collect();
    let next = from.saturating_add(items.len());
    let more = next < rows.len();
    let pagination = wire::present(json!({
        "totalRecords": rows.len(),
        "hasNextPage": more,
        "hasPrevPage": from > 0,
        "nextPageToken": more.then(|| next.to_string()),
        "prevPageToken": (from > 0).then(|| from.saturating_sub(size).to_string()),
        "currentPageSize": items.len(),
    }));
    let future = agency.app().future;
    Reply::ok(&json!({"items": items, "pagination": pagination, "installToFutureLocations": future})).map_err(Refusal::into_response)
}

/// `GET /oauth/chooselocation`, where a person picks what to install the app in: a page with a link for each location and one for the
/// whole agency. `&choose=` with the id of a location or of the agency is what such a link says.
pub(crate) async fn choose(State(agency): State<Agency>, Query(query): Query<BTreeMap<String, String>>) -> Result<Response, Refusal> {
    let text = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    if text("response_type") != "code" {
        return Err(Refusal::bad_request("Invalid parameter: response_type"));
    }
    if !agency.app().knows_client(text("client_id")) {
        return Err(Refusal::bad_request("Invalid parameter: client_id"));
    }
    if text("redirect_uri") != agency.app().redirect_uri() {
        return Err(Refusal::bad_request("Invalid parameter: redirect_uri"));
    }
    let ids: Vec<String> = agency.worlds().iter().map(|world| world.location_id().to_owned()).collect();
    let consent = match query.get("choose") {
        None => return Ok(choices(&agency, &query).into_response()),
        Some(id) if id == agency.company_id() => Consent::Agency { locations: ids, future: true },
        Some(id) => Consent::Location(id.clone()),
    };
    let code = agency.authorize(&consent, Webhook::ByChance)?;
    let mut back = Url::parse(text("redirect_uri")).map_err(|_quotes_address| Refusal::bad_request("Invalid parameter: redirect_uri"))?;
    back.query_pairs_mut().append_pair("code", &code);
    if let Some(state) = query.get("state") {
        back.query_pairs_mut().append_pair("state", state);
    }
    Ok(Redirect::to(back.as_str()).into_response())
}

/// Ids only, so that nothing has to be escaped.
fn choices(agency: &Agency, query: &BTreeMap<String, String>) -> Html<String> {
    let link = |id: &str, what: &str| {
        let asked = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).append_pair("choose", id).finish();
        format!("<li><a href=\"?{}\">{what} <code>{id}</code></a></li>", asked.replace('&', "&amp;"))
    };
    let locations: String = agency.worlds().iter().map(|world| link(world.location_id(), "location")).collect();
    let whole = link(agency.company_id(), "the whole agency");
    Html(format!("<!doctype html><title>Install the app</title><h1>Install the app in</h1><ul>{locations}{whole}</ul>"))
}
