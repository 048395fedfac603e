//! Compares the fields of one object with the record it mirrors. Each function names what differs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::Value;

use super::model::{Truth, text_of};
use super::text::{says, shown, sorted, words};

pub(super) fn contact(truth: &Truth, record: &Value, content: &Value) -> Vec<String> {
    let mut problems = Problems::of(content);
    let full = [text_of(record, "firstName"), text_of(record, "lastName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let called = [Some(full.as_str()).filter(|name| !name.is_empty()), text_of(record, "contactName"), text_of(record, "name")];
    let failing = ["companyName", "email", "phone", "id"].map(|field| text_of(record, field));
    problems.same("name", called.into_iter().chain(failing).flatten().next());
    for (ours, theirs) in [("email", "email"), ("phone", "phone"), ("company", "companyName"), ("website", "website"), ("source", "source")]
    {
        problems.same(ours, text_of(record, theirs));
    }
    problems.same("time_zone", text_of(record, "timezone"));
    problems.same("owner", user(text_of(record, "assignedTo"), truth).as_deref());
    problems.same("birthday", text_of(record, "dateOfBirth").map(|day| day.split('T').next().unwrap_or(day)));
    problems.expect("do_not_disturb", record.get("dnd").and_then(Value::as_bool) == content.get("do_not_disturb").and_then(Value::as_bool));
    let address = ["address1", "city", "postalCode", "state", "country"].map(|field| text_of(record, field).unwrap_or_default());
    problems.expect("address", sorted(&address.join(" ")) == sorted(text_of(content, "address").unwrap_or_default()));
    problems.expect("tags", strings(record.get("tags")) == strings(content.get("tags")));
    let further = record.get("additionalEmails").and_then(Value::as_array).into_iter().flatten();
    let further: BTreeSet<&str> =
        further.filter_map(|row| text_of(row, "email")).filter(|email| Some(*email) != text_of(record, "email")).collect();
    problems.expect("further_emails", further == strings(content.get("further_emails")));
    problems.expect("attachments", strings(record.get("attachments")) == strings(content.get("attachments")));
    problems.expect("custom_fields", fields_of_record(truth, record) == fields_of_content(content));
    problems.found
}

pub(super) fn task(truth: &Truth, record: &Value, content: &Value) -> Vec<String> {
    let mut problems = Problems::of(content);
    problems.contained(record);
    if let Some(title) = text_of(record, "title") {
        problems.same("title", Some(title));
    }
    problems.says("notes", text_of(record, "body"));
    problems.at("due", text_of(record, "dueDate"), &truth.time_zone);
    problems.expect("done", record.get("completed").and_then(Value::as_bool).unwrap_or(false) == flag(content, "done"));
    problems.same("assignee", user(text_of(record, "assignedTo"), truth).as_deref());
    problems.found
}

pub(super) fn note(truth: &Truth, record: &Value, content: &Value) -> Vec<String> {
    let mut problems = Problems::of(content);
    problems.contained(record);
    let body = text_of(record, "body").unwrap_or_default();
    match text_of(record, "title") {
        Some(title) => problems.same("title", Some(title)),
        None => problems.expect("title", begins(body, text_of(content, "title").unwrap_or_default())),
    }
    problems.says("body", Some(body));
    problems.at("written_at", text_of(record, "dateAdded"), &truth.time_zone);
    problems.same("author", user(text_of(record, "userId"), truth).as_deref());
    problems.expect("pinned", record.get("pinned").and_then(Value::as_bool).unwrap_or(false) == flag(content, "pinned"));
    problems.found
}

pub(super) fn appointment(truth: &Truth, record: &Value, content: &Value) -> Vec<String> {
    let mut problems = Problems::of(content);
    problems.contained(record);
    if let Some(title) = text_of(record, "title") {
        problems.same("title", Some(title));
    }
    problems.at("starts_at", text_of(record, "startTime"), &truth.time_zone);
    problems.at("ends_at", text_of(record, "endTime"), &truth.time_zone);
    problems.same("time_zone", Some(truth.time_zone.as_str()));
    problems.same("status", text_of(record, "appointmentStatus"));
    problems.says("place", text_of(record, "address"));
    problems.says("notes", text_of(record, "notes"));
    problems.same("calendar", named(text_of(record, "calendarId"), &truth.names.calendars));
    problems.same("assignee", user(text_of(record, "assignedUserId"), truth).as_deref());
    problems.found
}

struct Problems<'a> {
    content: &'a Value,
    found: Vec<String>,
}

impl<'a> Problems<'a> {
    fn of(content: &'a Value) -> Self {
        Self { content, found: Vec::new() }
    }

    fn expect(&mut self, field: &str, holds: bool) {
        if !holds {
            let is = self.content.get(field).unwrap_or(&Value::Null);
            self.found.push(format!("{field} differs: the workspace has {}", short(&is.to_string())));
        }
    }

    /// Compares two lines apart from the spaces in them.
    fn same(&mut self, field: &str, should: Option<&str>) {
        let is = text_of(self.content, field);
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        if is.map(line) != should.map(line) {
            self.found.push(format!("{field} is {}, should be {}", quoted(is), quoted(should)));
        }
    }

    fn says(&mut self, field: &str, body: Option<&str>) {
        let is = text_of(self.content, field);
        if !says(body.unwrap_or_default(), is.unwrap_or_default()) {
            self.found.push(format!("{field} says {}, should say {}", quoted(is), quoted(body)));
        }
    }

    fn at(&mut self, field: &str, should: Option<&str>, zone: &str) {
        let is = text_of(self.content, field);
        if is.map(|time| instant(time, zone)) != should.map(|time| instant(time, zone)) {
            self.found.push(format!("{field} is {}, should be {}", quoted(is), quoted(should)));
        }
    }

    fn contained(&mut self, record: &Value) {
        let contact = text_of(record, "contactId").map(|id| format!("ghl:contact/{id}"));
        self.same("container", contact.as_deref());
    }
}

/// The instant of a time with an offset, or of a local time in the location's zone. Other text is compared as text.
fn instant(time: &str, zone: &str) -> Result<Timestamp, String> {
    let local = || time.parse::<DateTime>().ok()?.in_tz(zone).ok().map(|zoned| zoned.timestamp());
    time.parse().ok().or_else(local).ok_or_else(|| time.to_owned())
}

/// Whether a title is the beginning of what the body shows; its last word may be cut short.
fn begins(body: &str, title: &str) -> bool {
    let (shown, title) = (shown(body), words(title.trim_end_matches('…')));
    if shown.is_empty() {
        return title == ["Note"];
    }
    let last = title.len().saturating_sub(1);
    !title.is_empty()
        && title
            .iter()
            .enumerate()
            .all(|(at, word)| shown.get(at).is_some_and(|shown| shown == word || at == last && shown.starts_with(word.as_str())))
}

fn named<'a>(id: Option<&'a str>, names: &'a BTreeMap<String, String>) -> Option<&'a str> {
    id.map(|id| names.get(id).map_or(id, String::as_str))
}

/// The user's name, or that there is none.
fn user(id: Option<&str>, truth: &Truth) -> Option<String> {
    id.map(|id| truth.names.users.get(id).cloned().unwrap_or_else(|| format!("unknown user ({id})")))
}

fn strings(list: Option<&Value>) -> BTreeSet<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::trim).filter(|text| !text.is_empty()).collect()
}

fn flag(content: &Value, field: &str) -> bool {
    content.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// The name and the words of each custom field that has a value.
fn fields_of_record(truth: &Truth, record: &Value) -> Vec<(String, Vec<String>)> {
    let list = record.get("customFields").and_then(Value::as_array).into_iter().flatten();
    let mut fields: Vec<_> = list
        .filter_map(|field| {
            let id = field.get("id").and_then(Value::as_str)?;
            let value = ["value", "fieldValue", "field_value"].into_iter().find_map(|name| field.get(name))?;
            let name = truth.names.custom_fields.get(id).map_or(id, String::as_str).to_owned();
            Some(values(value).into_iter().map(move |said| (name.clone(), said)))
        })
        .flatten()
        .filter(|(_, said)| !said.is_empty())
        .collect();
    fields.sort_unstable();
    fields
}

/// The words of a value; of several files those of the name of each.
fn values(value: &Value) -> Vec<Vec<String>> {
    let files: Vec<&Value> = value.as_object().into_iter().flat_map(serde_json::Map::values).collect();
    if !files.is_empty() && files.iter().all(|file| text_of(file, "url").is_some()) {
        return files.into_iter().filter_map(file_name).map(sorted).collect();
    }
    let mut said = String::new();
    scalars(value, &mut said);
    let mut said = shown(&said);
    said.sort_unstable();
    vec![said]
}

fn file_name(file: &Value) -> Option<&str> {
    file.get("meta").and_then(|meta| text_of(meta, "originalname")).or_else(|| text_of(file, "url"))
}

fn fields_of_content(content: &Value) -> Vec<(String, Vec<String>)> {
    let list = content.get("custom_fields").and_then(Value::as_array).into_iter().flatten();
    let mut fields: Vec<_> = list
        .map(|field| (text_of(field, "name").unwrap_or_default().to_owned(), sorted(text_of(field, "value").unwrap_or_default())))
        .collect();
    fields.sort_unstable();
    fields
}

fn scalars(value: &Value, said: &mut String) {
    match value {
        Value::Null => {}
        Value::Bool(yes) => said.push_str(if *yes { " yes" } else { " no" }),
        Value::Number(number) => said.push_str(&format!(" {number}")),
        Value::String(text) => said.push_str(&format!(" {text}")),
        Value::Array(values) => values.iter().for_each(|value| scalars(value, said)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            said.push_str(&format!(" {name}"));
            scalars(value, said);
        }),
    }
}

fn quoted(text: Option<&str>) -> String {
    text.map_or_else(|| "nothing".to_owned(), |text| format!("{:?}", short(text)))
}

const SHOWN_CHARS: usize = 80;

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text.to_owned(),
    }
}
