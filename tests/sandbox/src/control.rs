//! `/sandbox/*`: what people do in GHL's own pages, and the weather, by curl. And a page at `/` that lists how.

mod app;
mod body;
mod people;

use std::collections::BTreeMap;

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{Query, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post, put},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use self::body::read;
use crate::{
    agency::Agency,
    answer::Refusal,
    faults::{AnswerChaos, FaultOrder},
    settings::{Chaos, Limits, SearchSettings, Touch},
    story::{self, StorySettings},
    world::World,
    year::{Year, YearSettings},
};

#[derive(Clone)]
struct Control {
    agency: Agency,
    stop: CancellationToken,
}

pub(crate) fn routes(agency: &Agency, stop: &CancellationToken) -> Router {
    let control = Control { agency: agency.clone(), stop: stop.clone() };
    let weather: Router<Control> = Router::new()
        .route("/sandbox/snapshot", get(async |Extension(world): Extension<World>| Json(world.snapshot())))
        .route("/sandbox/stats", get(async |Extension(world): Extension<World>| Json(world.stats())))
        .route("/sandbox/violations", get(async |Extension(world): Extension<World>| Json(world.limits_violated())))
        .route("/sandbox/keys", get(keys))
        .route("/sandbox/chaos", get(weather).post(set_weather))
        .route("/sandbox/faults", post(order_fault).delete(clear_faults))
        .route("/sandbox/withheld", post(withhold).delete(give_back))
        .route("/sandbox/limits", put(set_limits))
        .route("/sandbox/populate", post(populate))
        .route("/sandbox/year", post(live_year))
        .route("/sandbox/story", post(tell_story));
    weather
        .with_state(control.clone())
        .merge(people::routes())
        .route_layer(middleware::from_fn_with_state(control.clone(), location))
        .merge(app::routes(agency))
        .route_layer(middleware::from_fn_with_state(control, guard))
        .route("/", get(help).with_state(agency.clone()))
}

/// `?location=` says which one is meant; the first when it is absent.
async fn location(State(control): State<Control>, mut request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let named = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "location").map(|(_, id)| id.into_owned());
    let world = match &named {
        Some(id) => control.agency.world(id),
        None => control.agency.first(),
    };
    let Some(world) = world else { return Refusal::not_found("Location", &named.unwrap_or_default()).into_response() };
    request.extensions_mut().insert(world);
    next.run(request).await
}

async fn guard(State(control): State<Control>, request: Request, next: Next) -> Response {
    let Some(token) = &control.agency.settings().control_token else { return next.run(request).await };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given.and_then(|value| value.strip_prefix("Bearer ")) == Some(token) {
        return next.run(request).await;
    }
    Refusal::unauthorized("the sandbox's control token is needed").into_response()
}

async fn help(State(agency): State<Agency>) -> Html<String> {
    let world = agency.first();
    let location_id = world.as_ref().map(|world| world.location_id().to_owned()).unwrap_or_default();
    let first = world.and_then(|world| world.contact_ids().into_iter().next()).unwrap_or_else(|| "ID".to_owned());
    // Safe in the address and in the page, whatever the id is.
    let first = utf8_percent_encode(&first, NON_ALPHANUMERIC).to_string();
    let page = include_str!("control/help.html");
    Html(page.replace("{{location}}", &location_id).replace("{{contact}}", &first))
}

async fn keys(State(control): State<Control>) -> Result<Json<Value>, Refusal> {
    let pem = control.agency.keys().ed25519_public_pem().map_err(|_opaque| Refusal::bad_request("no key"))?;
    Ok(Json(json!({"ed25519": pem})))
}

async fn weather(Extension(world): Extension<World>) -> Json<Value> {
    Json(json!({
        "webhooks": world.chaos(),
        "answers": world.answer_chaos(),
        "search": world.search(),
        "touch": world.touch(),
        "limits": world.limits(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weather {
    webhooks: Option<Chaos>,
    answers: Option<AnswerChaos>,
    search: Option<SearchSettings>,
    touch: Option<Touch>,
}

async fn set_weather(Extension(world): Extension<World>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let wanted: Weather = read(&body)?;
    if let Some(chaos) = wanted.webhooks {
        world.set_chaos(chaos);
    }
    if let Some(chaos) = wanted.answers {
        world.set_answer_chaos(chaos);
    }
    if let Some(search) = wanted.search {
        world.set_search(search);
    }
    if let Some(touch) = wanted.touch {
        world.set_touch(touch);
    }
    Ok(weather(Extension(world)).await)
}

async fn order_fault(Extension(world): Extension<World>, body: Bytes) -> Result<StatusCode, Refusal> {
    world.order_fault(read::<FaultOrder>(&body)?);
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_faults(Extension(world): Extension<World>) -> StatusCode {
    world.clear_faults();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Withheld {
    /// A part of the path.
    path: String,
    #[serde(default = "unauthorized")]
    status: u16,
}

fn unauthorized() -> u16 {
    401
}

async fn withhold(Extension(world): Extension<World>, body: Bytes) -> Result<StatusCode, Refusal> {
    let wanted: Withheld = read(&body)?;
    if !matches!(wanted.status, 401 | 403) || wanted.path.is_empty() {
        return Err(Refusal::bad_request("path must not be empty, and status is 401 or 403"));
    }
    world.withhold(&wanted.path, wanted.status);
    Ok(StatusCode::NO_CONTENT)
}

async fn give_back(Extension(world): Extension<World>) -> StatusCode {
    world.give_back();
    StatusCode::NO_CONTENT
}

async fn set_limits(Extension(world): Extension<World>, body: Bytes) -> Result<Json<Limits>, Refusal> {
    world.set_limits(read(&body)?);
    Ok(Json(world.limits()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Populate {
    contacts: usize,
    #[serde(default = "one")]
    seed: u64,
    /// Already seen to.
    #[serde(rename = "location")]
    _location: Option<String>,
}

fn one() -> u64 {
    1
}

const CONTACTS_MAX: usize = 100_000;

async fn populate(Extension(world): Extension<World>, Query(wanted): Query<Populate>) -> Json<Value> {
    world.populate(wanted.seed, wanted.contacts.min(CONTACTS_MAX));
    Json(json!({"contacts": world.contact_count()}))
}

/// All of it, before it answers. Gives how often each deed was done, and what became of its webhooks.
async fn live_year(Extension(world): Extension<World>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let settings: YearSettings = read(&body)?;
    let lived = tokio::task::spawn_blocking(move || {
        let mut year = Year::new(&world, settings);
        let mut deeds = BTreeMap::<_, BTreeMap<_, usize>>::new();
        while let Some(step) = year.step(&world) {
            let step = step?;
            *deeds.entry(step.deed).or_default().entry(step.news).or_default() += 1;
        }
        Ok(json!({ "deeds": deeds }))
    });
    let broken_off = |_panicked| Refusal::bad_request("the year broke off");
    lived.await.map_err(broken_off)?.map(Json)
}

/// Starts it and answers at once.
async fn tell_story(
    State(control): State<Control>,
    Extension(world): Extension<World>,
    body: Bytes,
) -> Result<(StatusCode, Json<StorySettings>), Refusal> {
    let settings: StorySettings = read(&body)?;
    let told = settings;
    drop(tokio::spawn(async move {
        let playing = story::play(&world, told, |_| ());
        if let Some(Err(refusal)) = control.stop.run_until_cancelled(playing).await {
            tracing::warn!(status = refusal.status(), "the story broke off");
        }
    }));
    Ok((StatusCode::ACCEPTED, Json(settings)))
}
