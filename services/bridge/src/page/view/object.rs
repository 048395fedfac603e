//! One object on the page.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::links::Links;
use crate::object::{Content, Kind, Policy, Time, schema};
use crate::page::clock::{When, at, due, instant, range, zone, zone_name};
use crate::page::data::{PageData, container_of};
use crate::page::text::{Prose, element_id, hue, initials, prose, web_link};
use crate::store::Object;
use crate::store::page::Recent;

/// How objects are shown.
pub(super) struct Look<'a> {
    pub(super) links: &'a Links<'a>,
    pub(super) seen: &'a PageData,
    pub(super) zone: TimeZone,
    pub(super) chars_max: usize,
    /// The object is alone on the page: nothing is folded.
    pub(super) alone: bool,
}

/// A link to a container.
#[derive(Clone, Serialize)]
pub(super) struct LinkView {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) project: bool,
    pub(super) initials: String,
    pub(super) hue: u8,
}

impl LinkView {
    pub(super) fn to(links: &Links<'_>, container: &Object) -> Self {
        let content = Content::stored(container.kind, &container.content);
        Self {
            name: content.title().to_owned(),
            href: links.open(&container.key),
            project: container.kind == Kind::Project,
            initials: initials(content.title()),
            hue: hue(&container.key),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ObjectView {
    id: String,
    kind: &'static str,
    pub(super) title: String,
    /// Of this object alone, or of the container it is.
    href: String,
    yours: bool,
    container: Option<LinkView>,
    text: Option<Prose>,
    /// A task's due time, a note's time of writing, an appointment's time.
    when: Option<When>,
    zone: Option<String>,
    done: bool,
    pinned: bool,
    who: Option<String>,
    status: Option<Status>,
    place: Option<PlaceView>,
    calendar: Option<String>,
    files: Vec<PlaceView>,
    progress: Option<Progress>,
}

#[derive(Serialize)]
struct Status {
    text: String,
    /// `good`, `bad` or nothing.
    tone: &'static str,
}

#[derive(Serialize)]
struct PlaceView {
    text: String,
    href: Option<String>,
}

#[derive(Serialize)]
struct Progress {
    done: u64,
    all: u64,
}

#[derive(Serialize)]
pub(super) struct RecentView {
    object: ObjectView,
    when: When,
}

pub(super) fn recent(look: &Look<'_>, change: &Recent) -> RecentView {
    let changed_at = Timestamp::from_microsecond(change.changed_at).unwrap_or(Timestamp::UNIX_EPOCH);
    RecentView { object: object(look, &change.object), when: instant(changed_at, look.seen.now, &look.zone) }
}

pub(super) fn object(look: &Look<'_>, object: &Object) -> ObjectView {
    let content = Content::stored(object.kind, &object.content);
    let container = container_of(object).and_then(|key| look.seen.names.get(&key)).map(|container| LinkView::to(look.links, container));
    let text = prose(content.text("body").or_else(|| content.text("notes")), look.chars_max);
    let text = text.map(|text| if look.alone { Prose { preview: None, ..text } } else { text });
    let own_zone = content.text("time_zone").map(|name| zone(Some(name)));
    let when = when(look, &content, own_zone.as_ref());
    let has_zone = match schema(object.kind).time {
        Time::Range(..) => true,
        Time::Due(_) => when.as_ref().is_some_and(|when| when.datetime.is_some()),
        Time::Never | Time::At(_) => false,
    };
    let tasks = look.seen.tasks.get(&object.key).filter(|_| object.kind == Kind::Project);
    ObjectView {
        id: element_id(&object.key),
        kind: object.kind.as_str(),
        title: content.title().to_owned(),
        href: if object.kind.is_container() { look.links.open(&object.key) } else { look.links.object(&object.key) },
        yours: object.policy == Policy::Once,
        container,
        text: text.filter(|text| !repeats(&content, text)),
        when,
        zone: has_zone.then(|| zone_name(own_zone.as_ref().unwrap_or(&TimeZone::UTC))),
        done: content.flag("done"),
        pinned: content.flag("pinned"),
        who: ["assignee", "author"].into_iter().find_map(|field| content.text(field)).map(str::to_owned),
        status: content.text("status").map(status),
        place: content
            .text("place")
            .map(|place| PlaceView { href: web_link(place).filter(|_| place.contains("://")), text: place.to_owned() }),
        calendar: content.text("calendar").map(str::to_owned),
        files: content.texts("attachments").map(|file| PlaceView { text: file.to_owned(), href: web_link(file) }).collect(),
        progress: tasks.map(|tasks| Progress { done: tasks.all - tasks.open, all: tasks.all }),
    }
}

/// A note whose title is its whole text is not shown twice.
fn repeats(content: &Content, text: &Prose) -> bool {
    content.text("body").is_some() && text.text == content.title()
}

/// In its own zone, wherever on the page it is: else one task would be due on two days.
fn when(look: &Look<'_>, content: &Content, own_zone: Option<&TimeZone>) -> Option<When> {
    let now = look.seen.now;
    match schema(content.kind()).time {
        Time::Never => None,
        Time::Due(field) => content.text(field).map(|text| {
            let when = due(text, now, own_zone);
            if content.flag("done") { When { tone: "", ..when } } else { when }
        }),
        Time::At(field) => content.text(field).map(|text| at(text, now, &look.zone)),
        Time::Range(starts, ends) => range(content.text(starts), content.text(ends), now, own_zone.unwrap_or(&TimeZone::UTC)),
    }
}

fn status(text: &str) -> Status {
    let tone = match text.to_lowercase().as_str() {
        "confirmed" | "showed" | "completed" => "good",
        "cancelled" | "canceled" | "noshow" | "no-show" | "invalid" => "bad",
        _ => "",
    };
    Status { text: text.to_owned(), tone }
}
