//! GHL values as readable text.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::{Contact, ContactId, CustomField, Moment, Names, readable};

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

/// The user's name, or the id if GHL gave no name.
pub(super) fn user(id: Option<&str>, names: &Names) -> Option<String> {
    id.map(|id| name(id, &names.users))
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

pub(super) fn custom_fields(contact: &Contact, names: &Names) -> Vec<CustomField> {
    let mut fields: Vec<CustomField> = contact
        .custom_fields
        .iter()
        .map(|(id, value)| {
            let spoken = if names.field_types.get(id).is_some_and(|kind| kind == DATE) { date_text(value) } else { None };
            CustomField { name: name(id, &names.fields), value: spoken.unwrap_or_else(|| value_text(value)) }
        })
        .filter(|field| !field.value.is_empty())
        .collect();
    fields.sort_by(|a, b| (&a.name, &a.value).cmp(&(&b.name, &b.value)));
    fields
}

/// GHL's name of the type of custom fields that hold a day.
const DATE: &str = "DATE";

/// A day that GHL writes as its first millisecond or as a moment; none for what is spelled otherwise.
fn date_text(value: &Value) -> Option<String> {
    let at = match value {
        Value::Number(millis) => Timestamp::from_millisecond(millis.as_i64()?).ok()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(Moment::nearest_day(at).to_string())
}

/// The value of a custom field as text; there is a text for every JSON type.
fn value_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => readable(text),
        Value::Array(values) => values.iter().map(value_text).filter(|value| !value.is_empty()).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields.iter().map(|(name, value)| format!("{name}: {}", value_text(value))).collect::<Vec<_>>().join("; "),
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
