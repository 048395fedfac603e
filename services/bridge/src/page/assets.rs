//! Templates, style and script: compiled in, and allowed by their hashes alone.

use std::sync::LazyLock;

use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Environment, context};
use serde::Serialize;

use crate::object::sha256;

const STYLE: &str = include_str!("../../templates/page.css");
const SCRIPT: &str = include_str!("../../templates/page.js");

/// Every template is escaped as HTML; what has its name is parsed when first used, and all of them in a test.
static TEMPLATES: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_trim_blocks(true);
    templates.set_lstrip_blocks(true);
    for (name, text) in [
        ("layout.html", include_str!("../../templates/layout.html")),
        ("workspace.html", include_str!("../../templates/workspace.html")),
        ("workspaces.html", include_str!("../../templates/workspaces.html")),
        ("message.html", include_str!("../../templates/message.html")),
        ("fragment.html", include_str!("../../templates/fragment.html")),
        ("list.html", include_str!("../../templates/list.html")),
        ("detail.html", include_str!("../../templates/detail.html")),
        ("objects.html", include_str!("../../templates/objects.html")),
    ] {
        templates.add_template(name, text)?;
    }
    Ok(templates)
});

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(sha256(text.as_bytes())));
    format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

pub(super) fn render(status: StatusCode, template: &str, page: &impl Serialize) -> Response {
    match text(template, page) {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            // The kind alone: the rest may quote what was to be shown.
            tracing::error!(template, kind = ?error.kind(), line = error.line(), "a page could not be made");
            let message = message(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made.");
            (StatusCode::INTERNAL_SERVER_ERROR, Html(message)).into_response()
        }
    }
}

fn text(template: &str, page: &impl Serialize) -> Result<String, minijinja::Error> {
    let templates = TEMPLATES.as_ref().map_err(|error| minijinja::Error::new(error.kind(), "templates"))?;
    templates.get_template(template)?.render(context! { page => page, style => STYLE, script => SCRIPT })
}

#[derive(Serialize)]
struct Message<'a> {
    title: &'a str,
    message: &'a str,
    status: u16,
}

pub(super) fn message(status: StatusCode, message: &str) -> String {
    let page = Message { title: status.canonical_reason().unwrap_or("Error"), message, status: status.as_u16() };
    text("message.html", &page).unwrap_or_else(|_| "<!doctype html><title>Error</title><p>The page could not be made.".to_owned())
}

/// Headers of every page: nothing is loaded from elsewhere, and no cache in between keeps it.
pub(super) async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = HeaderValue::from_str(&POLICY).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(VARY, HeaderValue::from_static("authorization"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    }
    response
}
