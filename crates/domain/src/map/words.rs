//! GHL values as readable text.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Contact, ContactId, Moment, Names, readable};

/// The contact's name, or else its company, e-mail, phone or id.
pub(super) fn display_name(contact: &Contact, id: &ContactId) -> String {
    let parts: Vec<String> = [contact.first_name.as_deref(), contact.last_name.as_deref()].into_iter().filter_map(line).collect();
    let whole = (!parts.is_empty()).then(|| parts.join(" "));
    whole
        .or_else(|| line(contact.name.as_deref()))
        .or_else(|| line(contact.company.as_deref()))
        .or_else(|| line(contact.email.as_deref()))
        .or_else(|| line(contact.phone.as_deref()))
        .unwrap_or_else(|| id.to_string())
}

pub(super) fn address(contact: &Contact) -> Option<String> {
    let city: Vec<String> = [contact.postal_code.as_deref(), contact.city.as_deref()].into_iter().filter_map(line).collect();
    let lines: Vec<String> =
        [line(contact.street.as_deref()), line(Some(&city.join(" "))), line(contact.state.as_deref()), line(contact.country.as_deref())]
            .into_iter()
            .flatten()
            .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The user's name, or that GHL gave none: somebody who left, or whose name may not be read.
pub(super) fn user(id: Option<&str>, names: &Names) -> Option<String> {
    id.map(|id| line(names.users.get(id).map(String::as_str)).unwrap_or_else(|| format!("unknown user ({id})")))
}

pub(super) fn name(id: &str, names: &BTreeMap<String, String>) -> String {
    line(names.get(id).map(String::as_str)).unwrap_or_else(|| id.to_owned())
}

pub(super) fn tags(contact: &Contact) -> Vec<String> {
    let tags: BTreeSet<String> = contact.tags.iter().filter_map(|tag| line(Some(tag))).collect();
    tags.into_iter().collect()
}

/// A date without its time: GHL writes a birthday as midnight, not always in UTC.
pub(super) fn day(moment: &Moment) -> String {
    match moment {
        Moment::At(midnight) => Moment::nearest_day(*midnight).to_string(),
        Moment::Text(text) => text.clone(),
    }
}

/// The text on one line; none if it is blank.
pub(super) fn line(text: Option<&str>) -> Option<String> {
    let text = text?.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty()).then_some(text)
}

/// Readable text of several lines; none if it is blank.
pub(super) fn prose(text: Option<&str>) -> Option<String> {
    let text = readable(text?);
    (!text.trim().is_empty()).then_some(text)
}

/// The longest title made from a body, in characters.
const HEADLINE_CHARS: usize = 60;

pub(super) fn headline(body: &str) -> String {
    let first = body.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("Note");
    match first.char_indices().nth(HEADLINE_CHARS) {
        Some((cut, _)) => format!("{}…", first.get(..cut).unwrap_or(first).trim_end()),
        None => first.to_owned(),
    }
}
