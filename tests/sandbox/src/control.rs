//! `/sandbox/*`: what people do in GHL's own pages, and the weather, by curl. And a page at `/` that lists how.

mod people;

use axum::{
    Json, Router,
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

use crate::{
    answer::Refusal,
    faults::{AnswerChaos, FaultOrder},
    settings::{Chaos, Limits},
    story::{self, StorySettings},
    world::World,
};

#[derive(Clone)]
struct Control {
    world: World,
    stop: CancellationToken,
}

pub(crate) fn routes(world: &World, stop: &CancellationToken) -> Router {
    let control = Control { world: world.clone(), stop: stop.clone() };
    let weather: Router<Control> = Router::new()
        .route("/sandbox/snapshot", get(async |State(control): State<Control>| Json(control.world.snapshot())))
        .route("/sandbox/stats", get(async |State(control): State<Control>| Json(control.world.stats())))
        .route("/sandbox/keys", get(keys))
        .route("/sandbox/chaos", get(weather).post(set_weather))
        .route("/sandbox/faults", post(order_fault).delete(clear_faults))
        .route("/sandbox/limits", put(set_limits))
        .route("/sandbox/populate", post(populate))
        .route("/sandbox/story", post(tell_story));
    weather
        .with_state(control.clone())
        .merge(people::routes(world))
        .route_layer(middleware::from_fn_with_state(control, guard))
        .route("/", get(help).with_state(world.clone()))
}

async fn guard(State(control): State<Control>, request: Request, next: Next) -> Response {
    let Some(token) = &control.world.settings().control_token else { return next.run(request).await };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given.and_then(|value| value.strip_prefix("Bearer ")) == Some(token) {
        return next.run(request).await;
    }
    Refusal::unauthorized("the sandbox's control token is needed").into_response()
}

async fn help(State(world): State<World>) -> Html<String> {
    let first = world.contact_ids().into_iter().next().unwrap_or_else(|| "ID".to_owned());
    // Safe in the address and in the page, whatever the id is.
    let first = utf8_percent_encode(&first, NON_ALPHANUMERIC).to_string();
    let page = include_str!("control/help.html");
    Html(page.replace("{{location}}", world.location_id()).replace("{{contact}}", &first))
}

/// An empty body stands for the defaults.
fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|problem| Refusal::bad_request(&format!("not understood: {problem}")))
}

async fn keys(State(control): State<Control>) -> Result<Json<Value>, Refusal> {
    let pem = control.world.keys().ed25519_public_pem().map_err(|_opaque| Refusal::bad_request("no key"))?;
    Ok(Json(json!({"ed25519": pem})))
}

async fn weather(State(control): State<Control>) -> Json<Value> {
    Json(json!({"webhooks": control.world.chaos(), "answers": control.world.answer_chaos(), "limits": control.world.limits()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weather {
    webhooks: Option<Chaos>,
    answers: Option<AnswerChaos>,
}

async fn set_weather(State(control): State<Control>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let wanted: Weather = read(&body)?;
    if let Some(chaos) = wanted.webhooks {
        control.world.set_chaos(chaos);
    }
    if let Some(chaos) = wanted.answers {
        control.world.set_answer_chaos(chaos);
    }
    Ok(weather(State(control)).await)
}

async fn order_fault(State(control): State<Control>, body: Bytes) -> Result<StatusCode, Refusal> {
    control.world.order_fault(read::<FaultOrder>(&body)?);
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_faults(State(control): State<Control>) -> StatusCode {
    control.world.clear_faults();
    StatusCode::NO_CONTENT
}

async fn set_limits(State(control): State<Control>, body: Bytes) -> Result<Json<Limits>, Refusal> {
    control.world.set_limits(read(&body)?);
    Ok(Json(control.world.limits()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Populate {
    contacts: usize,
    #[serde(default = "one")]
    seed: u64,
}

fn one() -> u64 {
    1
}

const CONTACTS_MAX: usize = 100_000;

async fn populate(State(control): State<Control>, Query(wanted): Query<Populate>) -> Json<Value> {
    control.world.populate(wanted.seed, wanted.contacts.min(CONTACTS_MAX));
    Json(json!({"contacts": control.world.contact_count()}))
}

/// Starts it and answers at once.
async fn tell_story(State(control): State<Control>, body: Bytes) -> Result<(StatusCode, Json<StorySettings>), Refusal> {
    let settings: StorySettings = read(&body)?;
    let told = settings;
    drop(tokio::spawn(async move {
        let playing = story::play(&control.world, told, |_| ());
        if let Some(Err(refusal)) = control.stop.run_until_cancelled(playing).await {
            tracing::warn!(status = refusal.status(), "the story broke off");
        }
    }));
    Ok((StatusCode::ACCEPTED, Json(settings)))
}
