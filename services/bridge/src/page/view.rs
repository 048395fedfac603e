//! What the templates are given: finished texts and addresses, nothing to decide but what is there.

mod detail;
mod object;

use serde::Serialize;

use super::ask::{Ask, bare, itself_path, link, place_after, workspace_path};
use super::data::Seen;
use super::text::{element_id, hue, initials};
use crate::app::Parts;
use crate::contents::Content;
use crate::kind::Kind;
use crate::store::page::Container;
use crate::store::{Alias, Head};
use detail::Detail;

#[derive(Serialize)]
pub(super) struct Frame {
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

#[derive(Serialize)]
struct ListView {
    tabs: Vec<Tab>,
    /// What the list is of, in words.
    label: &'static str,
    summary: String,
    tag: Option<TagView>,
    clear: Option<String>,
    rows: Vec<RowView>,
    first: Option<String>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Tab {
    label: &'static str,
    count: u64,
    href: String,
    current: bool,
}

/// A tag, and the list of who has it.
#[derive(Clone, Serialize)]
pub(super) struct TagView {
    name: String,
    href: String,
}

#[derive(Serialize)]
struct RowView {
    id: String,
    href: String,
    name: String,
    about: Option<String>,
    initials: String,
    hue: u8,
    project: bool,
    open_tasks: u64,
    tags: Vec<String>,
    more_tags: usize,
    current: bool,
}

/// Tags shown in a row of the list.
const ROW_TAGS: usize = 3;

/// What every link keeps, and the addresses made from it.
pub(super) struct Links<'a> {
    workspace: &'a str,
    ask: &'a Ask,
}

impl Links<'_> {
    /// Opens a container; the list stays as it is.
    pub(super) fn open(&self, key: &str) -> String {
        self.kept(&[("open", Some(key))])
    }

    /// One object alone and in full.
    pub(super) fn object(&self, key: &str) -> String {
        self.kept(&[("object", Some(key))])
    }

    pub(super) fn tag(&self, tag: &str) -> String {
        in_list(link(self.workspace, &[("tag", Some(tag)), ("open", self.ask.open.as_deref())]))
    }

    fn kept(&self, more: &[(&str, Option<&str>)]) -> String {
        let Ask { q, tag, list, after, .. } = self.ask;
        let mut parameters = vec![("q", Some(q.as_str())), ("tag", tag.as_deref()), ("list", list.as_deref()), ("after", after.as_deref())];
        parameters.extend_from_slice(more);
        link(self.workspace, &parameters)
    }
}

/// `name` is what the address calls the workspace.
pub(super) fn frame(app: &Parts, name: &str, ask: &Ask, seen: &Seen) -> Frame {
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

/// Within the list: a phone, where the list is folded away, unfolds it then.
fn in_list(address: String) -> String {
    address + "#list"
}

fn list(links: &Links<'_>, seen: &Seen) -> ListView {
    let ask = links.ask;
    let kind = ask.lists();
    let [contacts, projects, ..] = seen.head.counts;
    let searching = [("q", Some(ask.q.as_str())), ("open", ask.open.as_deref())];
    let (word, all) = if kind == Kind::Project { ("projects", projects) } else { ("contacts", contacts) };
    let inbox = ask.shows_inbox();
    let tab = |label, count, href, current| Tab { label, count, href, current };
    ListView {
        tabs: vec![
            tab("Contacts", contacts, in_list(link(links.workspace, &searching)), kind == Kind::Contact && !inbox),
            tab(
                "Projects",
                projects,
                in_list(link(links.workspace, &[&searching[..], &[("list", Some("projects"))]].concat())),
                kind == Kind::Project && !inbox,
            ),
            tab("Inbox", seen.orphans, link(links.workspace, &[("view", Some("inbox")), ("list", ask.list.as_deref())]), inbox),
        ],
        label: if kind == Kind::Project { "Projects" } else { "Contacts" },
        summary: summary(seen, word, all),
        tag: ask.tag.as_ref().map(|tag| TagView { name: tag.clone(), href: in_list(link(links.workspace, &searching)) }),
        clear: (seen.found.is_some())
            .then(|| in_list(link(links.workspace, &[("list", ask.list.as_deref()), ("open", ask.open.as_deref())]))),
        rows: seen.containers.iter().map(|container| row(links, container)).collect(),
        first: ask.place().map(|_| page(links, None)),
        next: seen.containers.last().filter(|_| seen.more).map(|last| page(links, Some(&place_after(&last.sort, &last.object.key)))),
    }
}

/// The list from another place on.
fn page(links: &Links<'_>, after: Option<&str>) -> String {
    let Ask { q, tag, list, open, view, .. } = links.ask;
    let kept =
        [("q", Some(q.as_str())), ("tag", tag.as_deref()), ("list", list.as_deref()), ("open", open.as_deref()), ("view", view.as_deref())];
    in_list(link(links.workspace, &[&kept[..], &[("after", after)]].concat()))
}

fn summary(seen: &Seen, word: &str, all: u64) -> String {
    match seen.found {
        Some(0) => format!("None of {all} {word} found"),
        Some(found) => format!("{found} of {all} {word} found"),
        None if all == 0 => format!("No {word} yet"),
        None => String::new(),
    }
}

fn row(links: &Links<'_>, container: &Container) -> RowView {
    let object = &container.object;
    let content = Content::stored(object.kind, &object.content);
    let tags: Vec<String> = content.tags().take(ROW_TAGS).map(str::to_owned).collect();
    let about = ["company", "email", "phone"].into_iter().find_map(|field| content.text(field)).map(str::to_owned);
    let current = links.ask.open.as_deref() == Some(&object.key) && !links.ask.shows_inbox();
    RowView {
        id: format!("row-{}", element_id(&object.key)),
        href: links.open(&object.key),
        name: content.title().to_owned(),
        about: about.filter(|about| about != content.title()),
        initials: initials(content.title()),
        hue: hue(&object.key),
        project: object.kind == Kind::Project,
        open_tasks: container.open_tasks,
        more_tags: content.tags().count() - tags.len(),
        tags,
        current,
    }
}

#[derive(Serialize)]
pub(super) struct Workspaces {
    title: &'static str,
    aliases: Vec<AliasView>,
    workspaces: Vec<WorkspaceView>,
    /// More exist than are shown.
    cut: bool,
}

#[derive(Serialize)]
struct AliasView {
    name: String,
    href: String,
    workspace: String,
}

#[derive(Serialize)]
struct WorkspaceView {
    name: String,
    href: String,
    objects: u64,
    contacts: u64,
    position: u64,
}

pub(super) fn workspaces(heads: &[Head], aliases: &[Alias], most: u32) -> Workspaces {
    let hidden = |head: &Head| aliases.iter().any(|alias| alias.alias == head.workspace);
    let view = |head: &Head| WorkspaceView {
        name: head.workspace.clone(),
        href: if hidden(head) { itself_path(&head.workspace) } else { workspace_path(&head.workspace) },
        objects: head.objects(),
        contacts: head.counts.first().copied().unwrap_or_default(),
        position: head.position,
    };
    let alias =
        |alias: &Alias| AliasView { name: alias.alias.clone(), href: workspace_path(&alias.alias), workspace: alias.workspace.clone() };
    let cut = heads.len().max(aliases.len()) >= most as usize;
    Workspaces { title: "Workspaces", aliases: aliases.iter().map(alias).collect(), workspaces: heads.iter().map(view).collect(), cut }
}
