//! Whether a stored plan is still current, and what has moved if it is not.

use std::collections::BTreeSet;

use domain::replay::{Tally, Terms};
use eventlog::{Plan, Role, Totals};
use tonic::Status;

use crate::replay::Context;
use crate::replay::planning::Planning;
use crate::status::{status_of_log, status_of_planning};

/// How many events after the plan's head are read, and how many contacts are named.
const EVENTS_MAX: u32 = 2_000;
const NAMED_MAX: usize = 5;

/// The selection of a plan as its hash covers it.
pub(crate) fn selection(plan: &Plan) -> String {
    let contact = plan.contact_id.as_ref().map(ToString::to_string);
    format!("contact {contact:?} bounded {} present {} edition {}", plan.bounded, plan.present, plan.edition)
}

pub(crate) fn hash(plan: &Plan, tally: &Tally) -> domain::Hash {
    let Plan { location_id, workspace, rules, head, .. } = plan;
    tally.hash(Terms { location_id, workspace, rules, head: *head, selection: &selection(plan) })
}

/// The plan with the totals of now, when applying it does what was reviewed.
///
/// # Errors
/// `FAILED_PRECONDITION` names what has moved since it was made.
pub(crate) async fn ensure_current(context: &Context, plan: Plan, accept_newer: bool) -> Result<Plan, Status> {
    ensure_same_workspace(context, &plan).await?;
    let known = context.log.chain().hash_at(&plan.location_id, plan.head.0).await;
    let same_log = match known {
        Ok(hash) => hash == plan.head.1,
        Err(eventlog::Error::NotFound) => false,
        Err(error) => return Err(status_of_log(error)),
    };
    if !same_log {
        let head = plan.head.0;
        return Err(stale(&format!("the log was replaced: position {head} no longer holds the event that the plan was made from")));
    }
    let tally = plan_again(context, &plan).await?;
    let now = Totals::from(&tally);
    let needs_no_more = now.puts <= plan.totals.puts && now.removes <= plan.totals.removes;
    if hash(&plan, &tally) != plan.hash && !(accept_newer && needs_no_more) {
        return Err(stale(&describe_newer(context, &plan, &now).await?));
    }
    Ok(Plan { totals: now, ..plan })
}

async fn ensure_same_workspace(context: &Context, plan: &Plan) -> Result<(), Status> {
    let name = &plan.workspace;
    let found = context.workspace(&plan.location_id, name.as_str()).await?;
    if found.role == Role::Retired {
        return Err(stale(&format!("the workspace {name} was retired")));
    }
    let rules = context.rules_of(&found).await?;
    if rules.is_of_other_mapping(&plan.rules) {
        return Err(stale("the admin service has another version of the mapping than the plan was made with"));
    }
    if rules != plan.rules_then || found.edition != plan.edition {
        return Err(stale(&format!("the rules of workspace {name} moved from {} to {rules}", plan.rules_then)));
    }
    Ok(())
}

/// Plans the same again, up to the same position.
async fn plan_again(context: &Context, plan: &Plan) -> Result<Tally, Status> {
    let texts = context.rules_texts().await.map_err(status_of_log)?;
    let unknown = || Status::failed_precondition(format!("the rules {} are no longer kept; give their text and plan again", plan.rules));
    let rules = texts.get(&plan.rules).cloned().ok_or_else(unknown)?;
    let request = context.planning_request(plan, rules, texts);
    Planning::start(&context.log, request).finish().await.map_err(status_of_planning)
}

/// What came since, for the person who applies the plan.
async fn describe_newer(context: &Context, plan: &Plan, now: &Totals) -> Result<String, Status> {
    let events = context.log.read(&plan.location_id, plan.head.0, EVENTS_MAX).await.map_err(status_of_log)?;
    let of_records = events.iter().filter(|event| event.record.is_some());
    let mine = of_records.filter(|event| plan.contact_id.is_none() || event.contact_id == plan.contact_id);
    let (mut positions, mut contacts) = (Vec::new(), BTreeSet::new());
    for event in mine {
        positions.push(event.seq);
        contacts.extend(event.contact_id.as_ref().map(ToString::to_string));
    }
    let was = format!("planned {} to write and {} to remove, now {} and {}", plan.totals.puts, plan.totals.removes, now.puts, now.removes);
    let (Some(first), Some(last)) = (positions.first(), positions.last()) else {
        return Ok(format!("what the workspace {} holds has moved ({was})", plan.workspace));
    };
    let more = if contacts.len() > NAMED_MAX { format!(" and {} more", contacts.len() - NAMED_MAX) } else { String::new() };
    let named: Vec<String> = contacts.into_iter().take(NAMED_MAX).collect();
    Ok(format!(
        "the log has moved: {} changes at positions {first} to {last} of contacts {}{more} ({was}); they are newer, accept them to go on",
        positions.len(),
        named.join(", ")
    ))
}

fn stale(moved: &str) -> Status {
    Status::failed_precondition(format!("the plan is stale: {moved}; or plan again"))
}
