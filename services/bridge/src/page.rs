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

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Redirect, Response};
use axum::routing::get;

use self::error_page::Failed;
use self::query::{Ask, InPath, named};
use crate::app::App;

pub(crate) fn router(app: &App) -> Router {
    let turns = from_fn_with_state(App::clone(app), visitor::take_turn);
    let pages = Router::new()
        .route("/", get(|| async { Redirect::to("/w") }))
        .route("/w", get(workspaces))
        .route("/w/{workspace}", get(show))
        .layer(turns)
        .route("/w/{workspace}/events", get(follow::follow));
    pages.layer(from_fn_with_state(App::clone(app), visitor::let_in)).layer(from_fn(assets::secure)).with_state(App::clone(app))
}

async fn workspaces(State(app): State<App>) -> Result<Response, Failed> {
    let most = app.limits.page_items_max.get();
    let heads = app.store.heads(None, most).await?;
    let aliases = app.store.aliases(None, most).await?;
    Ok(assets::render(StatusCode::OK, "workspaces.html", &view::workspaces(&heads, &aliases, most)))
}

async fn show(State(app): State<App>, path: InPath, query: Result<Query<Ask>, QueryRejection>) -> Result<Response, Failed> {
    let named = named(&app, path).await?;
    let ask = query.map(|Query(ask)| ask).unwrap_or_default();
    let seen = data::gather(&app, &named.workspace, &ask).await?;
    let template = if ask.fragment.is_some() { "fragment.html" } else { "workspace.html" };
    let status = if seen.is_missing() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    Ok(assets::render(status, template, &view::frame(&app, &named.name, &ask, &seen)))
}
