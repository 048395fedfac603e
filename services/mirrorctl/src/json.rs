//! Answers as JSON, one object a line. Keys are those of the API; instants are RFC 3339, UTC; what is absent is null.

pub(crate) mod past;
pub(crate) mod replay;

use proto::admin::v1 as api;
use proto::control::v1 as control;
use serde_json::{Value, json};

use crate::words;

fn instant(at: Option<&prost_types::Timestamp>) -> Value {
    words::instant(at).map_or(Value::Null, Value::String)
}

fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::String(text.to_owned()) }
}

/// JSON within a field; what is not JSON stays text.
fn inner(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| text(json))
}

pub(crate) fn location(from: &api::Location) -> Value {
    let backfill = from.backfill.as_ref().map(|backfill| {
        json!({
            "seen": backfill.seen, "total": backfill.total,
            "started_at": instant(backfill.started_at.as_ref()), "finished_at": instant(backfill.finished_at.as_ref()),
        })
    });
    json!({
        "location_id": from.location_id, "connected_at": instant(from.connected_at.as_ref()), "epoch": from.epoch,
        "head": from.head, "relayed": from.relayed, "settled": from.settled,
        "contacts": from.contacts, "tasks": from.tasks, "notes": from.notes, "appointments": from.appointments,
        "objects": from.objects, "behind": from.behind, "parked": from.parked,
        "last_recorded_at": instant(from.last_recorded_at.as_ref()), "backfill": backfill,
    })
}

pub(crate) fn service(from: &control::StatusResponse) -> Value {
    let parts: Vec<_> =
        from.parts.iter().map(|part| json!({ "name": part.name, "ready": part.ready, "problem": text(&part.problem) })).collect();
    json!({
        "service": from.service, "version": from.version, "state": words::service_state(from.state()), "in_hand": from.in_hand,
        "uptime_seconds": from.uptime_seconds, "parts": parts, "figures": from.figures,
    })
}

pub(crate) fn contact(from: &api::Contact) -> Value {
    json!({
        "contact_id": from.contact_id, "state": words::contact_state(from), "present": from.present, "ghl_seq": from.ghl_seq,
        "applied_seq": from.applied_seq, "records": from.records, "behind": from.behind, "parked": from.parked,
    })
}

pub(crate) fn contact_with_objects(from: &api::GetContactResponse) -> Value {
    let objects: Vec<_> = from
        .objects
        .iter()
        .map(|object| {
            json!({
                "key": object.key, "kind": object.kind, "state": words::object_state(object.state()),
                "present_in_ghl": object.present_in_ghl, "ghl_seq": object.ghl_seq, "applied_revision": object.applied_revision,
                "delivered_at": instant(object.delivered_at.as_ref()),
            })
        })
        .collect();
    let mut whole = from.contact.as_ref().map_or_else(|| json!({}), contact);
    if let Some(whole) = whole.as_object_mut() {
        whole.insert("lag_seconds".to_owned(), from.lag_seconds.into());
        whole.insert("objects".to_owned(), objects.into());
    }
    whole
}

fn cause(from: Option<&api::Cause>) -> Option<Value> {
    from.map(|cause| {
        json!({
            "by": cause.by, "who": text(&cause.who), "webhook_type": text(&cause.webhook_type),
            "asked_at": instant(cause.asked_at.as_ref()), "ghl_trace_id": text(&cause.ghl_trace_id),
        })
    })
}

fn delivery(from: &api::Delivery) -> Value {
    json!({
        "workspace": from.workspace, "kind": from.kind, "object": from.object, "revision": from.revision, "answer": from.answer,
    })
}

pub(crate) fn event(from: &api::Event) -> Value {
    let deliveries: Vec<_> = from.deliveries.iter().map(delivery).collect();
    let arrivals: Vec<_> = from
        .arrivals
        .iter()
        .map(|arrival| {
            json!({
                "delivery": arrival.delivery.as_ref().map(delivery), "outcome": arrival.outcome,
                "recorded_at": instant(arrival.recorded_at.as_ref()), "seq": arrival.seq,
            })
        })
        .collect();
    json!({
        "location_id": from.location_id, "seq": from.seq, "epoch": from.epoch, "event_id": from.event_id, "type": from.r#type,
        "contact_id": text(&from.contact_id), "record_kind": text(&from.record_kind), "record_id": text(&from.record_id),
        "occurred_at": instant(from.occurred_at.as_ref()), "recorded_at": instant(from.recorded_at.as_ref()),
        "cause": cause(from.cause.as_ref()), "trace_id": text(&from.trace_id), "changes": past::changes(&from.changes),
        "deliveries": deliveries, "arrivals": arrivals, "unreadable": text(&from.unreadable),
        "erased": from.erased,
    })
}

pub(crate) fn parked(from: &api::Parked) -> Value {
    json!({
        "parked_id": from.parked_id, "location_id": from.location_id, "stage": from.stage, "contact_id": text(&from.contact_id),
        "object": text(&from.object), "revision": text(&from.revision), "reason": from.reason, "status": from.status,
        "attempts": from.attempts, "parked_at": instant(from.parked_at.as_ref()), "redriven_at": instant(from.redriven_at.as_ref()),
    })
}
