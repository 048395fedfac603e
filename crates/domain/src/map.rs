//! From what changed to what Pagico should hold.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::rules::{AppointmentField, ContactField, NoteField, TaskField, Trigger};
use crate::{
    Action, Appointment, AppointmentContent, Body, Change, Contact, ContactContent, ContactId, Content, CustomField, Intent, Moment, Names,
    Note, NoteContent, ObjectKey, ObjectKind, Policy, ProjectContent, Record, RecordFact, Recorded, Rules, Task, TaskContent, Workspace,
    readable,
};

/// The intents that an event causes: one for each Pagico object, with its whole content. The same for a live event and for one
/// from last year. Deliveries, operators' acts and what is erased cause none. They are for the workspace called like the location;
/// `Intent::bound_for` sends them elsewhere.
pub fn map(recorded: &Recorded, rules: &Rules) -> Vec<Intent> {
    let (Body::Record(fact), Some(contact_id), Some((_, record_id))) = (&recorded.body, &recorded.contact_id, &recorded.record) else {
        return Vec::new();
    };
    let object = ObjectKey::of_record(fact.record.kind(), record_id);
    let container = ObjectKey::of_contact(contact_id);
    let action = match fact.change {
        Change::Vanished => Action::Remove,
        Change::Appeared | Change::Changed | Change::Returned | Change::Remained => {
            Action::Put(Box::new(mirrored(fact, contact_id, container, rules)))
        }
    };
    let mirror = intent(recorded, rules, contact_id, object_kind(&fact.record), object, Policy::Mirror, action);
    let mut intents = vec![mirror];
    if let Record::Contact(contact) = &fact.record {
        for trigger in rules.text.triggers.iter().filter(|trigger| trigger.when.fires(fact)) {
            start(recorded, rules, contact_id, contact, &fact.names, trigger, &mut intents);
        }
    }
    intents
}

fn object_kind(record: &Record) -> ObjectKind {
    match record {
        Record::Contact(_) => ObjectKind::Contact,
        Record::Task(_) => ObjectKind::Task,
        Record::Note(_) => ObjectKind::Note,
        Record::Appointment(_) => ObjectKind::Appointment,
    }
}

fn intent(
    recorded: &Recorded,
    rules: &Rules,
    contact_id: &ContactId,
    kind: ObjectKind,
    object: ObjectKey,
    policy: Policy,
    action: Action,
) -> Intent {
    Intent {
        location_id: recorded.location_id.clone(),
        workspace: Workspace::live_of(&recorded.location_id),
        edition: 0,
        contact_id: contact_id.clone(),
        kind,
        object,
        revision: recorded.revision(),
        policy,
        rules: rules.revision().clone(),
        event_id: recorded.event_id,
        action,
    }
}

fn mirrored(fact: &RecordFact, contact_id: &ContactId, container: ObjectKey, rules: &Rules) -> Content {
    let names = &fact.names;
    match &fact.record {
        Record::Contact(contact) => Content::Contact(contact_content(contact, contact_id, names, rules)),
        Record::Task(task) => Content::Task(task_content(task, container, names, rules)),
        Record::Note(note) => Content::Note(note_content(note, container, names, rules)),
        Record::Appointment(appointment) => Content::Appointment(appointment_content(appointment, container, names, rules)),
    }
}

fn contact_content(contact: &Contact, id: &ContactId, names: &Names, rules: &Rules) -> ContactContent {
    let mut content = ContactContent { name: id.to_string(), ..ContactContent::default() };
    for field in &rules.text.mirror.contact {
        match field {
            ContactField::Name => content.name = display_name(contact, id),
            ContactField::Email => content.email = line(contact.email.as_deref()),
            ContactField::Phone => content.phone = line(contact.phone.as_deref()),
            ContactField::Company => content.company = line(contact.company.as_deref()),
            ContactField::Address => content.address = address(contact),
            ContactField::Website => content.website = line(contact.website.as_deref()),
            ContactField::Owner => content.owner = user(contact.assigned_to.as_deref(), names),
            ContactField::Birthday => content.birthday = contact.date_of_birth.as_ref().map(day),
            ContactField::Source => content.source = line(contact.source.as_deref()),
            ContactField::TimeZone => content.time_zone = line(contact.time_zone.as_deref()),
            ContactField::DoNotDisturb => content.do_not_disturb = contact.do_not_disturb,
            ContactField::Tags => content.tags = tags(contact),
            ContactField::CustomFields => content.custom_fields = custom_fields(contact, names),
        }
    }
    content
}

fn task_content(task: &Task, container: ObjectKey, names: &Names, rules: &Rules) -> TaskContent {
    let mut content = TaskContent { title: "Task".to_owned(), container: Some(container), ..TaskContent::default() };
    for field in &rules.text.mirror.task {
        match field {
            TaskField::Title => content.title = line(task.title.as_deref()).unwrap_or_else(|| "Task without a title".to_owned()),
            TaskField::Notes => content.notes = prose(task.body.as_deref()),
            TaskField::Due => content.due.clone_from(&task.due_at),
            TaskField::Done => content.done = task.done,
            TaskField::Assignee => content.assignee = user(task.assigned_to.as_deref(), names),
        }
    }
    content
}

fn note_content(note: &Note, container: ObjectKey, names: &Names, rules: &Rules) -> NoteContent {
    let mut content = NoteContent { title: "Note".to_owned(), container: Some(container), ..NoteContent::default() };
    let body = prose(note.body.as_deref()).unwrap_or_default();
    for field in &rules.text.mirror.note {
        match field {
            NoteField::Title => content.title = line(note.title.as_deref()).unwrap_or_else(|| headline(&body)),
            NoteField::Body => content.body.clone_from(&body),
            NoteField::WrittenAt => content.written_at.clone_from(&note.added_at),
            NoteField::Author => content.author = user(note.user_id.as_deref(), names),
            NoteField::Pinned => content.pinned = note.pinned,
        }
    }
    content
}

fn appointment_content(appointment: &Appointment, container: ObjectKey, names: &Names, rules: &Rules) -> AppointmentContent {
    let mut content = AppointmentContent { title: "Appointment".to_owned(), container: Some(container), ..AppointmentContent::default() };
    for field in &rules.text.mirror.appointment {
        match field {
            AppointmentField::Title => {
                content.title = line(appointment.title.as_deref()).unwrap_or_else(|| "Appointment without a title".to_owned());
            }
            AppointmentField::Start => content.starts_at.clone_from(&appointment.starts_at),
            AppointmentField::End => content.ends_at.clone_from(&appointment.ends_at),
            AppointmentField::TimeZone => content.time_zone = line(appointment.time_zone.as_deref()),
            AppointmentField::Status => content.status = line(appointment.status.as_deref()),
            AppointmentField::Place => content.place = prose(appointment.place.as_deref()),
            AppointmentField::Notes => content.notes = prose(appointment.notes.as_deref()),
            AppointmentField::Calendar => {
                content.calendar = appointment.calendar_id.as_deref().map(|id| name(id, &names.calendars));
            }
            AppointmentField::Assignee => content.assignee = user(appointment.assigned_to.as_deref(), names),
        }
    }
    content
}

/// What a trigger starts, all of it `once`: a project about the contact, with tasks and notes inside.
fn start(
    recorded: &Recorded,
    rules: &Rules,
    contact_id: &ContactId,
    contact: &Contact,
    names: &Names,
    trigger: &Trigger,
    intents: &mut Vec<Intent>,
) {
    let key = |step: &str| ObjectKey::of_trigger(recorded.event_id, &trigger.name, step);
    let mut once = |step: &str, content: Content| {
        let kind = content.kind();
        intents.push(intent(recorded, rules, contact_id, kind, key(step), Policy::Once, Action::Put(Box::new(content))));
    };
    let fill = |template: &str| fill(template, contact, contact_id, names);
    let mut container = ObjectKey::of_contact(contact_id);
    if let Some(project) = &trigger.project {
        let content = ProjectContent { title: fill(&project.title), container: Some(container), notes: project.notes.as_deref().map(fill) };
        once("project", Content::Project(content));
        container = key("project");
    }
    for task in &trigger.tasks {
        let content = TaskContent {
            title: fill(&task.title),
            container: Some(container.clone()),
            notes: task.notes.as_deref().map(fill),
            due: task.due_days.and_then(|days| due(recorded.occurred_at, days)).map(Moment::At),
            ..TaskContent::default()
        };
        once(&task.step, Content::Task(content));
    }
    for note in &trigger.notes {
        let content = NoteContent {
            title: fill(&note.title),
            container: Some(container.clone()),
            body: fill(&note.body),
            written_at: Some(Moment::At(recorded.occurred_at)),
            ..NoteContent::default()
        };
        once(&note.step, Content::Note(content));
    }
}

/// Counted from the event's own time, so that a replay gives the same date.
fn due(occurred_at: Timestamp, days: u16) -> Option<Timestamp> {
    occurred_at.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok()
}

fn fill(template: &str, contact: &Contact, id: &ContactId, names: &Names) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, (placeholder, after))) = rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        filled.push_str(before);
        let value = match placeholder {
            "name" => Some(display_name(contact, id)),
            "email" => line(contact.email.as_deref()),
            "phone" => line(contact.phone.as_deref()),
            "company" => line(contact.company.as_deref()),
            "owner" => user(contact.assigned_to.as_deref(), names),
            _ => None,
        };
        filled.push_str(value.as_deref().unwrap_or("–"));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// What a person calls the contact: its name, or failing that its company, e-mail, phone or id.
fn display_name(contact: &Contact, id: &ContactId) -> String {
    let parts: Vec<String> = [contact.first_name.as_deref(), contact.last_name.as_deref()].into_iter().filter_map(line).collect();
    let whole = (!parts.is_empty()).then(|| parts.join(" "));
    whole
        .or_else(|| line(contact.name.as_deref()))
        .or_else(|| line(contact.company.as_deref()))
        .or_else(|| line(contact.email.as_deref()))
        .or_else(|| line(contact.phone.as_deref()))
        .unwrap_or_else(|| id.to_string())
}

fn address(contact: &Contact) -> Option<String> {
    let city: Vec<String> = [contact.postal_code.as_deref(), contact.city.as_deref()].into_iter().filter_map(line).collect();
    let lines: Vec<String> =
        [line(contact.street.as_deref()), line(Some(&city.join(" "))), line(contact.state.as_deref()), line(contact.country.as_deref())]
            .into_iter()
            .flatten()
            .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The user's name, or the id where GHL gave no name.
fn user(id: Option<&str>, names: &Names) -> Option<String> {
    id.map(|id| name(id, &names.users))
}

fn name(id: &str, names: &BTreeMap<String, String>) -> String {
    line(names.get(id).map(String::as_str)).unwrap_or_else(|| id.to_owned())
}

fn tags(contact: &Contact) -> Vec<String> {
    let tags: BTreeSet<String> = contact.tags.iter().filter_map(|tag| line(Some(tag))).collect();
    tags.into_iter().collect()
}

/// A birthday has no time: GHL writes it as midnight UTC.
fn day(moment: &Moment) -> String {
    let text = moment.to_string();
    text.strip_suffix("T00:00:00Z").unwrap_or(&text).to_owned()
}

fn custom_fields(contact: &Contact, names: &Names) -> Vec<CustomField> {
    let mut fields: Vec<CustomField> = contact
        .custom_fields
        .iter()
        .map(|(id, value)| CustomField { name: name(id, &names.fields), value: spoken(value) })
        .filter(|field| !field.value.is_empty())
        .collect();
    fields.sort_by(|a, b| (&a.name, &a.value).cmp(&(&b.name, &b.value)));
    fields
}

/// A custom field's value as a person reads it; every JSON type has a reading.
fn spoken(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => readable(text),
        Value::Array(values) => values.iter().map(spoken).filter(|value| !value.is_empty()).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields.iter().map(|(name, value)| format!("{name}: {}", spoken(value))).collect::<Vec<_>>().join("; "),
    }
}

/// One line of text, none if there is nothing in it.
fn line(text: Option<&str>) -> Option<String> {
    let text = text?.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty()).then_some(text)
}

/// Text of several lines, none if there is nothing in it.
fn prose(text: Option<&str>) -> Option<String> {
    let text = readable(text?);
    (!text.trim().is_empty()).then_some(text)
}

/// The longest title made from a body, in characters.
const HEADLINE_CHARS: usize = 60;

fn headline(body: &str) -> String {
    let first = body.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("Note");
    match first.char_indices().nth(HEADLINE_CHARS) {
        Some((cut, _)) => format!("{}…", first.get(..cut).unwrap_or(first).trim_end()),
        None => first.to_owned(),
    }
}
