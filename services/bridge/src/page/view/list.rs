//! The left side of the page.

use serde::Serialize;

use super::links::{Links, TagView, in_list};
use crate::object::{Content, Kind};
use crate::page::data::PageData;
use crate::page::query::{PageQuery, cursor_after, link};
use crate::page::text::{element_id, hue, initials};
use crate::store::page::Container;

#[derive(Serialize)]
pub(crate) struct ListView {
    tabs: Vec<Tab>,
    /// The title of the list.
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

pub(super) fn list(links: &Links<'_>, seen: &PageData) -> ListView {
    let query = links.query;
    let kind = query.lists();
    let [contacts, projects] = [Kind::Contact, Kind::Project].map(|kind| seen.head.counts.of(kind));
    let searching = [("q", Some(query.q.as_str())), ("open", query.open.as_deref())];
    let (word, all) = if kind == Kind::Project { ("projects", projects) } else { ("contacts", contacts) };
    let inbox = query.shows_inbox();
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
            tab("Inbox", seen.orphans, link(links.workspace, &[("view", Some("inbox")), ("list", query.list.as_deref())]), inbox),
        ],
        label: if kind == Kind::Project { "Projects" } else { "Contacts" },
        summary: summary(seen, word, all),
        tag: query.tag.as_ref().map(|tag| TagView { name: tag.clone(), href: in_list(link(links.workspace, &searching)) }),
        clear: (seen.found.is_some())
            .then(|| in_list(link(links.workspace, &[("list", query.list.as_deref()), ("open", query.open.as_deref())]))),
        rows: seen.containers.iter().map(|container| row(links, container)).collect(),
        first: query.cursor().map(|_| page(links, None)),
        next: seen.containers.last().filter(|_| seen.more).map(|last| page(links, Some(&cursor_after(&last.sort, &last.object.key)))),
    }
}

/// The list from a cursor on.
fn page(links: &Links<'_>, after: Option<&str>) -> String {
    let PageQuery { q, tag, list, open, view, .. } = links.query;
    let kept =
        [("q", Some(q.as_str())), ("tag", tag.as_deref()), ("list", list.as_deref()), ("open", open.as_deref()), ("view", view.as_deref())];
    in_list(link(links.workspace, &[&kept[..], &[("after", after)]].concat()))
}

fn summary(seen: &PageData, word: &str, all: u64) -> String {
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
    let current = links.query.open.as_deref() == Some(&object.key) && !links.query.shows_inbox();
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
