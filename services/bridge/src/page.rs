//! The web page: a workspace as a person knows Pagico. Read-only; works without JavaScript, lives with it.

mod ask;
mod assets;
mod clock;
mod data;
mod follow;
mod text;
mod view;
mod visitor;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::api::Refused;
use crate::app::App;
use crate::store::Error;
use ask::{Ask, InPath, named};

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
    let most = app.limits.page_items_max;
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

/// A refusal, as a page.
struct Failed(Refused);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(match error {
            Error::WorkspaceUnknown => Refused::new(StatusCode::NOT_FOUND, "workspace_unknown", "There is no workspace of that name."),
            Error::AliasUnknown
            | Error::Aliased(_)
            | Error::Leaving
            | Error::Pruned(_)
            | Error::OtherRequest
            | Error::Unavailable(_)
            | Error::Failed(_) => error.into(),
        })
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Self(refused) = self;
        let page = assets::message(refused.status, &refused.message);
        let mut response = (refused.status, Html(page)).into_response();
        if let Some(seconds) = refused.retry_after {
            response.headers_mut().insert(axum::http::header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
