//! From types of the event log to messages of the admin API.

use domain::{Body, Opened, RecordKind};
use eventlog::{ContactState, ContactSummary, LocationOverview, ObjectState, Parked, SyncState};
use jiff::Timestamp;
use proto::admin::v1 as api;

use crate::api::answers::{at, cause, changes, delivery, trace_id};

pub(crate) fn location(from: LocationOverview) -> api::Location {
    let backfill = &from.progress.backfill;
    api::Location {
        location_id: from.location_id.to_string(),
        connected_at: Some(at(from.connected_at)),
        epoch: from.epoch,
        head: from.head,
        relayed: from.relayed,
        settled: from.settled,
        contacts: from.present(RecordKind::Contact),
        tasks: from.present(RecordKind::Task),
        notes: from.present(RecordKind::Note),
        appointments: from.present(RecordKind::Appointment),
        objects: from.applied,
        behind: from.behind,
        parked: from.parked,
        last_recorded_at: from.last_recorded_at.map(at),
        backfill: Some(api::Backfill {
            seen: backfill.seen,
            total: backfill.total.unwrap_or(0),
            started_at: backfill.started_at.map(at),
            finished_at: backfill.finished_at.map(at),
        }),
        state: from.state.map_or_else(String::new, |(state, _)| state.as_str().to_owned()),
        state_since: from.state.map(|(_, since)| at(since)),
    }
}

pub(crate) fn contact(from: ContactSummary) -> api::Contact {
    api::Contact {
        contact_id: from.contact_id.to_string(),
        present: from.present,
        ghl_seq: from.ghl_seq,
        applied_seq: from.applied_seq,
        records: from.records,
        behind: from.behind,
        parked: from.parked,
    }
}

/// `waiting_since` is when the oldest change was recorded that has not reached Pagico.
pub(crate) fn contact_state(from: ContactState, waiting_since: Option<Timestamp>, now: Timestamp) -> api::GetContactResponse {
    let lag_seconds = waiting_since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
    api::GetContactResponse { contact: Some(contact(from.summary)), lag_seconds, objects: from.objects.into_iter().map(object).collect() }
}

fn object(from: ObjectState) -> api::Object {
    let state = match from.state {
        SyncState::InSync => api::ObjectState::InSync,
        SyncState::Behind => api::ObjectState::Behind,
        SyncState::Parked => api::ObjectState::Parked,
        SyncState::Removed => api::ObjectState::Removed,
        SyncState::Started => api::ObjectState::Started,
    };
    api::Object {
        key: from.object.to_string(),
        kind: from.kind.to_string(),
        present_in_ghl: from.present,
        ghl_seq: from.ghl.map_or(0, |revision| revision.seq),
        applied_revision: from.applied.map_or_else(|| "0.0".to_owned(), |revision| revision.to_string()),
        state: state.into(),
        delivered_at: from.delivered_at.map(at),
    }
}

/// An event that cannot be read still shows its position, its times and its cause.
pub(crate) fn event(from: Opened) -> api::Event {
    let mut event = api::Event {
        location_id: from.location_id.to_string(),
        seq: from.seq,
        epoch: from.epoch,
        event_id: from.event_id.to_string(),
        contact_id: from.contact_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        record_kind: from.record.as_ref().map(|(kind, _)| kind.to_string()).unwrap_or_default(),
        record_id: from.record.as_ref().map(|(_, id)| id.to_string()).unwrap_or_default(),
        occurred_at: Some(at(from.occurred_at)),
        recorded_at: Some(at(from.recorded_at)),
        cause: Some(cause(&from.cause)),
        trace_id: trace_id(from.traceparent.as_deref()),
        r#type: from.type_name,
        ..api::Event::default()
    };
    match from.body {
        Ok(Body::Record(fact)) => event.changes = changes(fact.changes),
        Ok(Body::Delivery(fact)) => event.deliveries = fact.deliveries.into_iter().map(delivery).collect(),
        Ok(Body::Operator(_)) => {}
        Ok(Body::Erased) => event.erased = true,
        Err(error) => event.unreadable = error.to_string(),
    }
    event
}

pub(crate) fn parked(from: Parked) -> api::Parked {
    let parking = from.parking;
    api::Parked {
        parked_id: from.id.to_string(),
        location_id: parking.location_id.to_string(),
        stage: parking.stage.as_str().to_owned(),
        contact_id: parking.contact_id.map(|id| id.to_string()).unwrap_or_default(),
        object: parking.object.map(|object| object.to_string()).unwrap_or_default(),
        revision: parking.revision.map(|revision| revision.to_string()).unwrap_or_default(),
        reason: parking.reason,
        status: parking.status.map_or(0, u32::from),
        attempts: parking.attempts,
        parked_at: Some(at(from.parked_at)),
        redriven_at: from.redriven_at.map(at),
    }
}
