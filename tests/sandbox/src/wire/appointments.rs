//! Appointments, as calls and webhooks show them.

use serde_json::{Value, json};

use super::{ApiVersion, naive, present, with_offset};
use crate::{premises::Premises, records::Appointment};

/// A row of `GET /contacts/{id}/appointments`.
pub(crate) fn contact_appointment(appointment: &Appointment, premises: &Premises) -> Value {
    let zone = &premises.zone;
    present(json!({
        "id": appointment.id,
        "calendarId": appointment.calendar_id,
        "status": "booked",
        "title": appointment.title,
        "assignedUserId": appointment.assigned_user_id,
        "notes": appointment.notes,
        "startTime": naive(appointment.start, zone),
        "endTime": naive(appointment.end, zone),
        "address": appointment.address,
        "locationId": premises.location_id,
        "contactId": appointment.contact_id,
        "groupId": appointment.group_id,
        "appointmentStatus": appointment.status,
        "users": appointment.assigned_user_id.iter().collect::<Vec<_>>(),
        "dateAdded": naive(appointment.date_added, zone),
        "dateUpdated": naive(appointment.date_updated, zone),
        "assignedResources": [],
    }))
}

/// A row of `GET /calendars/events`.
pub(crate) fn calendar_event(appointment: &Appointment, premises: &Premises, version: ApiVersion) -> Value {
    let zone = &premises.zone;
    present(json!({
        "id": appointment.id,
        "address": appointment.address,
        "title": appointment.title.as_deref().unwrap_or_default(),
        "calendarId": appointment.calendar_id,
        "locationId": premises.location_id,
        "contactId": appointment.contact_id,
        "groupId": appointment.group_id.as_deref().unwrap_or_default(),
        "appointmentStatus": appointment.status,
        "assignedUserId": appointment.assigned_user_id.as_deref().unwrap_or_default(),
        "users": appointment.assigned_user_id.iter().collect::<Vec<_>>(),
        "notes": appointment.notes,
        "description": appointment.description,
        "isRecurring": false,
        "deleted": (version == ApiVersion::V3).then_some(false),
        "startTime": with_offset(appointment.start, zone),
        "endTime": with_offset(appointment.end, zone),
        "dateAdded": with_offset(appointment.date_added, zone),
        "dateUpdated": with_offset(appointment.date_updated, zone),
        "assignedResources": [],
        "createdBy": present(json!({
            "userId": appointment.assigned_user_id,
            "source": appointment.source.as_deref().unwrap_or("calendar_page"),
        })),
    }))
}

/// What creating and updating an appointment answers.
pub(crate) fn written_appointment(appointment: &Appointment, premises: &Premises, version: ApiVersion) -> Value {
    let zone = &premises.zone;
    let dated = |at| (version == ApiVersion::V3).then(|| with_offset(at, zone));
    present(json!({
        "id": appointment.id,
        "calendarId": appointment.calendar_id,
        "locationId": premises.location_id,
        "contactId": appointment.contact_id,
        "startTime": with_offset(appointment.start, zone),
        "endTime": with_offset(appointment.end, zone),
        "title": appointment.title,
        "appointmentStatus": appointment.status,
        "assignedUserId": appointment.assigned_user_id,
        "address": appointment.address,
        "isRecurring": false,
        "dateAdded": dated(appointment.date_added),
        "dateUpdated": dated(appointment.date_updated),
    }))
}

/// The inner part of an appointment's webhook.
pub(crate) fn appointment_in_webhook(appointment: &Appointment, premises: &Premises) -> Value {
    let zone = &premises.zone;
    present(json!({
        "id": appointment.id,
        "address": appointment.address,
        "title": appointment.title,
        "calendarId": appointment.calendar_id,
        "contactId": appointment.contact_id,
        "groupId": appointment.group_id,
        "appointmentStatus": appointment.status,
        "assignedUserId": appointment.assigned_user_id,
        "users": appointment.assigned_user_id.iter().collect::<Vec<_>>(),
        "notes": appointment.notes,
        "source": appointment.source,
        "startTime": with_offset(appointment.start, zone),
        "endTime": with_offset(appointment.end, zone),
        "dateAdded": with_offset(appointment.date_added, zone),
        "dateUpdated": with_offset(appointment.date_updated, zone),
    }))
}
