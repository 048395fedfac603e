//! From types of the event log to messages that several services share.

use domain::{Cause, Delivery, FieldChange, Net};
use jiff::Timestamp;
use proto::admin::v1 as api;

pub(crate) fn at(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

pub(crate) fn trace_id(traceparent: Option<&str>) -> String {
    traceparent.and_then(chassis::trace::trace_id).unwrap_or_default()
}

/// JSON; empty for null.
pub(crate) fn json(value: &serde_json::Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}

pub(crate) fn changes(changes: Vec<FieldChange>) -> Vec<api::FieldChange> {
    let change =
        |change: FieldChange| api::FieldChange { before_json: json(&change.before), after_json: json(&change.after), field: change.field };
    changes.into_iter().map(change).collect()
}

pub(crate) fn delivery(delivery: Delivery) -> api::Delivery {
    api::Delivery {
        workspace: delivery.workspace.to_string(),
        kind: delivery.kind.to_string(),
        object: delivery.object.to_string(),
        revision: delivery.revision.to_string(),
        answer: delivery.answer,
    }
}

pub(crate) fn cause(from: &Cause) -> api::Cause {
    let (who, webhook_type) = match &from.net {
        Net::Webhook { webhook_id, kind } => (webhook_id.clone().unwrap_or_default(), kind.clone()),
        Net::Operator { who } => (who.clone(), String::new()),
        Net::Poll | Net::Sweep | Net::Backfill | Net::Writer => (String::new(), String::new()),
    };
    api::Cause {
        by: from.net.as_str().to_owned(),
        who,
        webhook_type,
        asked_at: from.asked_at.map(at),
        ghl_trace_id: from.ghl_trace_id.clone().unwrap_or_default(),
    }
}
