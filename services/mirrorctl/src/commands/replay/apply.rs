//! A plan, carried out.

use proto::replay::v1 as api;
use serde_json::json;

use super::{plan, state};
use crate::cli::Connection;
use crate::cli::replay::ApplyArgs;
use crate::output::table::printable;
use crate::output::{Output, format};
use crate::problem::{Problem, ok_if_all};
use crate::prompt::confirm;

/// Carries out exactly what was planned: the hash connects the two.
pub(super) async fn apply(connection: &Connection, arguments: &ApplyArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut plans = match &arguments.plan_hash {
        Some(hash) => vec![api::Plan { hash: hash.clone(), ..api::Plan::default() }],
        None => plan::make(connection, &arguments.selection, &arguments.shown, output).await?,
    };
    plans.retain(|plan| arguments.plan_hash.is_some() || !format::is_empty(plan));
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
        match start(connection, plan, arguments.accept_newer).await {
            Ok(replay) => replays.push(replay),
            Err(problem) if plans.len() == 1 => return Err(problem),
            // A location that is refused does not stop the others.
            Err(problem) => {
                refused(plan, &problem, output)?;
                failures.push(problem);
            }
        }
    }
    for replay in replays {
        let outcome = if arguments.detach { state::show(&replay, output) } else { state::follow(connection, replay, output).await };
        match outcome {
            Err(problem) if plans.len() == 1 => return Err(problem),
            outcome => failures.extend(outcome.err()),
        }
    }
    ok_if_all(plans.len(), &failures)
}

async fn start(connection: &Connection, plan: &api::Plan, accept_newer: bool) -> Result<api::ReplayState, Problem> {
    let request = api::ApplyReplayRequest { plan_hash: plan.hash.clone(), accept_newer, who: connection.who() };
    // The service plans again before it starts, which takes as long as planning.
    let answer = connection.without_deadline().replay().await?.apply_replay(request).await?.into_inner();
    Ok(answer.replay.unwrap_or_default())
}

/// Shows that one of several plans was not carried out.
fn refused(plan: &api::Plan, problem: &Problem, output: &mut Output<'_>) -> Result<(), Problem> {
    let location_id = plan.target.as_ref().map_or("", |target| &target.location_id);
    if output.json {
        return output.line(&json!({ "refused": { "locationId": location_id, "planHash": plan.hash, "reason": problem.to_string() } }));
    }
    let line = format!("location {} is not replayed: {}", printable(location_id), printable(&problem.to_string()));
    Ok(writeln!(output.out, "{}", output.style.gone(&line))?)
}
