//! A contact's body.

use std::collections::BTreeMap;

use jiff::{civil, tz::TimeZone};
use serde_json::Value;

use super::{Fields, Problems, Writer};
use crate::{
    answer::Refusal,
    records::{Contact, CustomField, CustomValue},
};

pub(crate) fn contact(
    contact: &mut Contact,
    body: &Fields,
    writer: Writer,
    definitions: &BTreeMap<String, CustomField>,
) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    for (key, value) in body {
        match key.as_str() {
            "firstName" => problems.text(&mut contact.first_name, key, value),
            "lastName" => problems.text(&mut contact.last_name, key, value),
            "name" => whole_name(contact, body, value, &mut problems),
            "email" => problems.text(&mut contact.email, key, value),
            "phone" => phone(contact, value, &mut problems),
            "address1" => problems.text(&mut contact.address1, key, value),
            "city" => problems.text(&mut contact.city, key, value),
            "state" => problems.text(&mut contact.state, key, value),
            "country" => problems.text(&mut contact.country, key, value),
            "postalCode" => problems.text(&mut contact.postal_code, key, value),
            "website" => problems.text(&mut contact.website, key, value),
            "timezone" => problems.text(&mut contact.time_zone, key, value),
            "source" => problems.text(&mut contact.source, key, value),
            "assignedTo" => problems.text(&mut contact.assigned_to, key, value),
            "dateOfBirth" => birthday(contact, value, &mut problems),
            "dnd" => problems.flag(&mut contact.dnd, key, value),
            "dndSettings" => dnd_settings(contact, value, &mut problems),
            "inboundDndSettings" => {}
            "tags" => {
                if let Some(tags) = problems.texts(key, value) {
                    contact.tags = tag_names(&tags);
                }
            }
            "customFields" => custom_values(contact, value, definitions, &mut problems),
            "locationId" if writer != Writer::Updating => {}
            "gender" if writer != Writer::Updating => problems.text(&mut contact.gender, key, value),
            "companyName" if writer != Writer::Updating => problems.text(&mut contact.company_name, key, value),
            "createNewIfDuplicateAllowed" if writer == Writer::Creating => {}
            "additionalEmails" if writer == Writer::Person => rows(&mut contact.additional_emails, key, value, &mut problems),
            "additionalPhones" if writer == Writer::Person => rows(&mut contact.additional_phones, key, value, &mut problems),
            "attachments" if writer == Writer::Person => rows(&mut contact.attachments, key, value, &mut problems),
            "businessId" if writer == Writer::Person => problems.text(&mut contact.business_id, key, value),
            "type" if writer == Writer::Person => problems.text(&mut contact.kind, key, value),
            "dateAdded" if writer == Writer::Person => problems.instant(&mut contact.date_added, key, value, &TimeZone::UTC),
            "id" if writer == Writer::Person => {}
            other => problems.unknown(other),
        }
    }
    problems.settled()
}

fn whole_name(contact: &mut Contact, body: &Fields, value: &Value, problems: &mut Problems) {
    if body.contains_key("firstName") || body.contains_key("lastName") {
        return;
    }
    let mut name = None;
    problems.text(&mut name, "name", value);
    let split = name.as_deref().and_then(|name| name.trim().split_once(' '));
    let (first, last) = match split {
        Some((first, last)) => (Some(first.to_owned()), Some(last.to_owned())),
        None => (name, None),
    };
    contact.first_name = first;
    contact.last_name = last;
}

/// As GHL does: E.164 with the location's country when none is given.
fn phone(contact: &mut Contact, value: &Value, problems: &mut Problems) {
    problems.text(&mut contact.phone, "phone", value);
    let Some(phone) = &mut contact.phone else { return };
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    *phone = match (phone.trim_start().starts_with('+'), digits.len()) {
        (false, 10) => format!("+1{digits}"),
        (_, 0) => std::mem::take(phone),
        (true | false, _) => format!("+{digits}"),
    };
}

/// Eight formats are documented: year first or last, four separators.
fn birthday(contact: &mut Contact, value: &Value, problems: &mut Problems) {
    let mut text = None;
    problems.text(&mut text, "dateOfBirth", value);
    let Some(text) = text else {
        contact.date_of_birth = None;
        return;
    };
    let day = text.split('T').next().unwrap_or_default();
    let parts: Vec<&str> = day.split(['-', '/', '.', '_']).collect();
    let day = match parts.as_slice() {
        [year, month, day] if year.len() == 4 => date(year, month, day),
        [month, day, year] => date(year, month, day),
        _ => None,
    };
    match day {
        Some(day) => contact.date_of_birth = Some(day.to_string()),
        None => problems.say("dateOfBirth must be a valid date".to_owned()),
    }
}

fn date(year: &str, month: &str, day: &str) -> Option<civil::Date> {
    civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn dnd_settings(contact: &mut Contact, value: &Value, problems: &mut Problems) {
    const NAMES: [&str; 6] = ["Call", "Email", "SMS", "WhatsApp", "GMB", "FB"];
    let Some(settings) = value.as_object() else {
        return problems.say("dndSettings must be an object".to_owned());
    };
    for (name, setting) in settings {
        let known = NAMES.iter().find(|known| known.eq_ignore_ascii_case(name));
        let status = setting.get("status").and_then(Value::as_str);
        match (known, status) {
            (Some(known), Some("active" | "inactive" | "permanent")) => {
                contact.dnd_settings.insert((*known).to_owned(), setting.clone());
            }
            (Some(known), _) => problems.say(format!("dndSettings.{known}.status must be one of active, inactive, permanent")),
            (None, _) => problems.unknown(&format!("dndSettings.{name}")),
        }
    }
}

/// Widely said of GHL, not verified: tags are kept in lower case. Nothing else depends on it.
pub(crate) fn tag_names(tags: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for tag in tags {
        let name = tag.trim().to_lowercase();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Whatever a person enters that no documented call can change.
fn rows(into: &mut Vec<Value>, key: &str, value: &Value, problems: &mut Problems) {
    match value.as_array() {
        Some(rows) => into.clone_from(rows),
        None => problems.say(format!("{key} must be an array")),
    }
}

/// `{"id"|"key", "field_value"|"fieldValue"|"value"}`; fields that are not named keep what they have.
fn custom_values(contact: &mut Contact, value: &Value, definitions: &BTreeMap<String, CustomField>, problems: &mut Problems) {
    let Some(rows) = value.as_array() else {
        return problems.say("customFields must be an array".to_owned());
    };
    for row in rows {
        let by_id = row.get("id").and_then(Value::as_str).filter(|id| definitions.contains_key(*id)).map(str::to_owned);
        let by_key = || {
            let key = row.get("key").and_then(Value::as_str)?;
            let named = |field: &&CustomField| field.key == key || field.key.strip_prefix("contact.") == Some(key);
            definitions.values().find(named).map(|field| field.id.clone())
        };
        let Some(id) = by_id.or_else(by_key) else {
            problems.say("customFields: no such field".to_owned());
            continue;
        };
        let value = ["field_value", "fieldValue", "value"].iter().find_map(|key| row.get(*key)).cloned().unwrap_or_default();
        contact.custom_fields.retain(|field| field.id != id);
        if !value.is_null() {
            contact.custom_fields.push(CustomValue { id, value });
        }
    }
    contact.custom_fields.sort_by(|left, right| left.id.cmp(&right.id));
}
