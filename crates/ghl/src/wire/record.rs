//! A record of any kind.

use domain::{Appointment, ContactId, Note, Record, RecordId, RecordKind, Shown, Task};
use serde_json::Value;

use super::contact;
use super::fields::{Fields, ID, first_text, object, unwrap};
use super::further;
use super::reader::Reader;
use super::shape::Shape;
use crate::Zone;

/// A task or a note by its id.
pub(crate) fn single(body: Value, kind: RecordKind, zone: &Zone) -> Result<Record, String> {
    let fields = object(unwrap(body, kind.as_str()))?;
    if first_text(&fields, ID).is_none() {
        return Err(format!("a {kind} without an id"));
    }
    Ok(shown(&fields, of_contact(kind), zone).record)
}

/// The contact of a single appointment: in `event` as documented, or in `appointment`.
pub(crate) fn contact_of(body: Value) -> Result<Option<ContactId>, String> {
    let fields = object(unwrap(unwrap(body, "event"), "appointment"))?;
    Ok(first_text(&fields, &["contactId"]).and_then(|id| ContactId::new(id).ok()))
}

/// An appointment by its id: in an envelope of one or the other name.
pub(crate) fn appointment_by_id(body: Value, id: &RecordId, zone: &Zone) -> Result<Shown, String> {
    let fields = object(unwrap(unwrap(body, "event"), "appointment"))?;
    if first_text(&fields, ID).as_deref() != Some(id.as_str()) {
        return Err("not the appointment that was asked for".to_owned());
    }
    Ok(shown(&fields, Shape::AppointmentOfCalendar, zone))
}

/// The shape of the records of one contact.
pub(super) fn of_contact(kind: RecordKind) -> Shape {
    match kind {
        RecordKind::Contact => Shape::ContactById,
        RecordKind::Task => Shape::TaskOfContact,
        RecordKind::Note => Shape::NoteOfContact,
        RecordKind::Appointment => Shape::AppointmentOfContact,
    }
}

/// The shape of the rows of a list over the whole location.
pub(super) fn of_location(kind: RecordKind) -> Shape {
    match kind {
        RecordKind::Contact => Shape::ContactRow,
        RecordKind::Task => Shape::TaskRow,
        RecordKind::Note => Shape::NoteOfContact,
        RecordKind::Appointment => Shape::AppointmentOfCalendar,
    }
}

/// The record, and what the answer says of its fields.
pub(super) fn shown(fields: &Fields, shape: Shape, zone: &Zone) -> Shown {
    let mut read = Reader::new(fields, shape, zone);
    let record = match shape {
        Shape::ContactById | Shape::ContactRow => return contact::shown(fields, shape, zone),
        Shape::TaskOfContact | Shape::TaskRow => Record::Task(read_task(&mut read)),
        Shape::NoteOfContact => Record::Note(read_note(&mut read)),
        Shape::AppointmentOfContact | Shape::AppointmentOfCalendar => Record::Appointment(read_appointment(&mut read)),
    };
    read.shown(record)
}

pub(super) fn read_task(read: &mut Reader<'_>) -> Task {
    let due_at = read.moment("due_at", &["dueDate"]);
    let zone = read.zone().name();
    if zone.is_none() || read.is_silent_about("due_at") {
        read.silence("time_zone");
    }
    Task {
        title: read.text("title", &["title"]),
        body: read.text("body", &["body", "description"]),
        time_zone: due_at.as_ref().and(zone).map(str::to_owned),
        due_at,
        done: read.flag("done", &["completed"]).unwrap_or(false),
        assigned_to: read.reference("assigned_to", &["assignedTo"]),
    }
}

fn read_note(read: &mut Reader<'_>) -> Note {
    Note {
        title: read.text("title", &["title"]),
        // The second is the plain text of the first, and has been seen alone.
        body: read.text("body", &["body", "bodyText"]),
        user_id: read.reference("user_id", &["userId"]),
        color: read.text("color", &["color"]),
        pinned: read.flag("pinned", &["pinned"]).unwrap_or(false),
        // Not documented for notes.
        attachments: read.read("attachments", &["attachments"], further::attachments).unwrap_or_default(),
        added_at: read.moment("added_at", &["dateAdded"]),
    }
}

fn read_appointment(read: &mut Reader<'_>) -> Appointment {
    if read.zone().name().is_none() {
        read.silence("time_zone");
    }
    Appointment {
        title: read.text("title", &["title"]),
        starts_at: read.second("starts_at", &["startTime"]),
        ends_at: read.second("ends_at", &["endTime"]),
        time_zone: read.zone().name().map(str::to_owned),
        // The second spelling is the vendor's, in older answers.
        status: read.text("status", &["appointmentStatus", "appoinmentStatus", "status"]),
        place: read.text("place", &["address"]),
        // Not `description`, which only the list of a calendar's has.
        notes: read.text("notes", &["notes"]),
        calendar_id: read.text("calendar_id", &["calendarId"]),
        assigned_to: read.reference("assigned_to", &["assignedUserId"]),
        added_at: read.second("added_at", &["dateAdded"]),
        updated_at: read.second("updated_at", &["dateUpdated"]),
    }
}
