//! Workspaces as a whole: their heads, digests and feeds.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::ErrorResponse;
use super::extract::{
    Answer, InBody, InPath, InQuery, ListQuery, body, cursor_after, from_cursor, from_query, object_path, page_size, reading,
    reading_object, revision, workspace,
};
use crate::app::App;
use crate::request::{Ages, Erasure};
use crate::store::{Change, ContactDigest, Head, Leaving};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedQuery {
    after: Option<u64>,
    limit: Option<u32>,
}

pub(super) async fn list(State(app): State<Arc<App>>, query: InQuery<ListQuery>) -> Answer {
    let ListQuery { cursor, limit } = from_query(query)?;
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

pub(super) async fn create(State(app): State<Arc<App>>, path: InPath<String>) -> Answer<Response> {
    let workspace = workspace(&app, path)?;
    let created = app.store.create_workspace(&workspace).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, described(&app, &app.store.head(&workspace).await?).await?).into_response())
}

pub(super) async fn read(State(app): State<Arc<App>>, path: InPath<String>) -> Answer {
    let workspace = reading(&app, path).await?;
    described(&app, &app.store.head(&workspace).await?).await
}

/// The answer says whether all of it is gone already.
pub(super) async fn retire(State(app): State<Arc<App>>, path: InPath<String>) -> Answer<Response> {
    let workspace = workspace(&app, path)?;
    let leaving = app.store.retire(&workspace, app.limits.retire_rows_max.get()).await?;
    tracing::info!(workspace, "a workspace is retired");
    app.live.forget(&workspace);
    let (status, gone) = match leaving {
        Leaving::Gone => (StatusCode::OK, true),
        Leaving::Going => (StatusCode::ACCEPTED, false),
    };
    Ok((status, Json(json!({"workspace": workspace, "gone": gone}))).into_response())
}

async fn described(app: &App, head: &Head) -> Answer {
    let root = app.roots.of(head, || app.store.root(&head.workspace)).await?;
    let Head { workspace, position, .. } = head;
    Ok(Json(json!({"workspace": workspace, "objects": head.objects(), "position": position, "root": hex::encode(root.root)})))
}

pub(super) async fn digest(State(app): State<Arc<App>>, path: InPath<String>) -> Answer {
    let workspace = reading(&app, path).await?;
    let head = app.store.head(&workspace).await?;
    let root = app.roots.of(&head, || app.store.root(&workspace)).await?;
    Ok(Json(json!({"root": hex::encode(root.root), "contacts": root.contacts, "objects": root.objects})))
}

pub(super) async fn contact_digest(State(app): State<Arc<App>>, path: InPath<(String, String)>) -> Answer {
    let (workspace, key) = reading_object(&app, path).await?;
    let digest = app.store.contact_digest(&workspace, &key).await?;
    Ok(Json(json!({"digest": hex::encode(digest.digest), "objects": digest.objects})))
}

pub(super) async fn contact_digests(State(app): State<Arc<App>>, path: InPath<String>, query: InQuery<ListQuery>) -> Answer {
    let workspace = reading(&app, path).await?;
    let ListQuery { cursor, limit } = from_query(query)?;
    let limit = page_size(&app, limit)?;
    let after = cursor.as_deref().map(from_cursor).transpose()?;
    let mut digests = app.store.contact_digests(&workspace, after.as_deref(), limit + 1).await?;
    let more = digests.len() > limit as usize;
    digests.truncate(limit as usize);
    let next = digests.last().filter(|_| more).map(|last| cursor_after(&last.contact));
    let described = |of: &ContactDigest| json!({"contact": of.contact, "digest": hex::encode(of.digest), "objects": of.objects});
    let items: Vec<Value> = digests.iter().map(described).collect();
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

pub(super) async fn erase(State(app): State<Arc<App>>, path: InPath<(String, String)>, given: InBody) -> Answer {
    let (workspace, key) = object_path(&app, path)?;
    let revision = body::<Erasure>(given)?.read()?;
    let erased = app.store.erase(&workspace, &key, revision).await?;
    app.live.advance(&workspace, erased.position);
    Ok(Json(json!({"contact": key, "objects": erased.objects})))
}

pub(super) async fn outdate(State(app): State<Arc<App>>, path: InPath<String>, given: InBody) -> Answer {
    let workspace = workspace(&app, path)?;
    let items = body::<Ages>(given)?.read(&app.limits)?;
    let done = app.store.outdate(&workspace, &items).await?;
    let newer: Vec<Value> = done.newer.iter().map(|(key, stored)| json!({"key": key, "revision": revision(*stored)})).collect();
    Ok(Json(json!({"outdated": done.outdated, "newer": newer})))
}

pub(super) async fn changes(State(app): State<Arc<App>>, path: InPath<String>, query: InQuery<FeedQuery>) -> Answer {
    let workspace = reading(&app, path).await?;
    let FeedQuery { after, limit } = from_query(query)?;
    let after = after.unwrap_or_default();
    if i64::try_from(after).is_err() {
        return Err(ErrorResponse::unprocessable("invalid_position", "the position is out of range"));
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
