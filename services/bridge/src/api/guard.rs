//! Before every request of the API: the key and its scope are checked, and a permit is taken.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::answer::ErrorResponse;
use crate::app::{App, bearer};
use crate::store::Scope;

pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if let Err(refused) = authorize(&app, request.headers(), if reads { Scope::Read } else { Scope::Write }).await {
        return refused.into_response();
    }
    let retry_after = app.limits.retry_after.as_secs().max(1);
    if !reads && app.chassis.control().is_paused() {
        let refused = ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "paused", "writing is paused by an operator");
        return refused.retry_after(retry_after.max(5)).into_response();
    }
    let permits = if reads { &app.reads } else { &app.writes };
    let Some(_permit) = permits.acquire().await else {
        let refused = ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many requests at the same time");
        return refused.retry_after(retry_after).into_response();
    };
    let _in_hand = app.chassis.control().in_hand();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("bridge.request", http.request.method = %request.method(), http.route = route);
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    chassis::trace::set_parent(&span, traceparent);
    // A client that sends its body too slowly loses its permit as well; an unfinished write is rolled back.
    match tokio::time::timeout(*app.limits.request_timeout, next.run(request).instrument(span)).await {
        Ok(response) => response,
        Err(_) => {
            let refused = ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the request took too long; nothing changed");
            refused.retry_after(retry_after).into_response()
        }
    }
}

async fn authorize(app: &App, headers: &HeaderMap, needed: Scope) -> Result<(), ErrorResponse> {
    let unauthorized = |message: &str| ErrorResponse::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
    let key = bearer(headers).ok_or_else(|| unauthorized("an API key is needed: Authorization: Bearer KEY"))?;
    match app.keys.scope(&app.store, &key).await? {
        None => Err(unauthorized("the API key is not known")),
        Some(scope) if scope < needed => Err(ErrorResponse::new(StatusCode::FORBIDDEN, "forbidden", "the API key may only read")),
        Some(_) => Ok(()),
    }
}

/// Counts every answer, of the API and of the page.
pub(crate) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let response = next.run(request).await;
    app.metrics.answered(&route, method.as_str(), response.status().as_u16());
    response
}
