//! Small calls that only tell whether GHL answers.

use domain::{ContactId, RecordKind};
use ghl::{Client, EventsOf, Search, TaskSearch, Window, Zone};
use jiff::{SignedDuration, Timestamp};

/// The first contact of the location.
pub(crate) fn one_contact() -> Search {
    Search { window: Window::Everyone, rows_max: 1, after: None }
}

/// One task of the location.
pub(crate) fn one_task() -> TaskSearch {
    TaskSearch { rows_max: 1, ..TaskSearch::default() }
}

/// One of the lists of a contact, or the contact itself.
pub(crate) async fn list_of(client: &Client, kind: RecordKind, contact_id: &ContactId) -> Result<(), ghl::Error> {
    match kind {
        RecordKind::Task => client.tasks(contact_id, &Zone::UNKNOWN).await.map(drop),
        RecordKind::Note => client.notes(contact_id, &Zone::UNKNOWN).await.map(drop),
        RecordKind::Appointment => client.appointments(contact_id, &Zone::UNKNOWN).await.map(drop),
        RecordKind::Contact => client.contact(contact_id, &Zone::UNKNOWN).await.map(drop),
    }
}

/// The appointments of a calendar on one day.
pub(crate) async fn events_of_a_day(client: &Client, calendar: &str) -> Result<(), ghl::Error> {
    let (from, day) = (Timestamp::now(), SignedDuration::from_hours(24));
    let to = from.checked_add(day).unwrap_or(Timestamp::MAX);
    client.calendar_events(EventsOf::Calendar(calendar), from, to, &Zone::UNKNOWN).await.map(drop)
}
