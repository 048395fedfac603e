//! The simulated endpoints, one file per family, under GHL's own paths.

mod businesses;
mod calendars;
mod contacts;
mod locations;
mod notes;
mod oauth;
mod recurring;
mod search;
mod shapes;
mod tags;
mod tasks;
mod users;

use crate::{agency::Agency, answer::Refusal, gate};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware,
    routing::{delete, get, post, put},
};

pub(crate) fn routes(agency: &Agency) -> Router {
    let body_bytes_max = agency.settings().body_bytes_max;
    let gated = of_location().layer(middleware::from_fn_with_state(agency.clone(), gate::of_location));
    gated
        .merge(of_agency().layer(middleware::from_fn_with_state(agency.clone(), gate::of_agency)))
        .merge(open().layer(middleware::from_fn_with_state(agency.clone(), gate::open)))
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .with_state(agency.clone())
}

fn open() -> Router<Agency> {
    Router::new()
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/chooselocation", get(oauth::choose))
        .route("/v2/oauth/chooselocation", get(oauth::choose))
}

fn of_agency() -> Router<Agency> {
    Router::new()
        .route("/oauth/locationToken", post(oauth::location_token))
        .route("/oauth/location-token", post(oauth::location_token))
        .route("/oauth/installedLocations", get(oauth::installed_locations))
        .route("/oauth/installed-locations", get(oauth::installed_locations_v3))
        .route("/locations/search", get(locations::search))
}

fn of_location() -> Router<Agency> {
    let routes: Router<Agency> = Router::new()
        .route("/contacts/", post(contacts::create))
        .route("/contacts", post(contacts::create))
        .route("/contacts/search", post(search::contacts))
        .route("/contacts/search/duplicate", get(search::duplicate))
        .route("/contacts/upsert", post(contacts::upsert))
        .route("/contacts/{contactId}", get(contacts::read).put(contacts::update).delete(contacts::delete))
        .route("/contacts/{contactId}/tasks", get(tasks::list).post(tasks::create))
        .route("/contacts/{contactId}/tasks/{taskId}", get(tasks::read).put(tasks::update).delete(tasks::delete))
        .route("/contacts/{contactId}/tasks/{taskId}/completed", put(tasks::complete))
        .route("/contacts/{contactId}/notes", get(notes::list).post(notes::create))
        .route("/contacts/{contactId}/notes/{id}", get(notes::read).put(notes::update).delete(notes::delete))
        .route("/contacts/{contactId}/tags", post(tags::add).delete(tags::remove))
        .route("/contacts/{contactId}/appointments", get(calendars::of_contact))
        .route("/calendars/", get(calendars::list))
        .route("/calendars", get(calendars::list))
        .route("/calendars/events", get(calendars::events))
        .route("/calendars/events/{eventId}", delete(calendars::delete))
        .route("/calendars/events/appointments", post(calendars::create))
        .route("/calendars/events/appointments/{eventId}", get(calendars::read).put(calendars::update))
        .route("/contacts/business/{businessId}", get(businesses::contacts))
        .route("/businesses/", get(businesses::list).post(businesses::create))
        .route("/businesses", get(businesses::list).post(businesses::create))
        .route("/businesses/{businessId}", get(businesses::read).put(businesses::update).delete(businesses::delete))
        .route("/users/search", get(users::search))
        .route("/users/{userId}", get(users::read))
        .route("/locations/{locationId}", get(locations::read))
        .route("/locations/{locationId}/customFields", get(locations::custom_fields))
        .route("/locations/{locationId}/customFields/{id}", get(locations::custom_field))
        .route("/locations/{locationId}/tags", get(tags::of_location).post(tags::create))
        .route("/locations/{locationId}/tags/{tagId}", get(tags::read))
        .route("/locations/{locationId}/recurring-tasks", post(recurring::create))
        .route("/locations/{locationId}/recurring-tasks/{id}", get(recurring::read).put(recurring::update).delete(recurring::delete))
        .route("/locations/{locationId}/tasks/search", post(search::tasks));
    routes.fallback(unknown).method_not_allowed_fallback(unknown)
}

async fn unknown(request: Request) -> Refusal {
    Refusal::no_such_route(request.method().as_str(), request.uri().path())
}
