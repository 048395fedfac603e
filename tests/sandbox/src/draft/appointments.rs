//! An appointment's body.

use jiff::{ToSpan as _, tz::TimeZone};

use super::{Fields, Problems, Writer};
use crate::{answer::Refusal, records::Appointment};

/// Fields of the published bodies that change nothing here.
const IGNORED_OF_APPOINTMENT: [&str; 9] = [
    "locationId",
    "contactId",
    "meetingLocationType",
    "meetingLocationId",
    "overrideLocationConfig",
    "ignoreDateRange",
    "toNotify",
    "ignoreFreeSlotValidation",
    "rrule",
];

pub(crate) fn appointment(appointment: &mut Appointment, body: &Fields, writer: Writer, zone: &TimeZone) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    let length = appointment.end.duration_since(appointment.start);
    for (key, value) in body {
        match key.as_str() {
            "title" => problems.text(&mut appointment.title, key, value),
            "address" => problems.text(&mut appointment.address, key, value),
            "description" => problems.text(&mut appointment.description, key, value),
            "notes" if writer == Writer::Person => problems.text(&mut appointment.notes, key, value),
            "assignedUserId" => problems.text(&mut appointment.assigned_user_id, key, value),
            "calendarId" => problems.required_text(&mut appointment.calendar_id, key, value),
            "appointmentStatus" => match value.as_str() {
                Some(status @ ("new" | "confirmed" | "cancelled" | "showed" | "noshow" | "invalid")) => {
                    status.clone_into(&mut appointment.status);
                }
                _ => problems.say("appointmentStatus is not one of the known ones".to_owned()),
            },
            "startTime" => problems.instant(&mut appointment.start, key, value, zone),
            "endTime" => problems.instant(&mut appointment.end, key, value, zone),
            "id" if writer == Writer::Person => {}
            other if IGNORED_OF_APPOINTMENT.contains(&other) => {}
            other => problems.unknown(other),
        }
    }
    if body.contains_key("startTime") && !body.contains_key("endTime") {
        let length = if length.is_zero() { 30.minutes().try_into().unwrap_or(length) } else { length };
        appointment.end = appointment.start.checked_add(length).unwrap_or(appointment.start);
    }
    if problems.0.is_empty() && appointment.end < appointment.start {
        problems.say("endTime must be after startTime".to_owned());
    }
    // The calendar family tells problems in a sentence.
    if problems.0.is_empty() { Ok(()) } else { Err(Refusal::calendar(&problems.0.join(", "))) }
}
