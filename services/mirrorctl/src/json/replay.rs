//! Plans, replays, comparisons and workspaces as JSON.

use proto::replay::v1 as api;
use serde_json::{Value, json};

use super::{inner, instant, text};
use crate::words;

fn changes(from: &[api::FieldChange]) -> Value {
    let change = |change: &api::FieldChange| json!({ "field": change.field, "before": inner(&change.before_json), "after": inner(&change.after_json) });
    from.iter().map(change).collect()
}

pub(crate) fn action(from: &api::Action) -> Value {
    json!({ "action": {
        "location_id": from.location_id, "contact_id": from.contact_id, "object": from.object, "kind": from.kind,
        "step": words::step(from.step()), "reason": from.reason, "changes": changes(&from.changes), "cause_seq": from.cause_seq,
        "calls": from.calls, "policy": from.policy,
    } })
}

pub(crate) fn plan(from: &api::Plan) -> Value {
    json!({ "plan": plan_fields(from) })
}

fn plan_fields(from: &api::Plan) -> Value {
    let target = from.target.clone().unwrap_or_default();
    let totals = from.totals.unwrap_or_default();
    json!({
        "hash": from.hash, "location_id": target.location_id, "workspace": target.workspace, "rules_revision": target.rules_revision,
        "head_seq": target.head_seq, "head_hash": target.head_hash, "made_at": instant(from.made_at.as_ref()), "who": text(&from.who),
        "puts": totals.puts, "removes": totals.removes, "skips": totals.skips, "contacts": totals.contacts, "events": totals.events,
        "unreadable": totals.unreadable, "calls": totals.calls,
    })
}

pub(crate) fn replay(from: &api::ReplayState) -> Value {
    json!({ "replay": {
        "replay_id": from.replay_id, "phase": words::replay_phase(from.phase()), "plan": from.plan.as_ref().map(plan_fields),
        "total": from.total, "done": from.done, "rate": from.rate, "seconds_left": from.seconds_left, "rounds": from.rounds,
        "reason": text(&from.reason), "started_at": instant(from.started_at.as_ref()), "ended_at": instant(from.ended_at.as_ref()),
        "who": text(&from.who),
    } })
}

/// A plan that was not carried out, and why.
pub(crate) fn refused(location_id: &str, plan_hash: &str, why: &str) -> Value {
    json!({ "refused": { "location_id": location_id, "plan_hash": plan_hash, "reason": why } })
}

pub(crate) fn difference(from: &api::Difference) -> Value {
    json!({ "difference": {
        "contact_id": from.contact_id, "object": from.object, "kind": from.kind, "problem": from.problem,
        "changes": changes(&from.changes), "cause_seq": from.cause_seq,
    } })
}

pub(crate) fn verified(from: &api::VerifyResult) -> Value {
    json!({ "result": {
        "equal": from.equal, "workspace": from.workspace, "head_seq": from.head_seq, "contacts": from.contacts, "objects": from.objects,
        "contacts_differing": from.contacts_differing, "unreadable": from.unreadable, "log_root": from.log_root, "workspace_root": from.workspace_root,
    } })
}

pub(crate) fn workspace(from: &api::Workspace) -> Value {
    json!({
        "location_id": from.location_id, "workspace": from.workspace, "role": words::workspace_role(from.role()),
        "rules_revision": text(&from.rules_revision), "created_seq": from.created_seq, "created_at": instant(from.created_at.as_ref()),
        "objects": from.objects,
    })
}
