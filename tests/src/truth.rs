//! GHL's records in the words of the log, written from GHL's own words without the code that reads them: the two check each other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use domain::{Body, Change, LocationId, Names, RecordKind};
use eventlog::EventLog;
use jiff::Timestamp;
use sandbox::World;
use serde_json::{Map, Value, json};

/// Contact, kind and id. A task of several contacts is one of each.
pub type Key = (String, RecordKind, String);

/// How the log calls a field, and how GHL does.
type Fields = &'static [(&'static str, &'static str)];

const CONTACT: Fields = &[
    ("name", "name"),
    ("first_name", "firstName"),
    ("last_name", "lastName"),
    ("email", "email"),
    ("phone", "phone"),
    ("company", "companyName"),
    ("street", "address1"),
    ("city", "city"),
    ("state", "state"),
    ("postal_code", "postalCode"),
    ("country", "country"),
    ("website", "website"),
    ("time_zone", "timezone"),
    ("source", "source"),
    ("date_of_birth", "dateOfBirth"),
    ("do_not_disturb", "dnd"),
    ("assigned_to", "assignedTo"),
    ("business_id", "businessId"),
    ("added_at", "dateAdded"),
];
const TASK: Fields = &[("title", "title"), ("body", "body"), ("due_at", "dueDate"), ("done", "completed"), ("assigned_to", "assignedTo")];
const NOTE: Fields =
    &[("title", "title"), ("body", "body"), ("user_id", "userId"), ("color", "color"), ("pinned", "pinned"), ("added_at", "dateAdded")];
const APPOINTMENT: Fields = &[
    ("title", "title"),
    ("starts_at", "startTime"),
    ("ends_at", "endTime"),
    ("status", "appointmentStatus"),
    ("place", "address"),
    ("notes", "notes"),
    ("calendar_id", "calendarId"),
    ("assigned_to", "assignedUserId"),
    ("added_at", "dateAdded"),
];

/// A record of GHL in the log's words. What moves with every edit, seen or not, is left out.
pub fn in_the_words_of_the_log(kind: RecordKind, record: &Value) -> Value {
    let fields = match kind {
        RecordKind::Contact => CONTACT,
        RecordKind::Task => TASK,
        RecordKind::Note => NOTE,
        RecordKind::Appointment => APPOINTMENT,
    };
    let mut told: Map<String, Value> =
        fields.iter().filter_map(|(ours, ghls)| Some(((*ours).to_owned(), record.get(*ghls)?.clone()))).collect();
    if kind == RecordKind::Contact {
        let rows = |key: &str| record.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut tags = rows("tags");
        tags.sort_by(|left, right| left.as_str().cmp(&right.as_str()));
        told.insert("tags".to_owned(), json!(tags));
        let field = |row: &Value| Some((row.get("id")?.as_str()?.to_owned(), row.get("value")?.clone()));
        told.insert("custom_fields".to_owned(), Value::Object(rows("customFields").iter().filter_map(field).collect()));
        told.extend(further(record));
    }
    plain(told)
}

/// What a contact has beside its single fields.
fn further(record: &Value) -> Map<String, Value> {
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = |key: &str| record.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut emails: Vec<String> = rows("additionalEmails").iter().map(|row| text(row, "email")).collect();
    emails.sort();
    let phones: Map<String, Value> =
        rows("additionalPhones").iter().map(|row| (text(row, "phone"), json!(text(row, "phoneLabel")))).collect();
    let channels = record.get("dndSettings").and_then(Value::as_object).cloned().unwrap_or_default().into_iter();
    let channels: Map<String, Value> = channels
        .map(|(channel, setting)| (channel.to_lowercase(), json!(text(&setting, "status"))))
        .filter(|(_, status)| status != "inactive")
        .collect();
    let told = [
        ("additional_emails", json!(emails)),
        ("additional_phones", Value::Object(phones)),
        ("attachments", json!(rows("attachments"))),
        ("do_not_disturb_channels", Value::Object(channels)),
    ];
    told.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// The content of an event, comparable with the above.
fn as_logged(record: &domain::Record) -> anyhow::Result<Value> {
    let Value::Object(mut fields) = serde_json::to_value(record)? else { anyhow::bail!("a record is an object") };
    for moving in ["kind", "updated_at", "time_zone"] {
        if !(moving == "time_zone" && record.kind() == RecordKind::Contact) {
            fields.remove(moving);
        }
    }
    Ok(plain(fields))
}

/// Instants in one spelling, and nothing that is empty.
fn plain(fields: Map<String, Value>) -> Value {
    let is_instant = |name: &str| name.ends_with("_at");
    let spelled = |(name, value): (String, Value)| {
        let at = value.as_str().filter(|_| is_instant(&name)).and_then(|text| text.parse::<Timestamp>().ok());
        let value = at.map_or(value, |at| json!(at.to_string()));
        (name, value)
    };
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(rows) => rows.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    Value::Object(fields.into_iter().map(spelled).filter(|(_, value)| !empty(value)).collect())
}

/// Everything that is alive in GHL and hangs on somebody.
pub fn of_ghl(world: &World) -> BTreeMap<Key, Value> {
    let mut truth = BTreeMap::new();
    for (contact_id, held) in world.snapshot().contacts {
        let mut take = |kind: RecordKind, row: &Value| {
            let id = row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            truth.insert((contact_id.clone(), kind, id), in_the_words_of_the_log(kind, row));
        };
        take(RecordKind::Contact, &held.contact);
        held.tasks.iter().for_each(|row| take(RecordKind::Task, row));
        held.notes.iter().for_each(|row| take(RecordKind::Note, row));
        held.appointments.iter().for_each(|row| take(RecordKind::Appointment, row));
    }
    truth
}

/// What the log says happened, record by record; None: it vanished.
///
/// # Errors
/// When the log cannot be read, or tells something that cannot have happened: a record that appeared twice, changed without being
/// there, or changed into what it was.
pub async fn of_the_log(log: &EventLog, location_id: &LocationId) -> anyhow::Result<BTreeMap<Key, Vec<Option<Value>>>> {
    Ok(read_through(log, location_id).await?.into_iter().map(|(key, told)| (key, told.versions)).collect())
}

/// What the log says of one record.
#[derive(Default)]
struct Told {
    /// None: it vanished.
    versions: Vec<Option<Value>>,
    /// With its last event.
    names: Names,
    /// What it refers to and has no name there.
    nameless: BTreeSet<String>,
    /// The last event that changed nothing of it but a name.
    renamed_at: u64,
}

async fn read_through(log: &EventLog, location_id: &LocationId) -> anyhow::Result<BTreeMap<Key, Told>> {
    let mut told: BTreeMap<Key, Told> = BTreeMap::new();
    let (mut after, mut last_rename) = (0, 0);
    loop {
        let events = log.read(location_id, after, 1_000).await?;
        let Some(last) = events.last() else { return Ok(told) };
        after = last.seq;
        for event in events {
            let (body, seq) = (event.read()?, event.seq);
            if matches!(&body, Body::Operator(fact) if fact.verb == "renamed") {
                last_rename = seq;
            }
            let recorded = event.with(body);
            let (Body::Record(fact), Some((kind, id)), Some(contact_id)) = (recorded.body, recorded.record, recorded.contact_id) else {
                continue;
            };
            let told = told.entry((contact_id.to_string(), kind, id.to_string())).or_default();
            let before = told.versions.last().cloned().flatten();
            let now = as_logged(&fact.record)?;
            let doubled = match fact.change {
                Change::Appeared | Change::Returned => before.is_some(),
                // Or what it refers to has another name, or a name at last: once for each rename, even if a change that came between has told it.
                Change::Changed if fact.changes.is_empty() => {
                    let is_renamed = told.names != fact.names || last_rename > told.renamed_at;
                    told.renamed_at = seq;
                    before.is_none_or(|before| before == now && !is_renamed)
                }
                Change::Changed => before.is_none_or(|before| before == now),
                Change::Vanished => before.is_none(),
                Change::Remained => before.as_ref() != Some(&now),
            };
            anyhow::ensure!(!doubled, "position {seq}: {kind:?} {id} {} for no reason", fact.change.as_str());
            if fact.change == Change::Remained {
                continue;
            }
            told.nameless = fact.names.without(&fact.record.references()).into_iter().map(str::to_owned).collect();
            told.names = fact.names;
            told.versions.push((fact.change != Change::Vanished).then_some(now));
        }
    }
}

/// The records that are alive by the log and show a user, a calendar or a custom field by a name that it does not have in GHL.
///
/// # Errors
/// As [`of_the_log`].
pub async fn misnamed(log: &EventLog, location_id: &LocationId, world: &World) -> anyhow::Result<Vec<String>> {
    let ghl = world.snapshot();
    let told = read_through(log, location_id).await?.into_iter().filter(|(_, told)| told.versions.last().is_some_and(Option::is_some));
    let mut found = Vec::new();
    for (key, Told { names, nameless, .. }) in told {
        let has_name = |id: &&String| ghl.users.contains_key(*id) || ghl.calendars.contains_key(*id) || ghl.custom_fields.contains_key(*id);
        found.extend(nameless.iter().filter(has_name).map(|id| format!("{key:?} shows {id} without its name")));
        for (shown, called) in [(names.users, &ghl.users), (names.calendars, &ghl.calendars), (names.fields, &ghl.custom_fields)] {
            let wrong = shown.iter().filter(|(id, name)| called.get(*id) != Some(*name));
            found.extend(wrong.map(|(id, _)| format!("{key:?} shows {id} by another name")));
        }
    }
    Ok(found)
}

/// The first differences between what is alive in GHL and what is alive by the log.
pub fn differences(ghl: &BTreeMap<Key, Value>, log: &BTreeMap<Key, Vec<Option<Value>>>) -> Vec<String> {
    let mut found = Vec::new();
    for (key, truth) in ghl {
        match log.get(key).and_then(|versions| versions.last()) {
            Some(Some(held)) if held == truth => {}
            Some(Some(held)) => found.push(format!("{key:?} differs in {:?}", differing(truth, held))),
            Some(None) => found.push(format!("{key:?} has vanished by the log and is there")),
            None => found.push(format!("{key:?} was never seen")),
        }
    }
    let alive = log.iter().filter(|(_, versions)| versions.last().is_some_and(Option::is_some));
    found.extend(alive.filter(|(key, _)| !ghl.contains_key(*key)).map(|(key, _)| format!("{key:?} is gone and there by the log")));
    found
}

/// The fields that differ, with GHL's value and the log's.
fn differing(truth: &Value, held: &Value) -> BTreeMap<String, [Option<Value>; 2]> {
    let names = [truth, held].into_iter().filter_map(Value::as_object).flat_map(Map::keys);
    let differs = names.filter(|name| truth.get(*name) != held.get(*name));
    differs.map(|name| (name.clone(), [truth, held].map(|side| side.get(name).cloned()))).collect()
}

/// Whether the log tells of each record only what it was, each time once and in that order: a change between two looks is there once,
/// and nothing is there that was not. Fields of which some answers do not speak (`apart`) come when another answer does, so they do not
/// count.
///
/// # Errors
/// Names the record that the log tells differently.
pub fn told_in_order(world: &World, log: &BTreeMap<Key, Vec<Option<Value>>>, apart: &[&str]) -> anyhow::Result<()> {
    let counted = |mut content: Value| {
        if let Some(fields) = content.as_object_mut() {
            fields.retain(|name, _| !apart.contains(&name.as_str()));
        }
        content
    };
    let mut lived: BTreeMap<Key, Vec<Option<Value>>> = BTreeMap::new();
    for ((kind, id), versions) in world.versions() {
        let kind = match kind {
            sandbox::RecordKind::Contact => RecordKind::Contact,
            sandbox::RecordKind::Task => RecordKind::Task,
            sandbox::RecordKind::Note => RecordKind::Note,
            sandbox::RecordKind::Appointment => RecordKind::Appointment,
        };
        let owners: BTreeSet<&String> = versions.iter().flat_map(|version| &version.contact_ids).collect();
        for owner in owners {
            let mut of_owner: Vec<Option<Value>> = Vec::new();
            for version in &versions {
                let content = version.content.as_ref().filter(|_| version.contact_ids.contains(owner));
                let content = content.map(|content| counted(in_the_words_of_the_log(kind, content)));
                if of_owner.last() != Some(&content) {
                    of_owner.push(content);
                }
            }
            lived.insert((owner.clone(), kind, id.clone()), of_owner);
        }
    }
    for (key, told) in log {
        let mut lived = lived.get(key).with_context(|| format!("{key:?} never was"))?.iter();
        let mut told: Vec<Option<Value>> = told.iter().cloned().map(|content| content.map(counted)).collect();
        told.dedup();
        for (place, told) in told.iter().enumerate() {
            anyhow::ensure!(lived.any(|version| version == told), "{key:?}: what its event {} tells was not, or not then", place + 1);
        }
    }
    Ok(())
}
