//! From plans, replays and workspaces to messages of the replay API.

use domain::LocationId;
use domain::replay::{Planned, Step};
use eventlog::{Generation, Phase, Plan, Replay, Role, Totals};
use proto::replay::v1 as api;

use crate::api::answers::{at, json};
use crate::replay::planning::ContactPlan;

pub(crate) fn actions(location_id: &LocationId, of: ContactPlan, with_skipped: bool) -> impl Iterator<Item = api::Action> {
    let (location_id, contact_id) = (location_id.to_string(), of.contact_id.to_string());
    let wanted = of.planned.into_iter().filter(move |one| with_skipped || one.acts());
    wanted.map(move |one| action(location_id.clone(), contact_id.clone(), one))
}

fn action(location_id: String, contact_id: String, one: Planned) -> api::Action {
    let step = match one.step {
        Step::Put => api::Step::Put,
        Step::Remove => api::Step::Remove,
        Step::Skip => api::Step::Skip,
    };
    let policy = match one.policy {
        domain::Policy::Mirror => "mirror",
        domain::Policy::Once => "once",
    };
    let calls = u32::from(one.acts());
    let change = |change: domain::FieldChange| api::FieldChange {
        field: change.field,
        before_json: json(&change.before),
        after_json: json(&change.after),
    };
    api::Action {
        location_id,
        contact_id,
        object: one.object.to_string(),
        kind: one.kind.to_string(),
        step: step.into(),
        reason: one.reason.as_str().to_owned(),
        changes: one.changes.into_iter().map(change).collect(),
        cause_seq: one.cause.seq,
        calls,
        policy: policy.to_owned(),
    }
}

/// `items_max` is how many objects a request to the bridge carries.
pub(crate) fn plan(from: &Plan, items_max: usize) -> api::Plan {
    let until = from.bounded.then_some(api::selection::Until::Position(from.head.0));
    let rules = (from.rules != from.rules_then).then(|| api::selection::Rules::RulesRevision(from.rules.to_string()));
    let against = if from.present { api::Against::Workspace } else { api::Against::Unspecified };
    let Totals { puts, removes, skips, contacts, events, unreadable, rewrites: _ } = from.totals;
    api::Plan {
        hash: hex::encode(from.hash),
        selection: Some(api::Selection {
            location_id: from.location_id.to_string(),
            contact_id: from.contact_id.as_ref().map(ToString::to_string).unwrap_or_default(),
            workspace: from.workspace.to_string(),
            until,
            rules,
            against: against.into(),
        }),
        target: Some(api::Target {
            location_id: from.location_id.to_string(),
            workspace: from.workspace.to_string(),
            rules_revision: from.rules.to_string(),
            head_seq: from.head.0,
            head_hash: hex::encode(from.head.1),
        }),
        totals: Some(api::Totals {
            puts,
            removes,
            skips,
            contacts,
            events,
            unreadable,
            calls: (puts + removes).div_ceil(u64::try_from(items_max.max(1)).unwrap_or(1)),
        }),
        made_at: Some(at(from.made_at)),
        who: from.who.clone(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
pub(crate) fn replay(from: Replay, items_max: usize) -> api::ReplayState {
    let phase = match from.phase {
        Phase::Running => api::ReplayPhase::Running,
        Phase::Paused => api::ReplayPhase::Paused,
        Phase::Done => api::ReplayPhase::Done,
        Phase::Cancelled => api::ReplayPhase::Cancelled,
        Phase::Failed => api::ReplayPhase::Failed,
    };
    let seconds = from.worked.as_secs_f64();
    let rate = if seconds > 0.0 { from.done as f64 / seconds } else { 0.0 };
    let left = from.total.saturating_sub(from.done) as f64;
    api::ReplayState {
        replay_id: from.replay_id.to_string(),
        plan: Some(plan(&from.plan, items_max)),
        phase: phase.into(),
        total: from.total,
        done: from.done.min(from.total),
        rate,
        seconds_left: if rate > 0.0 && !from.phase.has_ended() { left / rate } else { 0.0 },
        rounds: from.rounds,
        reason: from.reason,
        started_at: Some(at(from.started_at)),
        ended_at: from.ended_at.map(at),
        who: from.who,
    }
}

pub(crate) fn workspace(from: Generation, objects: u64) -> api::Workspace {
    let role = match from.role {
        Role::Live => api::WorkspaceRole::Live,
        Role::Shadow => api::WorkspaceRole::Shadow,
        Role::Former => api::WorkspaceRole::Former,
        Role::Retired => api::WorkspaceRole::Retired,
    };
    api::Workspace {
        location_id: from.location_id.to_string(),
        workspace: from.workspace.to_string(),
        role: role.into(),
        rules_revision: from.rules.map(|rules| rules.to_string()).unwrap_or_default(),
        created_seq: from.created_seq,
        created_at: Some(at(from.created_at)),
        objects,
    }
}
