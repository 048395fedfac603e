//! A whole page of a workspace.

use serde::Serialize;

use super::detail::{self, Detail};
use super::links::Links;
use super::list::{ListView, list};
use crate::app::App;
use crate::object::Kind;
use crate::page::data::PageData;
use crate::page::query::{PageQuery, bare, workspace_path};

#[derive(Serialize)]
pub(crate) struct Frame {
    title: String,
    workspace: String,
    /// The workspace behind the name.
    of: String,
    home: String,
    events: String,
    position: u64,
    search: SearchView,
    list: ListView,
    detail: Detail,
}

#[derive(Serialize)]
struct SearchView {
    q: String,
    tag: Option<String>,
    /// The kind that is listed, to be kept by a new search.
    list: Option<&'static str>,
    open: Option<String>,
    inbox: bool,
}

/// `name` is what the address calls the workspace.
pub(crate) fn frame(app: &App, name: &str, query: &PageQuery, seen: &PageData) -> Frame {
    let links = Links { workspace: name, query };
    let detail = detail::detail(app, &links, seen);
    let said = bare(name);
    let title = detail.title.as_deref().map_or_else(|| said.to_owned(), |title| format!("{title} · {said}"));
    Frame {
        title,
        workspace: said.to_owned(),
        of: seen.head.workspace.clone(),
        home: workspace_path(name),
        events: format!("{}/events", workspace_path(name)),
        position: seen.head.position,
        search: SearchView {
            q: query.q.clone(),
            tag: query.tag.clone(),
            list: (query.lists() == Kind::Project).then_some("projects"),
            open: query.open.clone(),
            inbox: query.shows_inbox(),
        },
        list: list(&links, seen),
        detail,
    }
}
