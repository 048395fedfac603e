//! The REST contract: one table of routes from which both the router and the OpenAPI document are made.

mod aliases;
mod answer;
mod extract;
mod guard;
mod objects;
mod openapi;
mod routes;
mod schemas;
mod workspaces;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};

pub(crate) use answer::ErrorResponse;
pub(crate) use guard::count;

use crate::app::App;

pub(crate) fn router(app: &Arc<App>) -> Router {
    let mut guarded = Router::new();
    for route in routes::routes() {
        guarded = guarded.route(&route.path(), route.handler());
    }
    let document = openapi::document(&app.limits).to_string();
    guarded
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .layer(DefaultBodyLimit::max(app.limits.body_bytes_max))
        .layer(from_fn_with_state(Arc::clone(app), guard::guard))
        .merge(Router::new().route("/openapi.json", openapi::served(document)))
        .layer(from_fn(answer::no_store))
        .with_state(Arc::clone(app))
}
