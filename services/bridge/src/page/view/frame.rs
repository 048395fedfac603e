//! A whole page of a workspace.

use serde::Serialize;

use super::detail::{self, Detail};
use super::links::Links;
use super::list::{ListView, list};
use crate::app::Parts;
use crate::object::Kind;
use crate::page::data::Seen;
use crate::page::query::{Ask, bare, workspace_path};

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
pub(crate) fn frame(app: &Parts, name: &str, ask: &Ask, seen: &Seen) -> Frame {
    let links = Links { workspace: name, ask };
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
            q: ask.q.clone(),
            tag: ask.tag.clone(),
            list: (ask.lists() == Kind::Project).then_some("projects"),
            open: ask.open.clone(),
            inbox: ask.shows_inbox(),
        },
        list: list(&links, seen),
        detail,
    }
}
