//! `/calendars` and a contact's appointments.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, Query},
};
use serde_json::{Value, json};

use super::shapes::{object_body, own_location};
use crate::{
    Webhook,
    answer::{Answer, Refusal, Reply},
    draft::Writer,
    records::Appointment,
    wire::{self, ApiVersion},
    world::{World, no_event},
};

pub(crate) async fn list(Extension(world): Extension<World>, Query(query): Query<BTreeMap<String, String>>) -> Answer {
    own_location(&world, query.get("locationId").map(String::as_str))?;
    let group = query.get("groupId");
    let calendars = world.calendars();
    let calendars = calendars.iter().filter(|calendar| group.is_none_or(|group| *group == calendar.group_id));
    let calendars: Vec<Value> = calendars.map(|calendar| wire::calendar(calendar, world.location_id())).collect();
    Reply::ok(&json!({ "calendars": calendars }))
}

/// Appointments that start within the window, of one calendar, user or group.
pub(crate) async fn events(
    Extension(world): Extension<World>,
    Extension(version): Extension<ApiVersion>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    own_location(&world, query.get("locationId").map(String::as_str))?;
    let millis = |key: &str| {
        let at = query.get(key).and_then(|text| text.parse::<i64>().ok());
        at.ok_or_else(|| Refusal::calendar(&format!("{key} must be in milliseconds")))
    };
    let window = millis("startTime")?..=millis("endTime")?;
    let [calendar, user, group] = ["calendarId", "userId", "groupId"].map(|key| query.get(key));
    if calendar.is_none() && user.is_none() && group.is_none() {
        return Err(Refusal::calendar("Either of calendarId, userId or groupId is required"));
    }
    let wanted = |row: &Appointment| {
        calendar.is_none_or(|id| row.calendar_id == *id)
            && user.is_none_or(|id| row.assigned_user_id.as_ref() == Some(id))
            && group.is_none_or(|id| row.group_id.as_ref() == Some(id))
    };
    let rows: Vec<Arc<Appointment>> = world.state().agenda(window).filter(|row| wanted(row)).cloned().collect();
    let events: Vec<Value> = rows.iter().map(|row| wire::calendar_event(row, world.premises(), version)).collect();
    Reply::ok(&json!({ "events": events }))
}

pub(crate) async fn of_contact(Extension(world): Extension<World>, Path(contact_id): Path<String>) -> Answer {
    let rows = world.state().folder(&contact_id).map(|folder| folder.appointments.clone());
    let rows = rows.ok_or_else(|| Refusal::not_found("Contact", &contact_id))?;
    let events: Vec<Value> = rows.iter().map(|row| wire::contact_appointment(row, world.premises())).collect();
    Reply::ok(&json!({ "events": events }))
}

pub(crate) async fn read(
    Extension(world): Extension<World>,
    Extension(version): Extension<ApiVersion>,
    Path(event_id): Path<String>,
) -> Answer {
    let row = world.state().appointment(&event_id).cloned().ok_or_else(|| no_event(&event_id))?;
    Reply::ok(&json!({"event": wire::calendar_event(&row, world.premises(), version)}))
}

pub(crate) async fn create(Extension(world): Extension<World>, Extension(version): Extension<ApiVersion>, body: Bytes) -> Answer {
    let body = object_body(&body)?;
    own_location(&world, body.get("locationId").and_then(Value::as_str))?;
    let row = world.create_appointment_as(Writer::Creating, &body, Webhook::ByChance)?;
    Reply::ok(&wire::written_appointment(&row, world.premises(), version))
}

pub(crate) async fn update(
    Extension(world): Extension<World>,
    Extension(version): Extension<ApiVersion>,
    Path(event_id): Path<String>,
    body: Bytes,
) -> Answer {
    let row = world.update_appointment_as(Writer::Updating, &event_id, &object_body(&body)?, Webhook::ByChance)?;
    Reply::ok(&wire::written_appointment(&row, world.premises(), version))
}

/// 201 and `succeeded` spelled right, as the calendar family has it.
pub(crate) async fn delete(Extension(world): Extension<World>, Path(event_id): Path<String>) -> Answer {
    world.delete_appointment(&event_id, Webhook::ByChance)?;
    Reply::created(&json!({"succeeded": true}))
}
