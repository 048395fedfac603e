//! Reads the bodies of writes into records; all problems of a body are told at once, as a 422 does.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};
use serde_json::{Map, Value};

use crate::{
    answer::Refusal,
    records::{Appointment, Business, Contact, CustomField, CustomValue, Note, RecurringTask, Task},
};

pub(crate) type Fields = Map<String, Value>;

/// Who writes: an application is held to the published bodies, a person in GHL's own pages can do more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    Creating,
    Updating,
    Person,
}

pub(crate) fn object(body: &Value) -> Result<&Fields, Refusal> {
    body.as_object().ok_or_else(|| Refusal::bad_request("body must be a JSON object"))
}

/// Collects what is wrong, field by field.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn say(&mut self, problem: String) {
        self.0.push(problem);
    }

    fn unknown(&mut self, key: &str) {
        self.say(format!("property {key} should not exist"));
    }

    /// Null and an empty text clear the field.
    fn text(&mut self, field: &mut Option<String>, key: &str, value: &Value) {
        match value {
            Value::String(text) => *field = Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Null => *field = None,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => self.say(format!("{key} must be a string")),
        }
    }

    fn required_text(&mut self, field: &mut String, key: &str, value: &Value) {
        match value.as_str() {
            Some(text) if !text.is_empty() => text.clone_into(field),
            _ => self.say(format!("{key} must be a string")),
        }
    }

    fn flag(&mut self, field: &mut bool, key: &str, value: &Value) {
        match value.as_bool() {
            Some(flag) => *field = flag,
            None => self.say(format!("{key} must be a boolean value")),
        }
    }

    fn instant(&mut self, field: &mut Timestamp, key: &str, value: &Value, zone: &TimeZone) {
        match value.as_str().and_then(|text| instant(text, zone)) {
            Some(at) => *field = at,
            None => self.say(format!("{key} must be a valid ISO 8601 date string")),
        }
    }

    fn texts(&mut self, key: &str, value: &Value) -> Option<Vec<String>> {
        let rows: Option<Vec<String>> = value.as_array().and_then(|rows| rows.iter().map(|row| row.as_str().map(str::to_owned)).collect());
        if rows.is_none() {
            self.say(format!("each value in {key} must be a string"));
        }
        rows
    }

    fn settled(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::unprocessable(&self.0)) }
    }
}

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

pub(crate) fn task(task: &mut Task, body: &Fields, writer: Writer) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    if writer == Writer::Creating {
        for key in ["title", "dueDate", "completed"] {
            if body.get(key).is_none_or(Value::is_null) {
                problems.say(format!("{key} should not be empty"));
            }
        }
    }
    for (key, value) in body {
        match key.as_str() {
            "title" => problems.text(&mut task.title, key, value),
            "body" => problems.text(&mut task.body, key, value),
            "assignedTo" => problems.text(&mut task.assigned_to, key, value),
            "completed" => problems.flag(&mut task.completed, key, value),
            "dueDate" if value.is_null() => task.due_date = None,
            "dueDate" => {
                let mut due = Timestamp::default();
                problems.instant(&mut due, key, value, &TimeZone::UTC);
                task.due_date = Some(due);
            }
            // All of them, the first one first.
            "contactIds" if writer == Writer::Person => {
                let mut ids = problems.texts(key, value).unwrap_or_default().into_iter();
                task.contact_id = ids.next();
                task.also = ids.collect();
            }
            "id" if writer == Writer::Person => {}
            other => problems.unknown(other),
        }
    }
    problems.settled()
}

pub(crate) fn note(note: &mut Note, body: &Fields, writer: Writer) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    if writer == Writer::Creating && body.get("body").is_none_or(Value::is_null) {
        problems.say("body should not be empty".to_owned());
    }
    for (key, value) in body {
        match key.as_str() {
            "body" => problems.text(&mut note.body, key, value),
            "title" => problems.text(&mut note.title, key, value),
            "userId" => problems.text(&mut note.user_id, key, value),
            "color" => problems.text(&mut note.color, key, value),
            "pinned" => problems.flag(&mut note.pinned, key, value),
            "id" if writer == Writer::Person => {}
            other => problems.unknown(other),
        }
    }
    problems.settled()
}

const RECURRING_TASK_CONTACTS_MAX: usize = 10;

pub(crate) fn recurring_task(rule: &mut RecurringTask, body: &Fields, writer: Writer) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    if writer == Writer::Creating {
        for key in ["title", "rruleOptions"] {
            if body.get(key).is_none_or(Value::is_null) {
                problems.say(format!("{key} should not be empty"));
            }
        }
    }
    for (key, value) in body {
        match key.as_str() {
            "title" => problems.required_text(&mut rule.title, key, value),
            "description" => match value.as_str() {
                Some(text) => text.clone_into(&mut rule.description),
                None => problems.say("description must be a string".to_owned()),
            },
            "contactIds" => rule.contact_ids = problems.texts(key, value).unwrap_or_default(),
            "owners" => rule.owners = problems.texts(key, value).unwrap_or_default(),
            "ignoreTaskCreation" => problems.flag(&mut false, key, value),
            "rruleOptions" => match rrule_problem(value) {
                None => rule.rrule_options = value.clone(),
                Some(problem) => problems.say(problem),
            },
            other => problems.unknown(other),
        }
    }
    if rule.contact_ids.len() > RECURRING_TASK_CONTACTS_MAX {
        problems.say(format!("contactIds must contain no more than {RECURRING_TASK_CONTACTS_MAX} elements"));
    }
    problems.settled()
}

fn rrule_problem(value: &Value) -> Option<String> {
    let Some(options) = value.as_object() else { return Some("rruleOptions must be an object".to_owned()) };
    let kind = options.get("intervalType").and_then(Value::as_str);
    if !matches!(kind, Some("yearly" | "monthly" | "weekly" | "daily" | "hourly")) {
        return Some("rruleOptions.intervalType must be one of yearly, monthly, weekly, daily, hourly".to_owned());
    }
    let missing = ["interval", "dueAfterSeconds"].into_iter().find(|key| !options.get(*key).is_some_and(Value::is_number));
    if let Some(key) = missing {
        return Some(format!("rruleOptions.{key} must be a number"));
    }
    let started = options.get("startDate").and_then(Value::as_str).is_some_and(|text| instant(text, &TimeZone::UTC).is_some());
    (!started).then(|| "rruleOptions.startDate must be a valid ISO 8601 date string".to_owned())
}

pub(crate) fn business(business: &mut Business, body: &Fields, writer: Writer) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    if writer == Writer::Creating && body.get("name").is_none_or(Value::is_null) {
        problems.say("name should not be empty".to_owned());
    }
    for (key, value) in body {
        match key.as_str() {
            "name" => problems.required_text(&mut business.name, key, value),
            "phone" => problems.text(&mut business.phone, key, value),
            "email" => problems.text(&mut business.email, key, value),
            "website" => problems.text(&mut business.website, key, value),
            "address" => problems.text(&mut business.address, key, value),
            "city" => problems.text(&mut business.city, key, value),
            "state" => problems.text(&mut business.state, key, value),
            "postalCode" => problems.text(&mut business.postal_code, key, value),
            "country" => problems.text(&mut business.country, key, value),
            "description" => problems.text(&mut business.description, key, value),
            "locationId" if writer == Writer::Creating => {}
            other => problems.unknown(other),
        }
    }
    problems.settled()
}

/// Fields of the published bodies that change nothing here.
const IGNORED_OF_APPOINTMENT: [&str; 9] = [
    "locationId",
    "contactId",
    "meetingLocationType",
    "meetingLocationId",
    "overrideLocationConfig",
    "ignoreDateRange",
    "toNotify",
    "ignoreFreeSlotValidation",
    "rrule",
];

pub(crate) fn appointment(appointment: &mut Appointment, body: &Fields, writer: Writer, zone: &TimeZone) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    let length = appointment.end.duration_since(appointment.start);
    for (key, value) in body {
        match key.as_str() {
            "title" => problems.text(&mut appointment.title, key, value),
            "address" => problems.text(&mut appointment.address, key, value),
            "description" => problems.text(&mut appointment.description, key, value),
            "notes" if writer == Writer::Person => problems.text(&mut appointment.notes, key, value),
            "assignedUserId" => problems.text(&mut appointment.assigned_user_id, key, value),
            "calendarId" => problems.required_text(&mut appointment.calendar_id, key, value),
            "appointmentStatus" => match value.as_str() {
                Some(status @ ("new" | "confirmed" | "cancelled" | "showed" | "noshow" | "invalid")) => {
                    status.clone_into(&mut appointment.status);
                }
                _ => problems.say("appointmentStatus is not one of the known ones".to_owned()),
            },
            "startTime" => problems.instant(&mut appointment.start, key, value, zone),
            "endTime" => problems.instant(&mut appointment.end, key, value, zone),
            "id" if writer == Writer::Person => {}
            other if IGNORED_OF_APPOINTMENT.contains(&other) => {}
            other => problems.unknown(other),
        }
    }
    if body.contains_key("startTime") && !body.contains_key("endTime") {
        let length = if length.is_zero() { 30.minutes().try_into().unwrap_or(length) } else { length };
        appointment.end = appointment.start.checked_add(length).unwrap_or(appointment.start);
    }
    if problems.0.is_empty() && appointment.end < appointment.start {
        problems.say("endTime must be after startTime".to_owned());
    }
    // The calendar family tells problems in a sentence.
    if problems.0.is_empty() { Ok(()) } else { Err(Refusal::calendar(&problems.0.join(", "))) }
}

/// With an offset, or a naive time in the zone.
fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let naive: civil::DateTime = text.replacen(' ', "T", 1).parse().ok()?;
    Some(naive.to_zoned_datetime(zone.clone()).ok()?.timestamp())
}
