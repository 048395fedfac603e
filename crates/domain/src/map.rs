//! Maps events to the objects that Pagico should hold.
//!
//! - `content`: the content of the object that mirrors a record
//! - `custom`: custom fields, by their types
//! - `reach`: how a contact can be reached, and how it must not be
//! - `words`: GHL values as readable text

mod content;
mod custom;
mod reach;
mod words;

use jiff::{SignedDuration, Timestamp};

use content::mirrored;
use words::{display_name, line, user};

use crate::rules::Trigger;
use crate::{
    Action, Body, Change, Contact, ContactId, Content, Intent, Moment, Names, NoteContent, ObjectKey, ObjectKind, Policy, ProjectContent,
    Record, Recorded, Rules, TaskContent, Workspace,
};

/// The intents that an event causes: one for each Pagico object, with its whole content. A live event and its replay a year later give
/// the same intents. Deliveries, operator events and erased events cause none. The intents are for the workspace named like the
/// location; `Intent::bound_for` redirects them to another.
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
    let mirror = intent(recorded, rules, contact_id, ObjectKind::mirroring(fact.record.kind()), object, Policy::Mirror, action);
    let mut intents = vec![mirror];
    if let Record::Contact(contact) = &fact.record {
        for trigger in rules.text.triggers.iter().filter(|trigger| trigger.when.fires(fact)) {
            start(recorded, rules, contact_id, contact, &fact.names, trigger, &mut intents);
        }
    }
    intents
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

/// Adds the objects that a trigger starts, all with the policy `Once`: a project about the contact, with tasks and notes in it.
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
