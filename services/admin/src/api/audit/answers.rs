//! From what the log says of the past to messages of the audit API.

use domain::{BlamedValue, ContactId, Fields, Names, RecordKey, Standing, custom_field, difference as differ};
use eventlog::AccessEntry;
use proto::audit::v1 as api;
use serde_json::Value;

use super::past::PastContact;
use crate::api::answers::{at, cause, changes, json, trace_id};

pub(crate) fn value(from: BlamedValue) -> api::Value {
    let (kind, id) = &from.record;
    api::Value {
        record_kind: kind.to_string(),
        record_id: id.to_string(),
        label: label(&from.field, &from.after, &from.names),
        before_json: json(&from.before),
        after_json: json(&from.after),
        seq: from.revision.seq,
        r#type: format!("{kind}.{}", from.change.as_str()),
        occurred_at: Some(at(from.occurred_at)),
        recorded_at: Some(at(from.recorded_at)),
        cause: Some(cause(&from.cause)),
        trace_id: trace_id(from.traceparent.as_deref()),
        replaced_seq: from.until.map_or(0, |until| until.seq),
        reached: from
            .reached
            .into_iter()
            .map(|(workspace, arrival)| api::Reached {
                workspace: workspace.to_string(),
                revision: arrival.revision.to_string(),
                at: Some(at(arrival.at)),
                answer: arrival.answer,
            })
            .collect(),
        field: from.field,
    }
}

/// The name of a custom field, or of the user or calendar that a value stands for.
fn label(field: &str, value: &Value, names: &Names) -> String {
    let of_field = custom_field(field).and_then(|id| names.fields.get(id));
    let of_value = || value.as_str().and_then(|id| names.users.get(id).or_else(|| names.calendars.get(id)));
    of_field.or_else(of_value).cloned().unwrap_or_default()
}

pub(crate) fn snapshot(contact_id: &ContactId, from: PastContact) -> api::Snapshot {
    api::Snapshot {
        contact_id: contact_id.to_string(),
        records: from.past.records.into_iter().map(record).collect(),
        unreadable: from.unreadable,
        erased: from.erased,
    }
}

fn record(((kind, id), standing): (RecordKey, Standing)) -> api::Record {
    api::Record {
        kind: kind.to_string(),
        record_id: id.to_string(),
        present: standing.present,
        fields: fields(&standing.fields, &standing.names),
        seq: standing.revision.seq,
        occurred_at: Some(at(standing.occurred_at)),
        recorded_at: Some(at(standing.recorded_at)),
    }
}

fn fields(fields: &Fields, names: &Names) -> Vec<api::Field> {
    let field =
        |(field, value): (&String, &Value)| api::Field { field: field.clone(), json: json(value), label: label(field, value, names) };
    fields.iter().map(field).collect()
}

pub(crate) fn difference(contact_id: &ContactId, from: &PastContact, to: &PastContact) -> api::Difference {
    let records = differ(&from.past, &to.past).into_iter().map(|((kind, id), difference)| api::RecordDifference {
        kind: kind.to_string(),
        record_id: id.to_string(),
        before: difference.before,
        after: difference.after,
        changes: changes(difference.changes),
    });
    let mut unreadable: Vec<u64> = from.unreadable.iter().chain(&to.unreadable).copied().collect();
    unreadable.sort_unstable();
    unreadable.dedup();
    api::Difference { contact_id: contact_id.to_string(), records: records.collect(), unreadable, erased: from.erased || to.erased }
}

pub(crate) fn access(from: AccessEntry) -> api::Access {
    let access = from.access;
    api::Access {
        at: Some(at(from.at)),
        who: access.who,
        peer: access.peer,
        token: access.token,
        call: access.call,
        contact_id: access.contact_id.map(|id| id.to_string()).unwrap_or_default(),
        trace_id: trace_id(access.traceparent.as_deref()),
    }
}
