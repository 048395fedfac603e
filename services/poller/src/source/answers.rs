//! Converts answers to the types of the gRPC API.

use domain::RecordKind;
use eventlog::{Backfill, Coverage, Credential, CredentialOwner, MirroredLocation, SourceState, SourceTrouble, Vanishing, WorkflowSecret};
use ghl::Spending;
use jiff::Timestamp;
use proto::source::v1 as api;

use crate::app::access::area_of;
use crate::nets::backfill::done_at;

pub(super) fn budget(location_id: String, spending: Spending, backfill: &Backfill, now: Timestamp) -> api::GetBudgetResponse {
    let lane =
        |lane: ghl::LaneSpending| api::LaneSpending { lane: lane.lane.as_str().to_owned(), calls: lane.calls, waiting: lane.waiting };
    api::GetBudgetResponse {
        location_id,
        calls_per_second: spending.calls_per_second,
        at_once: spending.at_once,
        pace: spending.pace,
        held_ms: u64::try_from(spending.held_for.as_millis()).unwrap_or(u64::MAX),
        left_today: spending.left_today,
        day_calls_max: spending.day_calls_max,
        throttled: spending.throttled,
        lanes: spending.lanes.into_iter().map(lane).collect(),
        backfill_done_at: done_at(backfill, now).map(at),
    }
}

pub(super) fn coverage(
    location_id: String,
    kinds: Vec<Coverage>,
    vanishing: &Vanishing,
    troubles: Vec<SourceTrouble>,
) -> api::GetCoverageResponse {
    let state_of =
        |kind| troubles.iter().find(|trouble| trouble.area == area_of(kind).as_str()).map_or("ok", |trouble| trouble.state.as_str());
    let kind = |coverage: Coverage| api::KindCoverage {
        state: state_of(coverage.kind).to_owned(),
        kind: coverage.kind.to_string(),
        present: coverage.present,
        webhook_at: coverage.webhook_at.map(at),
        watched_since: coverage.watched_since.map(at),
        swept_since: coverage.swept_since.map(at),
        unverified_since: coverage.unverified_since.map(at),
        missed_rate: coverage.missed_rate(),
        parity_compared: coverage.parity.compared,
        parity_differed: coverage.parity.differed,
        drift_max: coverage.parity.drift_max(),
        found: coverage
            .found
            .into_iter()
            .map(|(net, found)| api::NetFound { net, changes: found.changes, last_at: found.last_at.map(at) })
            .collect(),
    };
    api::GetCoverageResponse {
        location_id,
        kinds: kinds.into_iter().map(kind).collect(),
        troubles: troubles.iter().cloned().map(trouble).collect(),
        vanishing_held_since: vanishing.held_since.map(at),
        vanishing_held: vanishing.held,
    }
}

fn trouble(trouble: SourceTrouble) -> api::SourceTrouble {
    let SourceTrouble { area, state, scope, cost, since } = trouble;
    api::SourceTrouble { area, state: state.as_str().to_owned(), scope, cost, since: Some(at(since)) }
}

/// What a person has paused: nothing of it is asked.
pub(super) fn paused_by_hand(location: &MirroredLocation) -> Vec<SourceTrouble> {
    let by = if location.who.is_empty() { String::new() } else { format!(" by {}", location.who) };
    let why = if location.reason.is_empty() { String::new() } else { format!(" ({})", location.reason) };
    let paused = |kind| SourceTrouble {
        area: area_of(kind).as_str().to_owned(),
        state: SourceState::Paused,
        scope: String::new(),
        cost: format!("paused{by}{why}; `mirrorctl location resume` ends it"),
        since: location.since,
    };
    RecordKind::ALL.into_iter().map(paused).collect()
}

pub(super) fn released(location_id: String, vanishing: &Vanishing) -> api::ReleaseVanishedResponse {
    api::ReleaseVanishedResponse { location_id, held: vanishing.held, held_since: vanishing.held_since.map(at) }
}

pub(super) fn credential(credential: Credential) -> api::Credential {
    let (location_id, company_id) = match credential.owner {
        CredentialOwner::Location(id) => (id.to_string(), credential.company_id.unwrap_or_default()),
        CredentialOwner::Company(id) => (String::new(), id),
    };
    api::Credential {
        location_id,
        company_id,
        state: credential.state.as_str().to_owned(),
        problem: credential.problem.unwrap_or_default(),
        kek_id: credential.kek_id.unwrap_or_default(),
        granted_at: Some(at(credential.granted_at)),
        expires_at: Some(at(credential.expires_at)),
    }
}

pub(super) fn workflow_secret(secret: WorkflowSecret) -> api::WorkflowSecret {
    api::WorkflowSecret {
        location_id: secret.location_id.to_string(),
        secret_id: secret.secret_id,
        created_at: Some(at(secret.created_at)),
        revoked_at: secret.revoked_at.map(at),
    }
}

pub(super) fn at(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}
