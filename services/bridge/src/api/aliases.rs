//! Aliases: names that stay the same while the workspace they point at changes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::ErrorResponse;
use super::extract::{Answer, InBody, InPath, InQuery, ListQuery, body, cursor_after, from_cursor, from_query, named, page_size};
use crate::app::App;
use crate::request::check_workspace;
use crate::store::Alias;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    workspace: String,
}

pub(super) async fn list(State(app): State<Arc<App>>, query: InQuery<ListQuery>) -> Answer {
    let ListQuery { cursor, limit } = from_query(query)?;
    let limit = page_size(&app, limit)?;
    let after = cursor.as_deref().map(from_cursor).transpose()?;
    let mut aliases = app.store.aliases(after.as_deref(), limit + 1).await?;
    let more = aliases.len() > limit as usize;
    aliases.truncate(limit as usize);
    let next = aliases.last().filter(|_| more).map(|last| cursor_after(&last.alias));
    let items: Vec<Value> = aliases.iter().map(described).collect();
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

pub(super) async fn read(State(app): State<Arc<App>>, path: InPath<String>) -> Answer {
    let alias = named(&app, path)?;
    let workspace = app.store.resolve_alias(&alias).await?;
    Ok(Json(described(&Alias { alias, workspace })))
}

pub(super) async fn point(State(app): State<Arc<App>>, path: InPath<String>, given: InBody) -> Answer {
    let alias = named(&app, path)?;
    let Target { workspace } = body(given)?;
    check_workspace(&workspace, &app.limits).map_err(|message| ErrorResponse::unprocessable("invalid_workspace", message))?;
    let before = app.store.point_alias(&alias, &workspace).await?;
    if before.as_ref() != Some(&workspace) {
        tracing::info!(alias, workspace, before, "an alias points at another workspace");
        app.live.pointed(&alias, Some(&workspace));
    }
    Ok(Json(described(&Alias { alias, workspace })))
}

pub(super) async fn remove(State(app): State<Arc<App>>, path: InPath<String>) -> Answer<StatusCode> {
    let alias = named(&app, path)?;
    app.store.remove_alias(&alias).await?;
    app.live.pointed(&alias, None);
    Ok(StatusCode::NO_CONTENT)
}

fn described(alias: &Alias) -> Value {
    json!({"alias": alias.alias, "workspace": alias.workspace})
}
