//! A record of any kind.

use std::collections::BTreeSet;

use domain::{Appointment, ContactId, Note, Record, RecordKind, Task};
use serde_json::Value;

use super::contact;
use super::fields::{Fields, ID, first_text, object, unwrap};
use super::reader::Reader;
use crate::{Zone, time};

pub(crate) fn single(body: Value, kind: RecordKind, zone: &Zone) -> Result<Record, String> {
    let fields = object(unwrap(body, kind.as_str()))?;
    if first_text(&fields, ID).is_none() {
        return Err(format!("a {kind} without an id"));
    }
    Ok(record(&fields, kind, zone).0)
}

/// The contact of a single appointment: in `event` as documented, or in `appointment`.
pub(crate) fn contact_of(body: Value) -> Result<Option<ContactId>, String> {
    let fields = object(unwrap(unwrap(body, "event"), "appointment"))?;
    Ok(first_text(&fields, &["contactId"]).and_then(|id| ContactId::new(id).ok()))
}

/// The record, and the names of its fields that the answer does not mention at all.
pub(super) fn record(fields: &Fields, kind: RecordKind, zone: &Zone) -> (Record, BTreeSet<String>) {
    let mut read = Reader::new(fields, zone);
    let record = match kind {
        RecordKind::Contact => {
            let (contact, silent) = contact::read(fields, zone);
            return (Record::Contact(Box::new(contact)), silent);
        }
        RecordKind::Task => Record::Task(Task {
            title: read.text("title", &["title"]),
            body: read.text("body", &["body", "description"]),
            due_at: read.moment("due_at", &["dueDate"]),
            done: read.flag("done", &["completed"]).unwrap_or(false),
            assigned_to: read.reference("assigned_to", &["assignedTo"]),
        }),
        RecordKind::Note => Record::Note(Note {
            title: read.text("title", &["title"]),
            body: read.text("body", &["body"]),
            user_id: read.reference("user_id", &["userId"]),
            color: read.text("color", &["color"]),
            pinned: read.flag("pinned", &["pinned"]).unwrap_or(false),
            added_at: read.moment("added_at", &["dateAdded"]),
        }),
        RecordKind::Appointment => Record::Appointment(Appointment {
            title: read.text("title", &["title"]),
            // The list of a contact's appointments gives whole seconds, that of a calendar's more: both are to read the same.
            starts_at: read.moment("starts_at", &["startTime"]).map(time::whole_second),
            ends_at: read.moment("ends_at", &["endTime"]).map(time::whole_second),
            time_zone: read.zone().name().map(str::to_owned),
            // The second spelling is the vendor's, in older answers.
            status: read.text("status", &["appointmentStatus", "appoinmentStatus", "status"]),
            place: read.text("place", &["address"]),
            // Not `description`, which only the list of a calendar's has.
            notes: read.text("notes", &["notes"]),
            calendar_id: read.text("calendar_id", &["calendarId"]),
            assigned_to: read.reference("assigned_to", &["assignedUserId"]),
            added_at: read.moment("added_at", &["dateAdded"]).map(time::whole_second),
            updated_at: read.moment("updated_at", &["dateUpdated"]).map(time::whole_second),
        }),
    };
    (record, read.silent)
}
