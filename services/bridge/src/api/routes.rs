//! The table of routes.

use std::sync::Arc;

use axum::routing::{MethodRouter, delete, get, post, put};

use super::{aliases, objects, workspaces};
use crate::app::App;
use crate::object::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    ListWorkspaces,
    PutWorkspace,
    GetWorkspace,
    RetireWorkspace,
    WriteBatch,
    GetDigest,
    ListDigests,
    ListChanges,
    GetContactDigest,
    EraseContact,
    Outdate,
    ListAllObjects,
    ListObjects(Kind),
    PutObject(Kind),
    GetObject(Kind),
    RemoveObject(Kind),
    ListAliases,
    PutAlias,
    GetAlias,
    RemoveAlias,
}

pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::ListWorkspaces,
        Route::PutWorkspace,
        Route::GetWorkspace,
        Route::RetireWorkspace,
        Route::WriteBatch,
        Route::GetDigest,
        Route::ListDigests,
        Route::ListChanges,
        Route::GetContactDigest,
        Route::EraseContact,
        Route::Outdate,
        Route::ListAllObjects,
        Route::ListAliases,
        Route::PutAlias,
        Route::GetAlias,
        Route::RemoveAlias,
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
            Self::PutWorkspace | Self::GetWorkspace | Self::RetireWorkspace => WORKSPACE.to_owned(),
            Self::WriteBatch => format!("{WORKSPACE}/batch"),
            Self::GetDigest => format!("{WORKSPACE}/digest"),
            Self::ListDigests => format!("{WORKSPACE}/digests"),
            Self::EraseContact => format!("{WORKSPACE}/contacts/{{key}}/erase"),
            Self::Outdate => format!("{WORKSPACE}/outdate"),
            Self::ListAliases => "/v1/aliases".to_owned(),
            Self::PutAlias | Self::GetAlias | Self::RemoveAlias => "/v1/aliases/{alias}".to_owned(),
            Self::ListChanges => format!("{WORKSPACE}/changes"),
            Self::GetContactDigest => format!("{WORKSPACE}/contacts/{{key}}/digest"),
            Self::ListAllObjects => format!("{WORKSPACE}/objects"),
            Self::ListObjects(kind) => format!("{WORKSPACE}/{}", kind.plural()),
            Self::PutObject(kind) | Self::GetObject(kind) | Self::RemoveObject(kind) => format!("{WORKSPACE}/{}/{{key}}", kind.plural()),
        }
    }

    pub(super) fn method(self) -> &'static str {
        match self {
            Self::PutWorkspace | Self::PutAlias | Self::PutObject(_) => "put",
            Self::WriteBatch | Self::EraseContact | Self::Outdate => "post",
            Self::RetireWorkspace | Self::RemoveAlias | Self::RemoveObject(_) => "delete",
            Self::ListWorkspaces
            | Self::GetWorkspace
            | Self::GetDigest
            | Self::ListDigests
            | Self::ListAliases
            | Self::GetAlias
            | Self::ListChanges
            | Self::GetContactDigest
            | Self::ListAllObjects
            | Self::ListObjects(_)
            | Self::GetObject(_) => "get",
        }
    }

    pub(super) fn handler(self) -> MethodRouter<Arc<App>> {
        match self {
            Self::ListWorkspaces => get(workspaces::list),
            Self::PutWorkspace => put(workspaces::create),
            Self::GetWorkspace => get(workspaces::read),
            Self::RetireWorkspace => delete(workspaces::retire),
            Self::ListDigests => get(workspaces::contact_digests),
            Self::EraseContact => post(workspaces::erase),
            Self::Outdate => post(workspaces::outdate),
            Self::ListAliases => get(aliases::list),
            Self::PutAlias => put(aliases::point),
            Self::GetAlias => get(aliases::read),
            Self::RemoveAlias => delete(aliases::remove),
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
