//! The table of routes.

use axum::routing::{MethodRouter, delete, get, post, put};

use super::{objects, workspaces};
use crate::app::App;
use crate::kind::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    ListWorkspaces,
    PutWorkspace,
    GetWorkspace,
    WriteBatch,
    GetDigest,
    ListChanges,
    GetContactDigest,
    ListAllObjects,
    ListObjects(Kind),
    PutObject(Kind),
    GetObject(Kind),
    RemoveObject(Kind),
}

pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::ListWorkspaces,
        Route::PutWorkspace,
        Route::GetWorkspace,
        Route::WriteBatch,
        Route::GetDigest,
        Route::ListChanges,
        Route::GetContactDigest,
        Route::ListAllObjects,
    ];
    for kind in Kind::ALL {
        routes.extend([Route::ListObjects(kind), Route::PutObject(kind), Route::GetObject(kind), Route::RemoveObject(kind)]);
    }
    routes
}

impl Route {
    pub(super) fn path(self) -> String {
        const WORKSPACE: &str = "/v1/workspaces/{workspace}";
        match self {
            Self::ListWorkspaces => "/v1/workspaces".to_owned(),
            Self::PutWorkspace | Self::GetWorkspace => WORKSPACE.to_owned(),
            Self::WriteBatch => format!("{WORKSPACE}/batch"),
            Self::GetDigest => format!("{WORKSPACE}/digest"),
            Self::ListChanges => format!("{WORKSPACE}/changes"),
            Self::GetContactDigest => format!("{WORKSPACE}/contacts/{{key}}/digest"),
            Self::ListAllObjects => format!("{WORKSPACE}/objects"),
            Self::ListObjects(kind) => format!("{WORKSPACE}/{}", kind.plural()),
            Self::PutObject(kind) | Self::GetObject(kind) | Self::RemoveObject(kind) => format!("{WORKSPACE}/{}/{{key}}", kind.plural()),
        }
    }

    pub(super) fn method(self) -> &'static str {
        match self {
            Self::PutWorkspace | Self::PutObject(_) => "put",
            Self::WriteBatch => "post",
            Self::RemoveObject(_) => "delete",
            Self::ListWorkspaces
            | Self::GetWorkspace
            | Self::GetDigest
            | Self::ListChanges
            | Self::GetContactDigest
            | Self::ListAllObjects
            | Self::ListObjects(_)
            | Self::GetObject(_) => "get",
        }
    }

    pub(super) fn handler(self) -> MethodRouter<App> {
        match self {
            Self::ListWorkspaces => get(workspaces::list),
            Self::PutWorkspace => put(workspaces::create),
            Self::GetWorkspace => get(workspaces::read),
            Self::WriteBatch => post(objects::write_batch),
            Self::GetDigest => get(workspaces::digest),
            Self::ListChanges => get(workspaces::changes),
            Self::GetContactDigest => get(workspaces::contact_digest),
            Self::ListAllObjects => get(objects::list_all),
            Self::ListObjects(kind) => get(move |app, path, query| objects::list(kind, app, path, query)),
            Self::PutObject(kind) => put(move |app, path, headers, body| objects::write(kind, app, path, headers, body)),
            Self::GetObject(kind) => get(move |app, path| objects::read(kind, app, path)),
            Self::RemoveObject(kind) => delete(move |app, path, query, headers| objects::remove(kind, app, path, query, headers)),
        }
    }
}
