//! Shorthands for observations, events and intents.

use std::collections::BTreeMap;

use domain::{
    Action, Body, Cause, Change, Contact, ContactContent, ContactId, Content, Intent, KnownContact, Listing, LocationId, Moment, Names,
    Net, ObjectKey, ObjectKind, Observation, Policy, Record, RecordFact, RecordId, RecordKind, Recorded, Revision, Rules, Shown, Sighting,
    Task, TaskContent, Workspace, event_id, observe,
};
use jiff::Timestamp;

/// When the location was connected.
pub(crate) const CONNECTED: &str = "2026-03-01T00:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The `minute`th minute after the location was connected.
pub(crate) fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(at(CONNECTED).as_second() + minute * 60).unwrap()
}

pub(crate) fn location() -> LocationId {
    LocationId::new("loc").unwrap()
}

pub(crate) fn contact_id() -> ContactId {
    ContactId::new("ann").unwrap()
}

pub(crate) fn record_id(id: &str) -> RecordId {
    RecordId::new(id).unwrap()
}

/// An empty observation of the contact `ann` at a minute.
pub(crate) fn look(at: i64) -> Observation {
    Observation {
        location_id: location(),
        contact_id: contact_id(),
        asked_at: minute(at),
        connected_at: minute(0),
        contact: Sighting::NotAsked,
        listings: BTreeMap::new(),
        names: Names::default(),
        cause: Cause::from(Net::Poll),
        traceparent: None,
    }
}

pub(crate) fn present(contact: Contact) -> Sighting {
    Sighting::Present { shown: Box::new(Shown::from(Record::Contact(Box::new(contact)))), by_id: true }
}

pub(crate) fn named(name: &str) -> Contact {
    Contact { name: Some(name.to_owned()), ..Contact::default() }
}

pub(crate) fn task(title: &str) -> Record {
    Record::Task(Task { title: Some(title.to_owned()), ..Task::default() })
}

pub(crate) type Listings = BTreeMap<RecordKind, Listing>;

pub(crate) fn all_tasks(tasks: &[(&str, Record)]) -> Listings {
    let tasks = tasks.iter().map(|(id, record)| (record_id(id), record.clone().into())).collect();
    [(RecordKind::Task, Listing::Complete(tasks))].into()
}

pub(crate) fn some_tasks(tasks: &[(&str, Option<Record>)]) -> Listings {
    let tasks = tasks.iter().map(|(id, record)| (record_id(id), record.clone().map(Shown::from))).collect();
    [(RecordKind::Task, Listing::Partial(tasks))].into()
}

/// Applies observations one after the other and describes the events of the last one, a line for each.
pub(crate) fn described(looks: &[Observation]) -> String {
    let mut known = KnownContact::default();
    let mut lines = Vec::new();
    for seen in looks {
        let observed = observe(&known, seen);
        known.apply(seen, &observed);
        lines = observed.drafts.iter().map(line).collect();
    }
    lines.join("\n")
}

fn line(draft: &domain::Draft) -> String {
    let fact = &draft.fact;
    let new = if fact.new_in_ghl { " new" } else { "" };
    let changes: Vec<String> = fact.changes.iter().map(|change| format!(" {}:{}→{}", change.field, change.before, change.after)).collect();
    let changes = if fact.change == Change::Appeared { String::new() } else { changes.concat() };
    format!("{} {} {}{new}{changes}", fact.record.kind(), draft.record_id, fact.change.as_str())
}

/// An event of the contact `ann` at a position.
pub(crate) fn recorded(seq: u64, id: &str, change: Change, record: Record, names: Names, new_in_ghl: bool) -> Recorded {
    let kind = record.kind();
    let body = Body::Record(Box::new(RecordFact { change, record, changes: Vec::new(), names, new_in_ghl }));
    Recorded {
        location_id: location(),
        epoch: 1,
        seq,
        event_id: event_id(&location(), 1, seq),
        contact_id: Some(contact_id()),
        record: Some((kind, record_id(id))),
        occurred_at: minute(60),
        recorded_at: minute(61),
        cause: Cause::from(Net::Poll),
        traceparent: None,
        type_name: body.type_name(),
        key_id: None,
        body,
    }
}

pub(crate) fn names(users: &[(&str, &str)], fields: &[(&str, &str)], calendars: &[(&str, &str)]) -> Names {
    let own = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect()
    };
    Names { users: own(users), fields: own(fields), calendars: own(calendars), ..Names::default() }
}

pub(crate) fn moment(text: &str) -> Option<Moment> {
    Some(Moment::read(text))
}

/// An intent whose content follows from object and revision, as in intents that `map` makes.
pub(crate) fn intent(location: &str, object: &str, seq: u64, policy: Policy, put: bool) -> Intent {
    let location_id = LocationId::new(location).unwrap();
    let (kind, content) = if object.contains("contact") {
        (ObjectKind::Contact, Content::Contact(ContactContent { name: format!("{object} as of {seq}"), ..ContactContent::default() }))
    } else {
        (ObjectKind::Task, Content::Task(TaskContent { title: format!("{object} as of {seq}"), ..TaskContent::default() }))
    };
    Intent {
        event_id: event_id(&location_id, 1, seq),
        workspace: Workspace::live_of(&location_id),
        edition: 0,
        location_id,
        contact_id: contact_id(),
        kind,
        object: ObjectKey::from(object.to_owned()),
        revision: Revision { epoch: 1, seq },
        policy,
        rules: Rules::builtin().unwrap().revision().clone(),
        action: if put { Action::Put(Box::new(content)) } else { Action::Remove },
    }
}

pub(crate) fn known_kind(known: &KnownContact, kind: RecordKind, id: &str) -> Option<bool> {
    known.records.get(&(kind, record_id(id))).map(|record| record.present)
}
