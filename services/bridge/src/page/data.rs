//! Gathers from the store what a page shows.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::query::PageQuery;
use crate::app::App;
use crate::object::Kind;
use crate::store::page::{Container, Recent, Section, Shown, Tasks, Within};
use crate::store::{Head, Object, Result};

/// Everything on a page.
pub(super) struct PageData {
    pub(super) now: Timestamp,
    pub(super) head: Head,
    pub(super) orphans: u64,
    pub(super) containers: Vec<Container>,
    pub(super) more: bool,
    /// The number of matches; none when nothing is searched for.
    pub(super) found: Option<u64>,
    pub(super) main: Main,
    /// Containers of what is shown, by key.
    pub(super) names: HashMap<String, Object>,
    /// The tasks of the projects that are shown, by key.
    pub(super) tasks: HashMap<String, Tasks>,
}

/// The right side.
pub(super) enum Main {
    Overview {
        due: Vec<Object>,
        starting: Vec<Object>,
        recent: Vec<Recent>,
    },
    Container {
        object: Object,
        sections: Vec<Part>,
    },
    /// One object in full.
    Single(Object),
    Inbox(Vec<Part>),
    Missing,
}

/// A page of a section.
pub(super) struct Part {
    pub(super) section: Section,
    pub(super) page: u32,
    pub(super) shown: Shown,
}

impl PageData {
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.main, Main::Missing)
    }
}

/// What an overview shows of each kind.
const OVERVIEW_MAX: u32 = 12;
const DUE_WITHIN: SignedDuration = SignedDuration::from_hours(24);
const STARTING_WITHIN: SignedDuration = SignedDuration::from_hours(24 * 14);

pub(super) async fn gather(app: &App, workspace: &str, query: &PageQuery) -> Result<PageData> {
    let (store, now) = (&app.store, Timestamp::now());
    let head = store.head(workspace).await?;
    let search = query.search();
    let cursor = query.cursor();
    let containers = store.containers(workspace, query.lists(), &search, cursor.as_ref(), app.page.containers_max);
    let (containers, more) = containers.await?;
    let found = if search.terms.is_empty() { None } else { Some(store.found(workspace, query.lists(), &search).await?) };
    let orphans = app.orphans.recent(&head, || store.orphans(workspace)).await?;
    let main = if query.shows_inbox() && orphans == 0 { Main::Inbox(Vec::new()) } else { main(app, workspace, query, &head, now).await? };
    let names = names(app, workspace, &main).await?;
    let projects: Vec<&str> = projects(&main).map(|object| object.key.as_str()).collect();
    let tasks = if projects.is_empty() { HashMap::new() } else { store.tasks_of(workspace, &projects).await? };
    Ok(PageData { now, orphans, containers, more, found, main, names, tasks, head })
}

async fn main(app: &App, workspace: &str, query: &PageQuery, head: &Head, now: Timestamp) -> Result<Main> {
    if query.shows_inbox() {
        return Ok(Main::Inbox(parts(app, workspace, query, Within::Inbox, now).await?));
    }
    let Some(key) = query.object.as_deref().or(query.open.as_deref()).filter(|key| !key.is_empty()) else {
        return overview(app, workspace, head, now).await;
    };
    let object = if key.contains('\0') { None } else { app.store.object(workspace, key).await? };
    match object {
        None => Ok(Main::Missing),
        Some(object) if query.object.is_none() && object.kind.is_container() => {
            let sections = parts(app, workspace, query, Within::Container(&object.key), now).await?;
            Ok(Main::Container { sections, object })
        }
        Some(object) => Ok(Main::Single(object)),
    }
}

async fn overview(app: &App, workspace: &str, head: &Head, now: Timestamp) -> Result<Main> {
    let later = |duration| now.saturating_add(duration).map_or(i64::MAX, Timestamp::as_microsecond);
    Ok(Main::Overview {
        due: app.store.due(workspace, later(DUE_WITHIN), OVERVIEW_MAX).await?,
        starting: app.store.starting(workspace, now.as_microsecond(), later(STARTING_WITHIN), OVERVIEW_MAX).await?,
        recent: app.store.recent(workspace, head.position, OVERVIEW_MAX).await?,
    })
}

async fn parts(app: &App, workspace: &str, query: &PageQuery, within: Within<'_>, now: Timestamp) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for section in Section::ALL {
        let (page, size) = (query.page_of(section), app.page.section_max);
        let slice = (u64::from(page - 1) * u64::from(size), size);
        let shown = app.store.section(workspace, within, section, now.as_microsecond(), slice).await?;
        parts.push(Part { section, page, shown });
    }
    Ok(parts)
}

/// Every object on the right side.
fn shown(main: &Main) -> Vec<&Object> {
    match main {
        Main::Overview { due, starting, recent } => due.iter().chain(starting).chain(recent.iter().map(|recent| &recent.object)).collect(),
        Main::Container { object, sections } => sections.iter().flat_map(|part| &part.shown.objects).chain([object]).collect(),
        Main::Single(object) => vec![object],
        Main::Inbox(sections) => sections.iter().flat_map(|part| &part.shown.objects).collect(),
        Main::Missing => Vec::new(),
    }
}

fn projects(main: &Main) -> impl Iterator<Item = &Object> {
    shown(main).into_iter().filter(|object| object.kind == Kind::Project)
}

/// The container of the object, as far as it names one.
pub(super) fn container_of(object: &Object) -> Option<String> {
    let named = crate::object::Content::stored(object.kind, &object.content).text("container").map(str::to_owned);
    if object.kind == Kind::Contact { None } else { named.or_else(|| object.contact.clone()) }
}

async fn names(app: &App, workspace: &str, main: &Main) -> Result<HashMap<String, Object>> {
    let mut keys: Vec<String> =
        shown(main).into_iter().flat_map(|object| [container_of(object), object.contact.clone()]).flatten().collect();
    keys.sort_unstable();
    keys.dedup();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let known = app.store.known(workspace, &keys).await?;
    Ok(known.into_iter().map(|object| (object.key.clone(), object)).collect())
}
