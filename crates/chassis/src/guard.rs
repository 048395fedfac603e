//! Who may call.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;

use crate::Chassis;

pub(crate) struct Guard {
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) token: SecretString,
}

/// Lets pass what carries the token, and questions about health.
pub(crate) async fn with_token(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/grpc.health.v1.Health/") && !carries(request.headers(), &guard.token) {
        guard.chassis.control().refused();
        let refusal = tonic::Status::unauthenticated("send the service's token as metadata: authorization: Bearer <token>");
        return refusal.into_http::<axum::body::Body>().into_response();
    }
    let span = tracing::info_span!("grpc", rpc.method = request.uri().path());
    crate::trace::set_parent(&span, request.headers().get("traceparent").and_then(|value| value.to_str().ok()));
    next.run(request).instrument(span).await
}

/// Compares digests, so that how long it takes says nothing about the token.
fn carries(headers: &HeaderMap, token: &SecretString) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
    given.is_some_and(|given| Sha256::digest(given.trim()) == Sha256::digest(token.expose_secret()))
}
