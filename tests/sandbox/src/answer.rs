//! What the simulated API answers: bodies with a `traceId`, and the documented shapes of refusals.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::dice::Dice;

pub(crate) type Answer = Result<Reply, Refusal>;

/// A JSON object, to which a `traceId` is added on the way out.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn ok(body: &impl Serialize) -> Answer {
        Self::with(StatusCode::OK, body)
    }

    pub(crate) fn created(body: &impl Serialize) -> Answer {
        Self::with(StatusCode::CREATED, body)
    }

    fn with(status: StatusCode, body: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(body).map_err(|_never| Refusal::internal())?;
        Ok(Self { status, body })
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut body = self.body;
        if body.pop() == Some(b'}') {
            let comma = if body.len() > 1 { "," } else { "" };
            body.extend_from_slice(format!("{comma}\"traceId\":\"{}\"}}", trace_id()).as_bytes());
        }
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        response
    }
}

fn trace_id() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(1);
    Dice::new(CALLS.fetch_add(1, Ordering::Relaxed)).uuid()
}

/// A refused call or change, with the status and body that GHL documents for it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{status}: {body}")]
pub struct Refusal {
    status: StatusCode,
    body: Value,
}

impl Refusal {
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Without the `traceId` it gets on the wire.
    pub fn body(&self) -> &Value {
        &self.body
    }

    pub(crate) fn bad_request(message: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, body: json!({"statusCode": 400, "message": message}) }
    }

    /// GHL answers 400, not 404.
    pub(crate) fn not_found(kind: &str, id: &str) -> Self {
        Self::bad_request(&format!("{kind} with id {id} not found"))
    }

    /// The calendar family has errors of its own shape.
    pub(crate) fn calendar(message: &str) -> Self {
        let body = json!({"status": 400, "message": message, "name": "HttpException"});
        Self { status: StatusCode::BAD_REQUEST, body }
    }

    pub(crate) fn unauthorized(message: &str) -> Self {
        let body = json!({"statusCode": 401, "message": message, "error": "Unauthorized"});
        Self { status: StatusCode::UNAUTHORIZED, body }
    }

    pub(crate) fn forbidden() -> Self {
        let message = "You do not have permission to access this resource";
        let body = json!({"statusCode": 403, "message": message, "error": "Forbidden"});
        Self { status: StatusCode::FORBIDDEN, body }
    }

    /// What few operations of v3 answer instead.
    pub(crate) fn aip(status: StatusCode, code: &str, message: &str) -> Self {
        Self { status, body: json!({"error": {"code": code, "message": message}}) }
    }

    pub(crate) fn no_such_route(method: &str, path: &str) -> Self {
        let body = json!({"statusCode": 404, "message": format!("Cannot {method} {path}")});
        Self { status: StatusCode::NOT_FOUND, body }
    }

    /// `message` is an array here, and only here.
    pub(crate) fn unprocessable(problems: &[String]) -> Self {
        let body = json!({"statusCode": 422, "message": problems, "error": "Unprocessable Entity"});
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body }
    }

    pub(crate) fn missing(field: &str) -> Self {
        Self::unprocessable(&[format!("{field} should not be empty"), format!("{field} must be a string")])
    }

    pub(crate) fn duplicate(contact_id: &str, contact_name: Option<String>, matching_field: &str) -> Self {
        let meta = json!({"contactId": contact_id, "contactName": contact_name, "matchingField": matching_field});
        let message = "This location does not allow duplicated contacts.";
        let body = json!({"statusCode": 400, "message": message, "meta": meta});
        Self { status: StatusCode::BAD_REQUEST, body }
    }

    /// Undocumented at GHL; this is what its gateway is taken to answer.
    pub(crate) fn too_many_requests() -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, body: json!({"statusCode": 429, "message": "Too Many Requests"}) }
    }

    pub(crate) fn server_error(status: StatusCode) -> Self {
        let message = status.canonical_reason().unwrap_or("Error");
        Self { status, body: json!({"statusCode": status.as_u16(), "message": message}) }
    }

    fn internal() -> Self {
        Self::server_error(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.body).unwrap_or_else(|_never| b"{}".to_vec());
        Reply { status: self.status, body }.into_response()
    }
}
