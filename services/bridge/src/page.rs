//! The web page: a workspace as a person knows Pagico. Read-only; works without JavaScript, lives with it.

mod assets;
mod clock;
mod data;
mod error_page;
mod follow;
mod query;
mod text;
mod view;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Redirect, Response};
use axum::routing::get;

use self::error_page::ErrorPage;
use self::query::{InPath, PageQuery, named};
use crate::app::App;

pub(crate) fn router(app: &Arc<App>) -> Router {
    let turns = from_fn_with_state(Arc::clone(app), visitor::limited);
    let pages = Router::new()
        .route("/", get(|| async { Redirect::to("/w") }))
        .route("/w", get(workspaces))
        .route("/w/{workspace}", get(show))
        .layer(turns)
        .route("/w/{workspace}/events", get(follow::follow));
    pages.layer(from_fn_with_state(Arc::clone(app), visitor::let_in)).layer(from_fn(assets::secure)).with_state(Arc::clone(app))
}

async fn workspaces(State(app): State<Arc<App>>) -> Result<Response, ErrorPage> {
    let most = app.limits.page_items_max.get();
    let heads = app.store.heads(None, most).await?;
    let aliases = app.store.aliases(None, most).await?;
    Ok(assets::render(StatusCode::OK, "workspaces.html", &view::workspaces(&heads, &aliases, most)))
}

async fn show(State(app): State<Arc<App>>, path: InPath, query: Result<Query<PageQuery>, QueryRejection>) -> Result<Response, ErrorPage> {
    let named = named(&app, path).await?;
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let seen = data::gather(&app, &named.workspace, &query).await?;
    let template = if query.fragment.is_some() { "fragment.html" } else { "workspace.html" };
    let status = if seen.is_missing() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    Ok(assets::render(status, template, &view::frame(&app, &named.name, &query, &seen)))
}
