//! What handlers take from a request: names, bodies, queries and cursors.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::ErrorResponse;
use crate::app::App;
use crate::object::Revision;
use crate::request::{ALIAS, check_key, check_workspace};
use crate::store::Error;

pub(super) type Answer<T = Json<Value>> = Result<T, ErrorResponse>;
pub(super) type InPath<T> = Result<Path<T>, PathRejection>;
pub(super) type InQuery<T> = Result<Query<T>, QueryRejection>;
pub(super) type InBody = Result<Bytes, BytesRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<u32>,
}

/// A name in a path.
pub(super) fn named(app: &App, path: InPath<String>) -> Answer<String> {
    let Path(name) = path.map_err(|_| bad_path())?;
    checked(app, &name)?;
    Ok(name)
}

/// The workspace to write: by its own name.
pub(super) fn workspace(app: &App, path: InPath<String>) -> Answer<String> {
    named(app, path)
}

/// The workspace to read, which exists: by its own name, or by an alias after `@`.
pub(super) async fn reading(app: &App, path: InPath<String>) -> Answer<String> {
    let Path(name) = path.map_err(|_| bad_path())?;
    readable(app, name).await
}

pub(super) async fn reading_object(app: &App, path: InPath<(String, String)>) -> Answer<(String, String)> {
    let Path((name, key)) = path.map_err(|_| bad_path())?;
    check_key("key", &key, &app.limits).map_err(|message| ErrorResponse::unprocessable("invalid_key", message))?;
    Ok((readable(app, name).await?, key))
}

async fn readable(app: &App, name: String) -> Answer<String> {
    if let Some(alias) = name.strip_prefix(ALIAS) {
        checked(app, alias)?;
        return Ok(app.store.resolve_alias(alias).await?);
    }
    checked(app, &name)?;
    if app.store.is_there(&name).await? { Ok(name) } else { Err(Error::WorkspaceUnknown.into()) }
}

fn checked(app: &App, name: &str) -> Answer<()> {
    check_workspace(name, &app.limits).map_err(|message| ErrorResponse::unprocessable("invalid_workspace", message))
}

pub(super) fn object_path(app: &App, path: InPath<(String, String)>) -> Answer<(String, String)> {
    let Path((workspace, key)) = path.map_err(|_| bad_path())?;
    checked(app, &workspace)?;
    check_key("key", &key, &app.limits).map_err(|message| ErrorResponse::unprocessable("invalid_key", message))?;
    Ok((workspace, key))
}

fn bad_path() -> ErrorResponse {
    ErrorResponse::new(StatusCode::BAD_REQUEST, "invalid_path", "the path is not percent-encoded UTF-8")
}

pub(super) fn from_query<T>(query: InQuery<T>) -> Answer<T> {
    let invalid = |_| {
        ErrorResponse::new(StatusCode::BAD_REQUEST, "invalid_query", "the query has an unknown or unreadable parameter: see /openapi.json")
    };
    query.map(|Query(query)| query).map_err(invalid)
}

pub(super) fn page_size(app: &App, limit: Option<u32>) -> Answer<u32> {
    let most = app.limits.page_items_max.get();
    match limit {
        None => Ok(app.limits.page_items.get()),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(ErrorResponse::unprocessable("invalid_limit", format!("limit must be from 1 to {most}"))),
    }
}

/// Where a list continues. Opaque to clients.
pub(super) fn cursor_after(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

pub(super) fn from_cursor(cursor: &str) -> Answer<String> {
    let key = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|key| String::from_utf8(key).ok());
    // The database cannot hold NUL in a text, and no key has one.
    let key = key.filter(|key| !key.contains('\0'));
    key.ok_or_else(|| ErrorResponse::unprocessable("invalid_cursor", "the cursor was not issued by this API"))
}

/// A body that is read as a whole or refused as a whole, without quoting it.
pub(super) fn body<T: DeserializeOwned>(given: InBody) -> Answer<T> {
    serde_json::from_slice(&whole(given)?).map_err(|error| {
        let message = format!("the body is not as /openapi.json says: line {}, column {}", error.line(), error.column());
        let code = if error.is_data() { "invalid_body" } else { "invalid_json" };
        ErrorResponse::new(StatusCode::BAD_REQUEST, code, message)
    })
}

pub(super) fn whole(body: InBody) -> Answer<Bytes> {
    body.map_err(|rejection| {
        let status = rejection.status();
        let code = if status == StatusCode::PAYLOAD_TOO_LARGE { "too_large" } else { "unreadable_body" };
        ErrorResponse::new(
            status,
            code,
            if code == "too_large" { "the body is too large" } else { "the body could not be read to its end" },
        )
    })
}

pub(super) fn revision(revision: Revision) -> Value {
    json!({"epoch": revision.epoch, "seq": revision.seq})
}
