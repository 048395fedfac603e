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
use super::objects::{InBody, body};
use crate::app::{App, Parts};
use crate::decide::Revision;
use crate::request::{ALIAS, Ages, Erasure, check_key, check_workspace};
use crate::store::{Change, ContactDigest, Error, Head, Leaving};

pub(super) type Answer<T = Json<Value>> = Result<T, Refused>;
pub(super) type InPath<T> = Result<Path<T>, PathRejection>;
pub(super) type InQuery<T> = Result<Query<T>, QueryRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<u32>,
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
    let workspace = reading(&app, path).await?;
    described(&app, &app.store.head(&workspace).await?).await
}

/// The answer says whether all of it is gone already.
pub(super) async fn retire(State(app): State<App>, path: InPath<String>) -> Answer<Response> {
    let workspace = workspace(&app, path)?;
    let leaving = app.store.retire(&workspace, app.limits.retire_rows_max).await?;
    tracing::info!(workspace, "a workspace is retired");
    app.live.forget(&workspace);
    let (status, gone) = match leaving {
        Leaving::Gone => (StatusCode::OK, true),
        Leaving::Going => (StatusCode::ACCEPTED, false),
    };
    Ok((status, Json(json!({"workspace": workspace, "gone": gone}))).into_response())
}

async fn described(app: &Parts, head: &Head) -> Answer {
    let root = app.roots.of(head, || app.store.root(&head.workspace)).await?;
    let Head { workspace, position, .. } = head;
    Ok(Json(json!({"workspace": workspace, "objects": head.objects(), "position": position, "root": hex::encode(root.root)})))
}

pub(super) async fn digest(State(app): State<App>, path: InPath<String>) -> Answer {
    let workspace = reading(&app, path).await?;
    let head = app.store.head(&workspace).await?;
    let root = app.roots.of(&head, || app.store.root(&workspace)).await?;
    Ok(Json(json!({"root": hex::encode(root.root), "contacts": root.contacts, "objects": root.objects})))
}

pub(super) async fn contact_digest(State(app): State<App>, path: InPath<(String, String)>) -> Answer {
    let (workspace, key) = reading_object(&app, path).await?;
    let digest = app.store.contact_digest(&workspace, &key).await?;
    Ok(Json(json!({"digest": hex::encode(digest.digest), "objects": digest.objects})))
}

pub(super) async fn contact_digests(State(app): State<App>, path: InPath<String>, query: InQuery<PageQuery>) -> Answer {
    let workspace = reading(&app, path).await?;
    let PageQuery { cursor, limit } = from_query(query)?;
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

pub(super) async fn erase(State(app): State<App>, path: InPath<(String, String)>, given: InBody) -> Answer {
    let (workspace, key) = object_path(&app, path)?;
    let revision = body::<Erasure>(given)?.read()?;
    let erased = app.store.erase(&workspace, &key, revision).await?;
    app.live.advance(&workspace, erased.position);
    Ok(Json(json!({"contact": key, "objects": erased.objects})))
}

pub(super) async fn outdate(State(app): State<App>, path: InPath<String>, given: InBody) -> Answer {
    let workspace = workspace(&app, path)?;
    let items = body::<Ages>(given)?.read(&app.limits)?;
    let done = app.store.outdate(&workspace, &items).await?;
    let newer: Vec<Value> = done.newer.iter().map(|(key, stored)| json!({"key": key, "revision": revision(*stored)})).collect();
    Ok(Json(json!({"outdated": done.outdated, "newer": newer})))
}

pub(super) async fn changes(State(app): State<App>, path: InPath<String>, query: InQuery<FeedQuery>) -> Answer {
    let workspace = reading(&app, path).await?;
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

/// A name in a path.
pub(super) fn named(app: &Parts, path: InPath<String>) -> Answer<String> {
    let Path(name) = path.map_err(|_| bad_path())?;
    checked(app, &name)?;
    Ok(name)
}

/// The workspace that is meant to be written: by its own name.
pub(super) fn workspace(app: &Parts, path: InPath<String>) -> Answer<String> {
    named(app, path)
}

/// The workspace that is meant to be read, which is there: by its own name, or by an alias behind `@`.
pub(super) async fn reading(app: &Parts, path: InPath<String>) -> Answer<String> {
    let Path(name) = path.map_err(|_| bad_path())?;
    readable(app, name).await
}

pub(super) async fn reading_object(app: &Parts, path: InPath<(String, String)>) -> Answer<(String, String)> {
    let Path((name, key)) = path.map_err(|_| bad_path())?;
    check_key("key", &key, &app.limits).map_err(|message| Refused::unprocessable("invalid_key", message))?;
    Ok((readable(app, name).await?, key))
}

async fn readable(app: &Parts, name: String) -> Answer<String> {
    if let Some(alias) = name.strip_prefix(ALIAS) {
        checked(app, alias)?;
        return Ok(app.store.behind(alias).await?);
    }
    checked(app, &name)?;
    if app.store.is_there(&name).await? { Ok(name) } else { Err(Error::WorkspaceUnknown.into()) }
}

fn checked(app: &Parts, name: &str) -> Answer<()> {
    check_workspace(name, &app.limits).map_err(|message| Refused::unprocessable("invalid_workspace", message))
}

pub(super) fn object_path(app: &Parts, path: InPath<(String, String)>) -> Answer<(String, String)> {
    let Path((workspace, key)) = path.map_err(|_| bad_path())?;
    checked(app, &workspace)?;
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
