//! Before every page: who looks, and whether it is their turn.

use axum::extract::{Request, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error_page::Failed;
use crate::api::Refused;
use crate::app::App;
use crate::app::{basic, bearer};

/// The password is an API key; whoever may read or write may look.
pub(super) async fn let_in(State(app): State<App>, request: Request, next: Next) -> Response {
    let key = basic(request.headers()).or_else(|| bearer(request.headers()));
    let scope = match &key {
        Some(key) => app.keys.scope(&app.store, key).await,
        None => Ok(None),
    };
    match scope {
        Ok(Some(_)) => next.run(request).await,
        Ok(None) => {
            let message = "This page needs an API key: give any user name, and the key as the password.";
            let mut response = Failed(Refused::new(StatusCode::UNAUTHORIZED, "unauthorized", message)).into_response();
            let challenge = HeaderValue::from_static("Basic realm=\"pagico-mirror\", charset=\"UTF-8\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            response
        }
        Err(error) => Failed::from(error).into_response(),
    }
}

pub(super) async fn take_turn(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.reads.wait().await {
        Some(_turn) => next.run(request).await,
        None => {
            let refused = Refused::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too many people look at the same time. Try again in a moment.",
            );
            Failed(refused.retry_after(app.limits.retry_after.as_secs().max(1))).into_response()
        }
    }
}
