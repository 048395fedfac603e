//! Objects: one by one, in batches, in lists.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tracing::Span;
use tracing::field::Empty;

use super::answer::ErrorResponse;
use super::extract::{
    Answer, InBody, InPath, InQuery, cursor_after, from_cursor, from_query, object_path, page_size, reading, reading_object, revision,
    whole, workspace,
};
use crate::app::App;
use crate::object::{Kind, Outcome, sha256};
use crate::request::{Item, Refusal, batch, check_idempotency_key, check_key, checked_revision, put_body, removal};
use crate::store::{Applied, Filter, Object, ObjectCursor, Once, Slice, Written};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectsQuery {
    cursor: Option<String>,
    limit: Option<u32>,
    contact: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveQuery {
    epoch: u64,
    seq: u64,
}

/// The result of one write, as clients read it.
#[derive(Serialize)]
struct ItemAnswer<'a> {
    key: Option<&'a str>,
    status: u16,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

pub(super) async fn write_batch(State(app): State<Arc<App>>, path: InPath<String>, body: InBody) -> Answer<Response> {
    let workspace = workspace(&app, path)?;
    let items = batch(&whole(body)?, &app.limits)?;
    let refusals: Vec<Option<Refusal>> = items.iter().map(|item| item.as_ref().err().cloned()).collect();
    let items: Vec<Item> = items.into_iter().flatten().collect();
    let applied = if items.is_empty() {
        app.store.head(&workspace).await?;
        Vec::new()
    } else {
        match perform(&app, &workspace, &items, None).await? {
            Written::Now { applied, .. } => applied,
            Written::Before(_) => Vec::new(),
        }
    };
    let mut done = items.iter().zip(&applied);
    let results: Vec<ItemAnswer<'_>> = refusals
        .iter()
        .filter_map(|refusal| match refusal {
            Some(refusal) => Some(refused(&app, refusal)),
            None => done.next().map(|(item, applied)| answer(&item.key, applied)),
        })
        .collect();
    Ok(Json(json!({ "results": results })).into_response())
}

pub(super) async fn write(
    kind: Kind,
    State(app): State<Arc<App>>,
    path: InPath<(String, String)>,
    headers: HeaderMap,
    body: InBody,
) -> Answer<Response> {
    let (workspace, key) = object_path(&app, path)?;
    let body = whole(body)?;
    let asked = [b"put\0", kind.as_str().as_bytes(), b"\0", key.as_bytes(), b"\0", &body].concat();
    let item = put_body(kind, key, &body, traceparent(&headers), &app.limits)?;
    write_one(&app, &workspace, item, &headers, &asked).await
}

pub(super) async fn remove(
    kind: Kind,
    State(app): State<Arc<App>>,
    path: InPath<(String, String)>,
    query: InQuery<RemoveQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (workspace, key) = object_path(&app, path)?;
    let RemoveQuery { epoch, seq } = from_query(query)?;
    let revision = checked_revision(epoch, seq).ok_or_else(|| ErrorResponse::unprocessable("invalid_item", "epoch or seq is too large"))?;
    let asked = format!("remove\0{}\0{key}\0{epoch}\0{seq}", kind.as_str());
    let item = removal(kind, key, revision, traceparent(&headers), &app.limits)?;
    write_one(&app, &workspace, item, &headers, asked.as_bytes()).await
}

pub(super) async fn read(kind: Kind, State(app): State<Arc<App>>, path: InPath<(String, String)>) -> Answer<Response> {
    let (workspace, key) = reading_object(&app, path).await?;
    match app.store.object(&workspace, &key).await?.filter(|object| object.kind == kind) {
        Some(object) => Ok(Json(described(object)?).into_response()),
        None => Err(ErrorResponse::not_found()),
    }
}

pub(super) async fn list(kind: Kind, State(app): State<Arc<App>>, path: InPath<String>, query: InQuery<ObjectsQuery>) -> Answer<Response> {
    let workspace = reading(&app, path).await?;
    let ObjectsQuery { cursor, limit, contact } = from_query(query)?;
    if let Some(contact) = &contact {
        check_key("contact", contact, &app.limits).map_err(|message| ErrorResponse::unprocessable("invalid_key", message))?;
    }
    let after = cursor.as_deref().map(from_cursor).transpose()?;
    let slice = Slice { after: after.as_deref(), items_max: page_size(&app, limit)?, bytes_max: app.limits.page_bytes_max };
    let (objects, more) = app.store.objects(&workspace, Filter { kind, contact: contact.as_deref() }, slice).await?;
    let next_cursor = objects.last().filter(|_| more).map(|last| cursor_after(&last.key));
    let items: Vec<Described> = objects.into_iter().map(described).collect::<Result<_, _>>()?;
    Ok(Json(Listed { items, next_cursor }).into_response())
}

/// Of every kind, contact by contact.
pub(super) async fn list_all(State(app): State<Arc<App>>, path: InPath<String>, query: InQuery<ObjectsQuery>) -> Answer<Response> {
    let workspace = reading(&app, path).await?;
    let ObjectsQuery { cursor, limit, contact } = from_query(query)?;
    if let Some(contact) = &contact {
        check_key("contact", contact, &app.limits).map_err(|message| ErrorResponse::unprocessable("invalid_key", message))?;
    }
    let after = cursor.as_deref().map(object_cursor).transpose()?;
    let most = (page_size(&app, limit)?, app.limits.page_bytes_max);
    let (objects, more) = app.store.all_objects(&workspace, contact.as_deref(), after.as_ref(), most).await?;
    let spot = |last: &Object| cursor_after(&[last.contact.as_deref().unwrap_or_default(), &last.key].join(BETWEEN));
    let next_cursor = objects.last().filter(|_| more).map(spot);
    let items: Vec<Described> = objects.into_iter().map(described).collect::<Result<_, _>>()?;
    Ok(Json(Listed { items, next_cursor }).into_response())
}

/// Between the contact and the key in a cursor: no key has one.
const BETWEEN: &str = "\n";

fn object_cursor(cursor: &str) -> Answer<ObjectCursor> {
    let text = from_cursor(cursor)?;
    let (contact, key) = text.split_once(BETWEEN).unwrap_or((&text, ""));
    Ok(ObjectCursor { contact: contact.to_owned(), key: key.to_owned() })
}

#[derive(Serialize)]
struct Listed {
    items: Vec<Described>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Described {
    key: String,
    kind: &'static str,
    contact: Option<String>,
    revision: Value,
    policy: &'static str,
    content: Box<RawValue>,
    digest: String,
    position: u64,
}

fn described(object: Object) -> Answer<Described> {
    let unreadable = |_| ErrorResponse::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "a stored object cannot be read");
    Ok(Described {
        key: object.key,
        kind: object.kind.as_str(),
        contact: object.contact,
        revision: revision(object.revision),
        policy: object.policy.as_str(),
        content: RawValue::from_string(object.content).map_err(unreadable)?,
        digest: hex::encode(object.digest),
        position: object.position,
    })
}

fn traceparent(headers: &HeaderMap) -> Option<String> {
    headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Writes one object, and answers a request that came before under the same idempotency key with the answer it had.
async fn write_one(app: &App, workspace: &str, item: Item, headers: &HeaderMap, asked: &[u8]) -> Answer<Response> {
    let idempotency_key = match headers.get("idempotency-key") {
        None => None,
        Some(value) => {
            let invalid = |message: String| ErrorResponse::unprocessable("invalid_idempotency_key", message);
            let key = value.to_str().map_err(|_| invalid("the idempotency key is not printable ASCII".to_owned()))?;
            check_idempotency_key(key, &app.limits).map_err(invalid)?;
            Some(key)
        }
    };
    let text = |applied: &[Applied]| {
        let answer = applied.first().map(|applied| answer(&item.key, applied));
        serde_json::to_string(&answer).unwrap_or_default()
    };
    let once = idempotency_key.map(|idempotency_key| Once { idempotency_key, request: sha256(asked), answer: &text });
    let items = std::slice::from_ref(&item);
    let (text, repeated) = match perform(app, workspace, items, once).await? {
        Written::Now { applied, .. } => (text(&applied), false),
        Written::Before(text) => (text, true),
    };
    let status = serde_json::from_str::<Value>(&text).ok().and_then(|answer| answer.get("status")?.as_u64());
    let status = status.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let mut response = (status.unwrap_or(StatusCode::OK), [(CONTENT_TYPE, "application/json")], text).into_response();
    if repeated {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// One transaction; a span for each item that carries a trace.
async fn perform(app: &App, workspace: &str, items: &[Item], once: Option<Once<'_>>) -> Answer<Written> {
    let batch = chassis::trace::traceparent();
    let spans: Vec<Span> = items.iter().map(|item| span(item, batch.as_deref())).collect();
    let started = Instant::now();
    let written = app.store.write(workspace, items, once).await?;
    app.metrics.wrote(started.elapsed().as_secs_f64());
    if let Written::Now { applied, position } = &written {
        for (span, applied) in spans.iter().zip(applied) {
            span.record("outcome", applied.outcome.as_str());
            app.metrics.judged(applied.outcome.as_str());
        }
        app.live.advance(workspace, *position);
    }
    Ok(written)
}

fn span(item: &Item, batch: Option<&str>) -> Span {
    let Some(traceparent) = &item.traceparent else {
        return Span::none();
    };
    let span = tracing::info_span!(parent: None, "bridge.write", intent.key = %item.key, object.kind = item.kind.as_str(), outcome = Empty);
    chassis::trace::set_parent(&span, Some(traceparent));
    if let Some(batch) = batch {
        chassis::trace::link(&span, batch);
    }
    span
}

fn answer<'a>(key: &'a str, applied: &Applied) -> ItemAnswer<'a> {
    let error = match applied.outcome {
        Outcome::Stale => Some(json!({"code": "stale", "message": "something newer is stored"})),
        Outcome::OtherKind => Some(json!({"code": "other_kind", "message": "the key belongs to an object of another kind"})),
        Outcome::Created | Outcome::Updated | Outcome::Unchanged | Outcome::Kept | Outcome::Removed | Outcome::Absent => None,
    };
    ItemAnswer {
        key: Some(key),
        status: applied.outcome.status(),
        outcome: applied.outcome.as_str(),
        revision: Some(revision(applied.revision)),
        digest: applied.digest.map(hex::encode),
        error,
    }
}

fn refused<'a>(app: &App, refusal: &'a Refusal) -> ItemAnswer<'a> {
    app.metrics.judged("invalid");
    let error = Some(json!({"code": refusal.code, "message": refusal.message}));
    ItemAnswer { key: refusal.key.as_deref(), status: 422, outcome: "invalid", revision: None, digest: None, error }
}
