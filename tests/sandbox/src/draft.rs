//! Reads the bodies of writes into records; all problems of a body are told at once, as a 422 does.

mod appointments;
mod contacts;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::{Map, Value};

pub(crate) use self::{
    appointments::appointment,
    contacts::{contact, tag_names},
};
use crate::{
    answer::Refusal,
    records::{Business, Note, RecurringTask, Task},
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

/// With an offset, or a naive time in the zone.
fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let naive: civil::DateTime = text.replacen(' ', "T", 1).parse().ok()?;
    Some(naive.to_zoned_datetime(zone.clone()).ok()?.timestamp())
}
