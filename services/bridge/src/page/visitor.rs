//! Before every page: the key is checked, and a permit to read taken.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error_page::ErrorPage;
use crate::api::ErrorResponse;
use crate::app::{App, basic, bearer};

/// The password is an API key; every scope may see the page.
pub(super) async fn let_in(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let key = basic(request.headers()).or_else(|| bearer(request.headers()));
    let scope = match &key {
        Some(key) => app.keys.scope(&app.store, key).await,
        None => Ok(None),
    };
    match scope {
        Ok(Some(_)) => next.run(request).await,
        Ok(None) => {
            let message = "This page needs an API key: give any user name, and the key as the password.";
            let mut response = ErrorPage(ErrorResponse::new(StatusCode::UNAUTHORIZED, "unauthorized", message)).into_response();
            let challenge = HeaderValue::from_static("Basic realm=\"pagico-mirror\", charset=\"UTF-8\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            response
        }
        Err(error) => ErrorPage::from(error).into_response(),
    }
}

pub(super) async fn limited(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match app.reads.acquire().await {
        Some(_permit) => next.run(request).await,
        None => {
            let refused = ErrorResponse::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too many people look at the same time. Try again in a moment.",
            );
            ErrorPage(refused.retry_after(app.limits.retry_after.as_secs().max(1))).into_response()
        }
    }
}
