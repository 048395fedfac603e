//! Refusals, as pages.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::assets;
use crate::api::Refused;
use crate::store::Error;

/// A refusal, as a page.
pub(super) struct Failed(pub(super) Refused);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(match error {
            Error::WorkspaceUnknown => Refused::new(StatusCode::NOT_FOUND, "workspace_unknown", "There is no workspace of that name."),
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

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

impl IntoResponse for Failed {
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
