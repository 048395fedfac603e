//! Ten events in the life of each contact, as an agency's log has them: first it is seen whole, later one thing changes at a time.

use domain::{
    Appointment, Body, Cause, Change, Contact, ContactId, FieldChange, Moment, Names, Net, Note, Record, RecordFact, RecordId, Task,
};
use eventlog::Entry;
use jiff::Timestamp;

/// Events of a contact.
pub const EVENTS: usize = 10;
/// Objects that come of them.
pub const OBJECTS: usize = 4;

/// The event that stands at an index in a log of this many contacts: the first look gives four together, and the rest is spread.
///
/// # Errors
/// Never: the ids are ids.
pub fn entry(index: usize, contacts: usize) -> anyhow::Result<Entry> {
    let looked = contacts * OBJECTS;
    if index < looked {
        return event(index / OBJECTS, index % OBJECTS);
    }
    event((index - looked) % contacts, OBJECTS + (index - looked) / contacts)
}

/// As GHL's ids, this one says nothing of when the contact came.
///
/// # Errors
/// Never: it is an id.
pub fn contact_id(contact: usize) -> anyhow::Result<ContactId> {
    let spread = (contact as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Ok(ContactId::new(format!("{spread:020}"))?)
}

/// A contact as an agency has it.
#[must_use]
pub fn person(number: usize, city: &str) -> Contact {
    Contact {
        first_name: Some(format!("First{number}")),
        last_name: Some(format!("Last{number}")),
        email: Some(format!("person{number}@example.com")),
        phone: Some(format!("+1555{number:07}")),
        company: Some("Example Ltd".to_owned()),
        city: Some(city.to_owned()),
        tags: ["customer".to_owned(), "newsletter".to_owned()].into(),
        ..Contact::default()
    }
}

fn event(contact: usize, step: usize) -> anyhow::Result<Entry> {
    let contact_id = contact_id(contact)?;
    let (record, id, change) = match step {
        0 => (of_contact(contact, step), contact_id.to_string(), Change::Appeared),
        1 => (task(false), format!("{contact_id}t"), Change::Appeared),
        2 => (note(step), format!("{contact_id}n"), Change::Appeared),
        3 => (appointment("new"), format!("{contact_id}a"), Change::Appeared),
        5 => (task(true), format!("{contact_id}t"), Change::Changed),
        7 => (note(step), format!("{contact_id}n"), Change::Changed),
        8 => (appointment("confirmed"), format!("{contact_id}a"), Change::Changed),
        _ => (of_contact(contact, step), contact_id.to_string(), Change::Changed),
    };
    let field = match &record {
        Record::Contact(_) => "city",
        Record::Task(_) => "done",
        Record::Note(_) => "body",
        Record::Appointment(_) => "status",
    };
    let changes = (change == Change::Changed).then(|| FieldChange {
        field: field.to_owned(),
        before: "what it was".into(),
        after: "what it is".into(),
    });
    let kind = record.kind();
    let fact = RecordFact { change, record, changes: changes.into_iter().collect(), names: Names::default(), new_in_ghl: false };
    Ok(Entry {
        contact_id: Some(contact_id),
        record: Some((kind, RecordId::new(id)?)),
        occurred_at: Timestamp::now(),
        cause: Cause::from(if step < OBJECTS { Net::Backfill } else { Net::Poll }),
        traceparent: None,
        body: Body::Record(Box::new(fact)),
    })
}

fn of_contact(contact: usize, step: usize) -> Record {
    Record::Contact(Box::new(person(contact, &format!("City {step}"))))
}

fn moment() -> Option<Moment> {
    Some(Moment::read("2026-03-01T09:30:00Z"))
}

fn task(done: bool) -> Record {
    let body = Some("<p>Ask whether the offer of last week still <b>fits</b>, and when to call again.</p>".to_owned());
    Record::Task(Task { title: Some("Call back about the offer".to_owned()), body, due_at: moment(), done, ..Task::default() })
}

fn note(step: usize) -> Record {
    let body = format!("Spoke on the phone, call {step}: wants two rooms in May, breakfast included, and a quote by Friday.");
    Record::Note(Note { body: Some(body), added_at: moment(), ..Note::default() })
}

fn appointment(status: &str) -> Record {
    Record::Appointment(Appointment {
        title: Some("Viewing".to_owned()),
        starts_at: moment(),
        ends_at: Some(Moment::read("2026-03-01T10:00:00Z")),
        time_zone: Some("Europe/Oslo".to_owned()),
        status: Some(status.to_owned()),
        place: Some("At the office".to_owned()),
        ..Appointment::default()
    })
}
