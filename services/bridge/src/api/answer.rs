//! Error answers of the API.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::request::Refusal;
use crate::store::Error;

/// The answer to a request that failed or was refused.
#[derive(Clone, Debug)]
pub(crate) struct ErrorResponse {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Seconds.
    pub(crate) retry_after: Option<u64>,
}

impl ErrorResponse {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub(crate) fn unprocessable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such object")
    }
}

impl From<Refusal> for ErrorResponse {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            "invalid_json" => StatusCode::BAD_REQUEST,
            "too_many_items" => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refusal.code, refusal.message)
    }
}

impl From<Error> for ErrorResponse {
    fn from(error: Error) -> Self {
        match error {
            Error::WorkspaceUnknown => Self::new(StatusCode::NOT_FOUND, "workspace_unknown", "there is no such workspace: PUT it first"),
            Error::AliasUnknown => Self::new(StatusCode::NOT_FOUND, "alias_unknown", "there is no such alias: PUT it first"),
            Error::Aliased(alias) => {
                Self::new(StatusCode::CONFLICT, "aliased", format!("the alias {alias} points at it: point the alias elsewhere first"))
            }
            Error::Leaving => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "leaving", "a workspace of that name is still being removed").retry_after(2)
            }
            Error::Pruned(position) => {
                let message = format!("the feed begins after position {position}: list the objects again and go on from there");
                Self::new(StatusCode::GONE, "position_pruned", message)
            }
            Error::OtherRequest => Self::unprocessable("idempotency_mismatch", "the idempotency key was used for another request"),
            Error::Unavailable(_) => {
                tracing::warn!(error = error.for_log(), "a request could not be carried out");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the database is not available").retry_after(2)
            }
            Error::Failed(_) => {
                tracing::error!(error = error.for_log(), "a request could not be carried out");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request could not be carried out")
            }
        }
    }
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": {"code": self.code, "message": self.message}}))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(super) async fn no_such_path() -> ErrorResponse {
    ErrorResponse::new(StatusCode::NOT_FOUND, "no_such_path", "there is nothing at this path: see /openapi.json")
}

pub(super) async fn no_such_method() -> ErrorResponse {
    ErrorResponse::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", "this path does not take this method: see /openapi.json")
}

/// Answers are about people: no cache in between may keep them.
pub(super) async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
