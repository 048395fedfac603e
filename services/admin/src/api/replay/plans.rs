//! Making the plan that a call asks for.

use domain::{Hash, LocationId, Rules};
use eventlog::{Plan, Role, Totals};
use jiff::Timestamp;
use proto::replay::v1 as api;
use proto::replay::v1::plan_replay_response::Part;
use tokio::time::Instant;
use tonic::Status;

use super::{answers, staleness};
use crate::api::request;
use crate::api::stream::Sender;
use crate::replay::Context;
use crate::replay::planning::{Planning, Progress};
use crate::status::{status_of_log, status_of_planning};

type Parts = Sender<api::PlanReplayResponse>;

/// The requested plan, still without totals, and the rules to make it with.
pub(crate) async fn begin(context: &Context, selection: api::Selection, who: &str) -> Result<(Plan, Rules), Status> {
    let location_id = context.location(&selection.location_id).await?;
    let generation = context.workspace(&location_id, &selection.workspace).await?;
    if generation.role == Role::Retired {
        return Err(Status::failed_precondition("the workspace is retired and accepts no more changes"));
    }
    let contact_id = request::optional_contact(&selection.contact_id)?;
    let rules_then = context.rules_of(&generation).await?;
    let rules = rules(context, selection.rules.as_ref(), &rules_then).await?;
    let head = head(context, &location_id, selection.until).await?;
    let other = *rules.revision() != rules_then;
    let bounded = selection.until.is_some();
    if other && (bounded || contact_id.is_some()) {
        return Err(Status::invalid_argument(
            "other rules can only be planned for the whole workspace, without a contact, position or time",
        ));
    }
    let plan = Plan {
        location_id,
        hash: Hash::default(),
        workspace: generation.workspace,
        rules: rules.revision().clone(),
        rules_then,
        edition: generation.edition,
        contact_id,
        head,
        bounded,
        present: selection.against() == api::Against::Workspace,
        totals: Totals::default(),
        who: who.to_owned(),
        made_at: Timestamp::now(),
    };
    Ok((plan, rules))
}

/// The given rules, or those that the workspace has.
pub(crate) async fn rules(context: &Context, given: Option<&api::selection::Rules>, then: &domain::RulesRevision) -> Result<Rules, Status> {
    match given {
        Some(api::selection::Rules::RulesText(text)) => context.keep_rules(text).await,
        Some(api::selection::Rules::RulesRevision(revision)) => context.rules_named(&domain::RulesRevision::from(revision.clone())).await,
        None => context.rules_named(then).await,
    }
}

/// The last position to plan up to, with its hash.
async fn head(context: &Context, location_id: &LocationId, until: Option<api::selection::Until>) -> Result<(u64, Hash), Status> {
    let locations = context.log.locations().list().await.map_err(status_of_log)?;
    let head = locations.into_iter().find(|location| location.location_id == *location_id).map_or(0, |location| location.head);
    let position = match until {
        None => head,
        Some(api::selection::Until::Position(position)) if position <= head => position,
        Some(api::selection::Until::Position(position)) => {
            return Err(Status::out_of_range(format!("position {position} is past the end of the log, which is {head}")));
        }
        Some(api::selection::Until::RecordedAt(at)) => position_at(context, location_id, request::instant(&at)?, head).await?,
    };
    Ok((position, context.log.chain().hash_at(location_id, position).await.map_err(status_of_log)?))
}

/// The last position that was recorded by then: positions are recorded in order.
async fn position_at(context: &Context, location_id: &LocationId, at: Timestamp, head: u64) -> Result<u64, Status> {
    let (mut low, mut high) = (0, head);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let event = context.log.read(location_id, middle - 1, 1).await.map_err(status_of_log)?.pop();
        let is_later = event.is_none_or(|event| event.recorded_at > at);
        (low, high) = if is_later { (low, middle - 1) } else { (middle, high) };
    }
    Ok(low)
}

/// Makes a plan, sends it as it comes, and keeps it.
pub(crate) async fn make(context: &Context, mut plan: Plan, rules: Rules, with_skipped: bool, parts: &Parts) -> Result<(), Status> {
    let known = context.rules_texts().await.map_err(status_of_log)?;
    let mut planning = Planning::start(&context.log, context.planning_request(&plan, rules, known));
    let gone = |_| Status::cancelled("the caller is gone");
    let mut told_at = Instant::now();
    while let Some(page) = planning.next().await {
        for action in page.into_iter().flat_map(|of_contact| answers::actions(&plan.location_id, of_contact, with_skipped)) {
            parts.send(Ok(api::PlanReplayResponse { part: Some(Part::Action(action)) })).await.map_err(gone)?;
        }
        if told_at.elapsed() >= *context.settings.interval {
            told_at = Instant::now();
            let Progress { events, contacts } = planning.progress();
            let progress = api::PlanProgress { events, contacts, events_total: plan.head.0 };
            parts.send(Ok(api::PlanReplayResponse { part: Some(Part::Progress(progress)) })).await.map_err(gone)?;
        }
    }
    let tally = planning.finish().await.map_err(status_of_planning)?;
    plan.hash = staleness::hash(&plan, &tally);
    plan.totals = Totals::from(&tally);
    context.log.replays().keep_plan(&plan).await.map_err(status_of_log)?;
    let plan = answers::plan(&plan, context.settings.outdate_items.get());
    parts.send(Ok(api::PlanReplayResponse { part: Some(Part::Plan(plan)) })).await.map_err(gone)
}
