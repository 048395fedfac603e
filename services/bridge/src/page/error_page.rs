//! Errors, as pages.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::assets;
use crate::api::ErrorResponse;
use crate::store::Error;

/// An error, as a page.
pub(super) struct ErrorPage(pub(super) ErrorResponse);

impl From<Error> for ErrorPage {
    fn from(error: Error) -> Self {
        Self(match error {
            Error::WorkspaceUnknown => {
                ErrorResponse::new(StatusCode::NOT_FOUND, "workspace_unknown", "There is no workspace of that name.")
            }
            Error::AliasUnknown
            | Error::Aliased(_)
            | Error::Leaving
            | Error::Pruned(_)
            | Error::OtherRequest
            | Error::Unavailable(_)
            | Error::Failed(_) => error.into(),
        })
    }
}

impl From<ErrorResponse> for ErrorPage {
    fn from(refused: ErrorResponse) -> Self {
        Self(refused)
    }
}

impl IntoResponse for ErrorPage {
    fn into_response(self) -> Response {
        let Self(refused) = self;
        let page = assets::message(refused.status, &refused.message);
        let mut response = (refused.status, Html(page)).into_response();
        if let Some(seconds) = refused.retry_after {
            response.headers_mut().insert(axum::http::header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
