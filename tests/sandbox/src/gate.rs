//! What every call passes on its way in and out: token, rate limit, version, and what goes wrong on demand.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use futures::{StreamExt as _, stream};

use crate::{
    agency::{Agency, Bearer},
    answer::Refusal,
    door::Door,
    faults::Fault,
    seen,
    settings::Shapes,
    wire::ApiVersion,
};

/// For what a location holds: the token must be one of a location, which the handlers find in the request.
pub(crate) async fn of_location(State(agency): State<Agency>, mut request: Request, next: Next) -> Response {
    match authorized(&agency, request.headers()) {
        Ok(Bearer::Location(world)) => {
            request.extensions_mut().insert(world.clone());
            let endpoint = endpoint(&request);
            let response = limited(world.door(), world.settings().latency, request, next).await;
            match world.settings().shapes {
                Shapes::AsDocumented => response,
                Shapes::AsSeen => seen::rewritten(&endpoint, response, &world.premises().zone).await,
            }
        }
        Ok(Bearer::Agency) => turned_away(&agency, &request, Refusal::forbidden()),
        Err(refusal) => turned_away(&agency, &request, refusal),
    }
}

/// For what the agency holds.
pub(crate) async fn of_agency(State(agency): State<Agency>, request: Request, next: Next) -> Response {
    match authorized(&agency, request.headers()) {
        Ok(Bearer::Agency) => limited(agency.door(), agency.settings().latency, request, next).await,
        Ok(Bearer::Location(_)) => {
            let message = "This AuthClass is not yet supported to access this endpoint.";
            turned_away(&agency, &request, Refusal::unauthorized(message))
        }
        Err(refusal) => turned_away(&agency, &request, refusal),
    }
}

/// For what needs no token and has no limit.
pub(crate) async fn open(State(agency): State<Agency>, request: Request, next: Next) -> Response {
    agency.door().count(&endpoint(&request));
    let fault = agency.door().fault(request.method().as_str(), request.uri().path());
    served(fault, agency.settings().latency, request, next).await
}

fn turned_away(agency: &Agency, request: &Request, refusal: Refusal) -> Response {
    agency.door().count(&endpoint(request));
    refusal.into_response()
}

fn endpoint(request: &Request) -> String {
    let route = request.extensions().get::<MatchedPath>().map_or("(unknown)", MatchedPath::as_str);
    format!("{} {route}", request.method())
}

async fn limited(door: &Door, latency: Duration, request: Request, next: Next) -> Response {
    door.count(&endpoint(&request));
    let fault = door.fault(request.method().as_str(), request.uri().path());
    let withheld = door.withheld(request.uri().path());
    let standing = if fault == Some(Fault::Status { status: 429 }) { door.turn_away() } else { door.admit() };
    let mut response = match withheld {
        _ if !standing.admitted => Refusal::too_many_requests().into_response(),
        Some(401) => Refusal::unauthorized("The token is not authorized for this scope.").into_response(),
        Some(_) => Refusal::forbidden().into_response(),
        None => served(fault, latency, request, next).await,
    };
    standing.tell(response.headers_mut());
    response
}

fn authorized(agency: &Agency, headers: &HeaderMap) -> Result<Bearer, Refusal> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    match agency.bearer(token) {
        Some(bearer) => Ok(bearer),
        None if token.starts_with("pit-") => Err(Refusal::unauthorized("Invalid Private Integration token")),
        None => Err(Refusal::unauthorized("Invalid token: access token is invalid")),
    }
}

async fn served(fault: Option<Fault>, latency: Duration, mut request: Request, next: Next) -> Response {
    if let Some(Fault::Status { status }) = fault {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Refusal::server_error(status).into_response();
    }
    let response = match version(request.uri().path(), request.headers()) {
        Ok(version) => {
            request.extensions_mut().insert(version);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    tokio::time::sleep(latency).await;
    match fault {
        None | Some(Fault::Status { .. }) => response,
        Some(Fault::Slow { slow }) => {
            tokio::time::sleep(slow).await;
            response
        }
        Some(Fault::Cut) => cut(response).await,
        Some(Fault::Garbage) => garbage(),
    }
}

/// `2021-07-28`, for calendars `2021-04-15`, or `v3` for all. Only the token endpoint of v2, and the page for people, ask for none.
fn version(path: &str, headers: &HeaderMap) -> Result<ApiVersion, Refusal> {
    let expected = if path.starts_with("/calendars") { "2021-04-15" } else { "2021-07-28" };
    let optional = path == "/oauth/token" || path.ends_with("/chooselocation");
    match headers.get("version").map(HeaderValue::as_bytes) {
        Some(b"v3") => Ok(ApiVersion::V3),
        Some(given) if given == expected.as_bytes() => Ok(ApiVersion::V2),
        None if optional => Ok(ApiVersion::V2),
        Some(_) => Err(Refusal::unprocessable(&[format!("Version header must be one of {expected}, v3")])),
        None => Err(Refusal::unprocessable(&["Version header is required".to_owned()])),
    }
}

/// Promises the whole answer, gives half of it, and breaks the connection.
async fn cut(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let length = whole.len();
    let half = whole.slice(..length / 2);
    let first = stream::once(std::future::ready(Ok(half)));
    let then = stream::once(async {
        // Until then the half must have gone out.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err::<Bytes, std::io::Error>(std::io::ErrorKind::ConnectionReset.into())
    });
    let mut response = Response::from_parts(parts, Body::from_stream(first.chain(then)));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn garbage() -> Response {
    let page = "<html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>";
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}
