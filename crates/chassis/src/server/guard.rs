//! Who may call, and how long a call may take.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tonic::Status;
use tracing::Instrument as _;

use crate::{Chassis, in_service};

/// An answer "deadline exceeded" is sent this much before the deadline, so that it arrives before the caller gives up.
const HEAD_START: Duration = Duration::from_millis(20);

pub(crate) struct Guard {
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) token: SecretString,
    pub(crate) longest: Duration,
}

/// Admits calls that carry the token, and health checks. The answer must begin within the caller's deadline and the longest allowed
/// time.
pub(crate) async fn with_token(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/grpc.health.v1.Health/") && !carries(request.headers(), &guard.token) {
        guard.chassis.control().refused();
        return answer(Status::unauthenticated("send the service's token as metadata: authorization: Bearer <token>"));
    }
    let service = guard.chassis.service();
    let span = tracing::info_span!("grpc", rpc.method = request.uri().path(), mirror.service = service);
    crate::trace::set_parent(&span, request.headers().get("traceparent").and_then(|value| value.to_str().ok()));
    let asked = request.headers().get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(deadline);
    let longest = asked.unwrap_or(guard.longest).min(guard.longest);
    let work = in_service(service, next.run(request).instrument(span));
    match tokio::time::timeout(longest.checked_sub(HEAD_START).unwrap_or(longest / 2), work).await {
        Ok(response) => response,
        Err(_) => answer(Status::deadline_exceeded(format!("there was no answer within {longest:?}"))),
    }
}

fn answer(status: Status) -> Response {
    status.into_http::<axum::body::Body>().into_response()
}

/// As the gRPC specification writes them: up to eight digits and a unit.
fn deadline(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Compares digests, so that how long it takes says nothing about the token.
fn carries(headers: &HeaderMap, token: &SecretString) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
    // An empty token admits nobody, whatever the settings say.
    let expected = token.expose_secret().trim();
    !expected.is_empty() && given.is_some_and(|given| Sha256::digest(given.trim()) == Sha256::digest(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_as_the_specification_writes_them() {
        assert_eq!(deadline("5S"), Some(Duration::from_secs(5)));
        assert_eq!(deadline("99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(deadline("250m"), Some(Duration::from_millis(250)));
        for bad in ["", "S", "5", "-5S", "5x", "123456789S", "5µ", "+5S"] {
            assert_eq!(deadline(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_token_passes_and_an_empty_one_never() {
        let with = |value: &str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        let token = SecretString::from("secret");
        assert!(carries(&with("Bearer secret"), &token) && carries(&with("bearer secret"), &token));
        for bad in ["secret", "Bearer", "Bearer secre", "Bearer secrets", "Basic secret", ""] {
            assert!(!carries(&with(bad), &token), "{bad}");
        }
        assert!(!carries(&HeaderMap::new(), &token));
        assert!(!carries(&with("Bearer "), &SecretString::from("")));
    }
}
