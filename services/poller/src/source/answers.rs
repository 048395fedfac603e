//! What is known, as it is answered.

use std::time::Duration;

use eventlog::{Backfill, Coverage, Credential, CredentialOwner};
use ghl::Spending;
use jiff::Timestamp;
use proto::source::v1 as api;

pub(crate) fn budget(location_id: String, spending: Spending, backfill: &Backfill, now: Timestamp) -> api::GetBudgetResponse {
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

pub(crate) fn coverage(location_id: String, kinds: Vec<Coverage>) -> api::GetCoverageResponse {
    let kind = |coverage: Coverage| api::KindCoverage {
        kind: coverage.kind.to_string(),
        present: coverage.present,
        webhook_at: coverage.webhook_at.map(at),
        watched_since: coverage.watched_since.map(at),
        swept_since: coverage.swept_since.map(at),
        unverified_since: coverage.unverified_since.map(at),
        missed_rate: coverage.missed_rate(),
        found: coverage
            .found
            .into_iter()
            .map(|(net, found)| api::NetFound { net, changes: found.changes, last_at: found.last_at.map(at) })
            .collect(),
    };
    api::GetCoverageResponse { location_id, kinds: kinds.into_iter().map(kind).collect() }
}

pub(crate) fn credential(credential: Credential) -> api::Credential {
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

/// When a backfill that is under way will have seen everybody, if it goes on as it went so far.
pub(crate) fn done_at(backfill: &Backfill, now: Timestamp) -> Option<Timestamp> {
    let (started_at, total) = (backfill.started_at?, backfill.total?);
    if backfill.finished_at.is_some() || backfill.seen == 0 {
        return None;
    }
    let small = |count: u64| u32::try_from(count).map_or(4_294_967_295.0, f64::from);
    let elapsed = Duration::try_from(now.duration_since(started_at)).ok()?;
    let left = elapsed.mul_f64(small(total.saturating_sub(backfill.seen)) / small(backfill.seen));
    now.checked_add(left).ok()
}

fn at(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backfill_is_forecast_by_how_it_went_so_far() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let backfill = Backfill { seen: 100, total: Some(400), started_at: Some(at(0)), ..Backfill::default() };
        assert_eq!(done_at(&backfill, at(60)), Some(at(240)));
        assert_eq!(done_at(&Backfill { seen: 0, ..backfill.clone() }, at(60)), None);
        assert_eq!(done_at(&Backfill { total: None, ..backfill.clone() }, at(60)), None);
        assert_eq!(done_at(&Backfill { finished_at: Some(at(50)), ..backfill }, at(60)), None);
    }
}
