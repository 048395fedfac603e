//! The past as JSON.

use proto::admin::v1 as admin;
use proto::audit::v1 as api;
use serde_json::{Map, Value, json};

use super::{cause, inner, instant, text};

pub(crate) fn value(from: &api::Value) -> Value {
    let reached: Vec<_> = from
        .reached
        .iter()
        .map(|reached| {
            json!({
                "workspace": reached.workspace, "revision": reached.revision, "at": instant(reached.at.as_ref()), "answer": reached.answer,
            })
        })
        .collect();
    json!({
        "record_kind": from.record_kind, "record_id": from.record_id, "field": from.field, "label": text(&from.label),
        "before": inner(&from.before_json), "after": inner(&from.after_json), "seq": from.seq, "type": from.r#type,
        "occurred_at": instant(from.occurred_at.as_ref()), "recorded_at": instant(from.recorded_at.as_ref()),
        "cause": cause(from.cause.as_ref()), "trace_id": text(&from.trace_id),
        "replaced_seq": if from.replaced_seq == 0 { Value::Null } else { from.replaced_seq.into() }, "reached": reached,
    })
}

pub(crate) fn snapshot(from: &api::Snapshot) -> Value {
    let record = |record: &api::Record| {
        let fields: Map<String, Value> = record.fields.iter().map(|field| (field.field.clone(), inner(&field.json))).collect();
        let labelled = record.fields.iter().filter(|field| !field.label.is_empty());
        let labels: Map<String, Value> = labelled.map(|field| (field.field.clone(), field.label.clone().into())).collect();
        json!({
            "kind": record.kind, "record_id": record.record_id, "present": record.present, "seq": record.seq,
            "occurred_at": instant(record.occurred_at.as_ref()), "recorded_at": instant(record.recorded_at.as_ref()),
            "fields": fields, "labels": labels,
        })
    };
    let records: Vec<_> = from.records.iter().map(record).collect();
    json!({ "contact_id": from.contact_id, "records": records, "unreadable": from.unreadable, "erased": from.erased })
}

pub(crate) fn difference(from: &api::Difference) -> Value {
    let record = |record: &api::RecordDifference| {
        json!({
            "kind": record.kind, "record_id": record.record_id, "before": record.before, "after": record.after,
            "changes": changes(&record.changes),
        })
    };
    let records: Vec<_> = from.records.iter().map(record).collect();
    json!({ "contact_id": from.contact_id, "records": records, "unreadable": from.unreadable, "erased": from.erased })
}

pub(crate) fn changes(from: &[admin::FieldChange]) -> Vec<Value> {
    from.iter()
        .map(|change| json!({ "field": change.field, "before": inner(&change.before_json), "after": inner(&change.after_json) }))
        .collect()
}

pub(crate) fn access(from: &api::Access) -> Value {
    json!({
        "at": instant(from.at.as_ref()), "who": from.who, "call": from.call, "contact_id": text(&from.contact_id),
        "peer": text(&from.peer), "token": text(&from.token), "trace_id": text(&from.trace_id),
    })
}
