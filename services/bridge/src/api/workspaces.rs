//! Workspaces as a whole: their heads, digests and feeds.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refused;
use crate::app::{App, Parts};
use crate::decide::Revision;
use crate::request::{check_key, check_workspace};
use crate::store::{Change, Head};

type Answer<T = Json<Value>> = Result<T, Refused>;
pub(super) type InPath<T> = Result<Path<T>, PathRejection>;
pub(super) type InQuery<T> = Result<Query<T>, QueryRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedQuery {
    after: Option<u64>,
    limit: Option<u32>,
}

pub(super) async fn list(State(app): State<App>, query: InQuery<PageQuery>) -> Answer {
    let PageQuery { cursor, limit } = from_query(query)?;
    let limit = page_size(&app, limit)?;
    let after = cursor.as_deref().map(from_cursor).transpose()?;
    let mut heads = app.store.heads(after.as_deref(), limit + 1).await?;
    let more = heads.len() > limit as usize;
    heads.truncate(limit as usize);
    let next = heads.last().filter(|_| more).map(|head| cursor_after(&head.workspace));
    let items: Vec<Value> =
        heads.iter().map(|head| json!({"workspace": head.workspace, "objects": head.objects(), "position": head.position})).collect();
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

pub(super) async fn create(State(app): State<App>, path: InPath<String>) -> Answer<Response> {
    let workspace = workspace(&app, path)?;
    let created = app.store.create_workspace(&workspace).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, described(&app, &app.store.head(&workspace).await?).await?).into_response())
}

pub(super) async fn read(State(app): State<App>, path: InPath<String>) -> Answer {
    let workspace = workspace(&app, path)?;
    described(&app, &app.store.head(&workspace).await?).await
}

async fn described(app: &Parts, head: &Head) -> Answer {
    let root = app.roots.of(&head.workspace, head.position, || app.store.root(&head.workspace)).await?;
    let Head { workspace, position, .. } = head;
    Ok(Json(json!({"workspace": workspace, "objects": head.objects(), "position": position, "root": hex::encode(root.root)})))
}

pub(super) async fn digest(State(app): State<App>, path: InPath<String>) -> Answer {
    let workspace = workspace(&app, path)?;
    let head = app.store.head(&workspace).await?;
    let root = app.roots.of(&workspace, head.position, || app.store.root(&workspace)).await?;
    Ok(Json(json!({"root": hex::encode(root.root), "contacts": root.contacts, "objects": root.objects})))
}

pub(super) async fn contact_digest(State(app): State<App>, path: InPath<(String, String)>) -> Answer {
    let (workspace, key) = object_path(&app, path)?;
    app.store.head(&workspace).await?;
    let digest = app.store.contact_digest(&workspace, &key).await?;
    Ok(Json(json!({"digest": hex::encode(digest.digest), "objects": digest.objects})))
}

pub(super) async fn changes(State(app): State<App>, path: InPath<String>, query: InQuery<FeedQuery>) -> Answer {
    let workspace = workspace(&app, path)?;
    let FeedQuery { after, limit } = from_query(query)?;
    let after = after.unwrap_or_default();
    if i64::try_from(after).is_err() {
        return Err(Refused::unprocessable("invalid_position", "there can be no such position"));
    }
    let feed = app.store.changes(&workspace, after, page_size(&app, limit)?).await?;
    let next = feed.changes.last().map_or(after, |last| last.position);
    let items: Vec<Value> = feed.changes.iter().map(change).collect();
    Ok(Json(json!({"items": items, "next_after": next, "position": feed.position})))
}

fn change(change: &Change) -> Value {
    json!({
        "position": change.position,
        "op": if change.removed { "remove" } else { "put" },
        "kind": change.kind.as_str(),
        "key": change.key,
        "contact": change.contact,
        "revision": revision(change.revision),
        "digest": change.digest.map(hex::encode),
        "changed_at": change.changed_at.to_string(),
    })
}

pub(super) fn revision(revision: Revision) -> Value {
    json!({"epoch": revision.epoch, "seq": revision.seq})
}

pub(super) fn workspace(app: &Parts, path: InPath<String>) -> Answer<String> {
    let Path(workspace) = path.map_err(|_| bad_path())?;
    check_workspace(&workspace, &app.limits).map_err(|message| Refused::unprocessable("invalid_workspace", message))?;
    Ok(workspace)
}

pub(super) fn object_path(app: &Parts, path: InPath<(String, String)>) -> Answer<(String, String)> {
    let Path((workspace, key)) = path.map_err(|_| bad_path())?;
    check_workspace(&workspace, &app.limits).map_err(|message| Refused::unprocessable("invalid_workspace", message))?;
    check_key("key", &key, &app.limits).map_err(|message| Refused::unprocessable("invalid_key", message))?;
    Ok((workspace, key))
}

fn bad_path() -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "invalid_path", "the path is not percent-encoded UTF-8")
}

pub(super) fn from_query<T>(query: InQuery<T>) -> Answer<T> {
    let invalid =
        |_| Refused::new(StatusCode::BAD_REQUEST, "invalid_query", "the query has an unknown or unreadable parameter: see /openapi.json");
    query.map(|Query(query)| query).map_err(invalid)
}

pub(super) fn page_size(app: &Parts, limit: Option<u32>) -> Answer<u32> {
    let most = app.limits.page_items_max;
    match limit {
        None => Ok(app.limits.page_items),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Refused::unprocessable("invalid_limit", format!("limit must be from 1 to {most}"))),
    }
}

/// Where a list goes on. Opaque to clients.
pub(super) fn cursor_after(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

pub(super) fn from_cursor(cursor: &str) -> Answer<String> {
    let key = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|key| String::from_utf8(key).ok());
    // The database cannot hold NUL in a text, and no key has one.
    let key = key.filter(|key| !key.contains('\0'));
    key.ok_or_else(|| Refused::unprocessable("invalid_cursor", "the cursor is not one that was given out"))
}
