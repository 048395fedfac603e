//! The right side of the page.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::links::{Links, TagView};
use super::object::{LinkView, Look, ObjectView, RecentView, object, recent};
use crate::app::App;
use crate::object::{Content, Kind, Policy};
use crate::page::clock::{zone, zone_name};
use crate::page::data::{Main, PageData, Part, container_of};
use crate::page::text::{Prose, hue, initials, mail_link, phone_link, prose, web_link};
use crate::store::Object;

#[derive(Serialize)]
pub(crate) struct Detail {
    /// `overview`, `contact`, `project`, `single`, `inbox` or `missing`.
    pub(super) shape: &'static str,
    pub(super) title: Option<String>,
    profile: Option<Profile>,
    sections: Vec<SectionView>,
    single: Option<ObjectView>,
    overview: Option<Overview>,
    /// The zone of times that have none of their own.
    zone: String,
    back: String,
}

#[derive(Serialize)]
struct Overview {
    figures: Vec<Figure>,
    due: Vec<ObjectView>,
    starting: Vec<ObjectView>,
    recent: Vec<RecentView>,
}

#[derive(Serialize)]
struct Figure {
    label: &'static str,
    count: u64,
}

/// The head of a container.
#[derive(Serialize)]
struct Profile {
    name: String,
    initials: String,
    hue: u8,
    yours: bool,
    about: Option<String>,
    do_not_disturb: bool,
    /// The channels that it is about.
    do_not_disturb_on: Option<String>,
    contact: Option<LinkView>,
    tags: Vec<TagView>,
    facts: Vec<Fact>,
    custom: Vec<Fact>,
    notes: Option<Prose>,
}

#[derive(Serialize)]
struct Fact {
    label: String,
    value: String,
    href: Option<String>,
    /// Leads away from the page.
    outside: bool,
}

#[derive(Serialize)]
struct SectionView {
    name: &'static str,
    title: &'static str,
    objects: Vec<ObjectView>,
    total: u64,
    /// "51–100 of 5,000", when not everything is shown.
    range: Option<String>,
    before: Option<String>,
    after: Option<String>,
    /// The text of an empty section; none hides the section.
    empty: Option<&'static str>,
    /// Whether the section is folded.
    folded: bool,
}

pub(super) fn detail(app: &App, links: &Links<'_>, seen: &PageData) -> Detail {
    let utc = TimeZone::UTC;
    let look = |zone| Look { links, seen, zone, chars_max: app.page.text_chars_max, alone: false };
    let blank = Detail {
        shape: "missing",
        title: None,
        profile: None,
        sections: Vec::new(),
        single: None,
        overview: None,
        zone: zone_name(&utc),
        back: links.kept(&[]),
    };
    match &seen.main {
        Main::Missing => Detail { title: Some("Not there".to_owned()), ..blank },
        Main::Overview { .. } => Detail { shape: "overview", overview: overview(&look(utc)), ..blank },
        Main::Inbox(parts) => {
            Detail { shape: "inbox", title: Some("Inbox".to_owned()), sections: sections(app, &look(utc), parts, None), ..blank }
        }
        Main::Single(single) => {
            let zone = zone_of(seen, single);
            let view = object(&Look { alone: true, chars_max: usize::MAX, ..look(zone.clone()) }, single);
            Detail { shape: "single", title: Some(view.title.clone()), zone: zone_name(&zone), single: Some(view), ..blank }
        }
        Main::Container { object, sections: parts } => {
            let zone = zone_of(seen, object);
            let profile = profile(app, links, seen, object);
            let sections = sections(app, &look(zone.clone()), parts, Some(object));
            let shape = if object.kind == Kind::Project { "project" } else { "contact" };
            Detail { shape, title: Some(profile.name.clone()), profile: Some(profile), sections, zone: zone_name(&zone), ..blank }
        }
    }
}

/// The time zone of the contact that the object is about.
fn zone_of(seen: &PageData, object: &Object) -> TimeZone {
    let contact = object.contact.as_ref().and_then(|contact| seen.names.get(contact));
    zone(contact.and_then(|contact| Content::stored(Kind::Contact, &contact.content).text("time_zone").map(str::to_owned)).as_deref())
}

fn overview(look: &Look<'_>) -> Option<Overview> {
    let Main::Overview { due, starting, recent: changes } = &look.seen.main else { return None };
    Some(Overview {
        figures: Kind::ALL.map(|kind| Figure { label: kind.heading(), count: look.seen.head.counts.of(kind) }).into(),
        due: due.iter().map(|task| object(look, task)).collect(),
        starting: starting.iter().map(|appointment| object(look, appointment)).collect(),
        recent: changes.iter().map(|change| recent(look, change)).collect(),
    })
}

fn profile(app: &App, links: &Links<'_>, seen: &PageData, object: &Object) -> Profile {
    let content = Content::stored(object.kind, &object.content);
    let contact = container_of(object).filter(|_| object.kind == Kind::Project);
    let contact = contact.and_then(|key| seen.names.get(&key)).map(|contact| LinkView::to(links, contact));
    Profile {
        name: content.title().to_owned(),
        initials: initials(content.title()),
        hue: hue(&object.key),
        yours: object.policy == Policy::Once,
        about: content.text("company").map(str::to_owned),
        do_not_disturb: content.flag("do_not_disturb"),
        do_not_disturb_on: Some(content.texts("do_not_disturb_on").collect::<Vec<_>>().join(", ")).filter(|channels| !channels.is_empty()),
        contact,
        tags: content.tags().map(|tag| TagView { name: tag.to_owned(), href: links.tag(tag) }).collect(),
        facts: facts(&content),
        custom: content
            .custom_fields()
            .map(|field| Fact {
                label: field.name.to_owned(),
                value: field.value.to_owned(),
                href: field.link.and_then(web_link),
                outside: true,
            })
            .collect(),
        notes: prose(content.text("notes"), app.page.text_chars_max),
    }
}

const FILES: &str = "attachments";

fn facts(content: &Content) -> Vec<Fact> {
    let labels = [
        ("email", "E-mail"),
        ("phone", "Phone"),
        ("website", "Website"),
        ("address", "Address"),
        ("birthday", "Birthday"),
        ("owner", "Owner"),
        ("source", "Source"),
        ("time_zone", "Time zone"),
    ];
    let fact = |(field, label): (&str, &str)| {
        let value = content.text(field)?.to_owned();
        let href = match field {
            "email" => mail_link(&value),
            "phone" => phone_link(&value),
            "website" => web_link(&value),
            _ => None,
        };
        Some(Fact { label: label.to_owned(), outside: field == "website", value, href })
    };
    let several = |field: &'static str, label: &'static str, link: fn(&str) -> Option<String>| {
        let fact = move |value: &str| Fact { label: label.to_owned(), value: value.to_owned(), href: link(value), outside: field == FILES };
        content.texts(field).map(fact)
    };
    let mut facts: Vec<Fact> = several("further_emails", "Further e-mail", mail_link).collect();
    // Without what the number is called.
    facts.extend(several("further_phones", "Further phone", |phone| phone_link(phone.split(" (").next().unwrap_or_default())));
    let (first, rest) = labels.split_at(2);
    let single = |labels: &[(&str, &str)]| labels.iter().copied().filter_map(fact).collect::<Vec<_>>();
    let mut all = single(first);
    all.append(&mut facts);
    all.extend(single(rest));
    all.extend(several(FILES, "File", web_link));
    all
}

fn sections(app: &App, look: &Look<'_>, parts: &[Part], container: Option<&Object>) -> Vec<SectionView> {
    let view = |part: &Part| {
        let empty = part.section.empty(container.map(|container| container.kind));
        (part.shown.total > 0 || empty.is_some()).then(|| section(app, look, part, container, empty))
    };
    parts.iter().filter_map(view).collect()
}

fn section(app: &App, look: &Look<'_>, part: &Part, container: Option<&Object>, empty: Option<&'static str>) -> SectionView {
    let size = u64::from(app.page.section_max);
    let (total, page) = (part.shown.total, u64::from(part.page));
    let first = (page - 1) * size + 1;
    let last = (first + part.shown.objects.len() as u64).saturating_sub(1);
    let turned = |page: u64| {
        let page = page.to_string();
        let container = match container {
            Some(container) => ("open", Some(container.key.as_str())),
            None => ("view", Some("inbox")),
        };
        let kept = [container, ("section", Some(part.section.name())), ("page", Some(page.as_str()))];
        format!("{}#{}", look.links.kept(&kept), part.section.name())
    };
    SectionView {
        name: part.section.name(),
        title: part.section.title(),
        objects: part.shown.objects.iter().map(|shown| object(look, shown)).collect(),
        total,
        range: (total > size).then(|| format!("{first}–{last} of {total}")),
        before: (page > 1).then(|| turned(page - 1)),
        after: (last < total && last >= first).then(|| turned(page + 1)),
        empty,
        folded: part.section.is_over() && page == 1,
    }
}
