//! `replay`: plan, apply, follow, verify.

mod plan;
mod state;
mod verify;

use proto::admin::v1::GetOverviewRequest;
use proto::replay::v1 as api;
use serde_json::json;

use super::{Output, all_or};
use crate::ask::confirm;
use crate::cli::replay::{ApplyArgs, ReplayCommand, SelectionArgs};
use crate::cli::{Connection, replay::Against};
use crate::problem::Problem;
use crate::table::printable;
use crate::words;

pub(crate) async fn execute(connection: &Connection, command: ReplayCommand, output: &mut Output<'_>) -> Result<(), Problem> {
    match command {
        ReplayCommand::Plan(arguments) => plan::plan(connection, &arguments, output).await,
        ReplayCommand::Apply(arguments) => apply(connection, &arguments, output).await,
        ReplayCommand::Status(arguments) => state::status(connection, arguments, output).await,
        ReplayCommand::List { limit } => state::list(connection, limit, output).await,
        ReplayCommand::Pause(which) => {
            let request = api::PauseReplayRequest { replay_id: which.replay_id, who: connection.who() };
            let answer = connection.replay().await?.pause_replay(request).await?.into_inner();
            state::show(&answer.replay.unwrap_or_default(), output)
        }
        ReplayCommand::Resume(which) => {
            let request = api::ResumeReplayRequest { replay_id: which.replay_id, who: connection.who() };
            let answer = connection.replay().await?.resume_replay(request).await?.into_inner();
            state::show(&answer.replay.unwrap_or_default(), output)
        }
        ReplayCommand::Cancel(which) => {
            let request = api::CancelReplayRequest { replay_id: which.replay_id, who: connection.who() };
            let answer = connection.replay().await?.cancel_replay(request).await?.into_inner();
            state::show(&answer.replay.unwrap_or_default(), output)
        }
        ReplayCommand::Verify(arguments) => verify::verify(connection, arguments, output).await,
    }
}

/// What was planned is what is carried out: the hash stands between the two.
async fn apply(connection: &Connection, arguments: &ApplyArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut plans = match &arguments.plan_hash {
        Some(hash) => vec![api::Plan { hash: hash.clone(), ..api::Plan::default() }],
        None => plan::shown(connection, &arguments.selection, &arguments.shown, output).await?,
    };
    plans.retain(|plan| arguments.plan_hash.is_some() || !words::is_empty(plan));
    let question = match (&arguments.plan_hash, plans.len()) {
        (_, 0) => return Ok(()),
        (Some(hash), _) => format!("Carry out the plan {}?", printable(hash)),
        (None, 1) => "Carry out this plan?".to_owned(),
        (None, several) => format!("Carry out these {several} plans?"),
    };
    if !arguments.yes {
        output.out.flush()?;
        confirm(&question)?;
    }
    let (mut replays, mut failures) = (Vec::with_capacity(plans.len()), Vec::new());
    for plan in &plans {
        match begin(connection, plan, arguments.accept_newer).await {
            Ok(replay) => replays.push(replay),
            Err(problem) if plans.len() == 1 => return Err(problem),
            // Each location is for itself: the others go on.
            Err(problem) => {
                refused(plan, &problem, output)?;
                failures.push(problem);
            }
        }
    }
    for replay in replays {
        let ended = if arguments.detach { state::show(&replay, output) } else { state::follow(connection, replay, output).await };
        match ended {
            Err(problem) if plans.len() == 1 => return Err(problem),
            ended => failures.extend(ended.err()),
        }
    }
    all_or(plans.len(), &failures)
}

async fn begin(connection: &Connection, plan: &api::Plan, accept_newer: bool) -> Result<api::ReplayState, Problem> {
    let request = api::ApplyReplayRequest { plan_hash: plan.hash.clone(), accept_newer, who: connection.who() };
    // It is planned again before it begins, which takes as long as planning does.
    let answer = connection.replay_without_deadline().await?.apply_replay(request).await?.into_inner();
    Ok(answer.replay.unwrap_or_default())
}

/// Tells of one plan among several that was not carried out.
fn refused(plan: &api::Plan, problem: &Problem, output: &mut Output<'_>) -> Result<(), Problem> {
    let location_id = plan.target.as_ref().map_or("", |target| &target.location_id);
    if output.json {
        return output.line(&json!({ "refused": { "locationId": location_id, "planHash": plan.hash, "reason": problem.to_string() } }));
    }
    let told = format!("location {} is not replayed: {}", printable(location_id), printable(&problem.to_string()));
    Ok(writeln!(output.out, "{}", output.style.gone(&told))?)
}

/// The locations that are meant: all of them, or the one that is named or the only one.
async fn locations(connection: &Connection, all: bool) -> Result<Vec<String>, Problem> {
    if !all {
        return Ok(vec![connection.location_id()]);
    }
    let overview = connection.admin().await?.get_overview(GetOverviewRequest {}).await?.into_inner();
    Ok(overview.locations.into_iter().map(|location| location.location_id).collect())
}

/// What the server is asked to look at.
fn selection(location_id: &str, arguments: &SelectionArgs) -> Result<api::Selection, Problem> {
    use api::selection::{Rules, Until};
    let until = match (arguments.upto, arguments.recorded_until) {
        (Some(position), _) => Some(Until::Position(position)),
        (None, Some(at)) => Some(Until::RecordedAt(at.into())),
        (None, None) => None,
    };
    let rules = match (&arguments.rules_file, &arguments.rules_revision) {
        (Some(file), _) => Some(Rules::RulesText(super::text_of(file)?)),
        (None, Some(revision)) => Some(Rules::RulesRevision(revision.clone())),
        (None, None) => None,
    };
    let against = match arguments.against {
        Against::Ledger => api::Against::Unspecified,
        Against::Live => api::Against::Workspace,
    };
    Ok(api::Selection {
        location_id: location_id.to_owned(),
        contact_id: arguments.contact.clone().unwrap_or_default(),
        workspace: arguments.workspace.clone().unwrap_or_default(),
        against: against.into(),
        until,
        rules,
    })
}

fn line_of(replay: &api::ReplayState, output: &mut Output<'_>) -> Result<(), Problem> {
    output.answer(&api::GetReplayResponse { replay: Some(replay.clone()) })
}
