//! Creating, promoting and retiring workspaces: in the log and at the bridge. The same call again completes what was interrupted.

use domain::LocationId;
use eventlog::{Generation, Role};
use proto::replay::v1 as api;
use tonic::Status;

use super::answers;
use super::target::workspace_name;
use crate::api::request::operator;
use crate::replay::Context;
use crate::status::{status_of_bridge, status_of_log};

pub(crate) async fn create(context: &Context, request: api::CreateWorkspaceRequest) -> Result<api::Workspace, Status> {
    let location_id = context.location(&request.location_id).await?;
    let name = match request.workspace.as_str() {
        "" => format!("shadow-{}", uuid::Uuid::new_v4().simple()),
        name => name.to_owned(),
    };
    let workspace = workspace_name(&name)?;
    let rules = match &request.rules {
        Some(api::create_workspace_request::Rules::RulesText(text)) => Some(context.keep_rules(text).await?.revision().clone()),
        Some(api::create_workspace_request::Rules::RulesRevision(revision)) => {
            Some(context.rules_named(&domain::RulesRevision::from(revision.clone())).await?.revision().clone())
        }
        None => context.workspace(&location_id, "").await?.rules,
    };
    context.bridge.create(&workspace).await.map_err(|error| status_of_bridge(&error))?;
    let created = context.log.workspaces().create(&location_id, &workspace, rules.as_ref(), operator(&request.who)).await;
    let created = created.map_err(|error| {
        if error.is_taken() {
            Status::already_exists("a workspace of this name was created before; choose another")
        } else {
            status_of_log(error)
        }
    })?;
    Ok(answers::workspace(created, 0))
}

/// The live workspace, and the one that was live before.
type Pair = (api::Workspace, api::Workspace);

pub(crate) async fn promote(context: &Context, location_id: &LocationId, name: &str, who: &str) -> Result<Pair, Status> {
    let chosen = context.workspace(location_id, workspace_name(name)?.as_str()).await?;
    if chosen.role == Role::Live {
        // An earlier call changed the log; whether it reached the bridge is not known.
        let all = context.log.workspaces().list(location_id).await.map_err(status_of_log)?;
        let former = all.into_iter().find(|one| one.role == Role::Former);
        let former = former.ok_or_else(|| Status::failed_precondition("the workspace is live already"))?;
        return point_alias(context, chosen, former).await;
    }
    if chosen.role != Role::Shadow {
        return Err(Status::failed_precondition("only a shadow can be promoted; roll back to reach the former workspace"));
    }
    let (live, former) =
        context.log.workspaces().promote(location_id, &chosen.workspace, Role::Former, who).await.map_err(status_of_log)?;
    point_alias(context, live, former).await
}

pub(crate) async fn roll_back(context: &Context, location_id: &LocationId, who: &str) -> Result<Pair, Status> {
    let all = context.log.workspaces().list(location_id).await.map_err(status_of_log)?;
    let former = all.into_iter().find(|one| one.role == Role::Former);
    let former = former.ok_or_else(|| Status::failed_precondition("there is no former workspace to go back to"))?;
    let (live, shadow) =
        context.log.workspaces().promote(location_id, &former.workspace, Role::Shadow, who).await.map_err(status_of_log)?;
    point_alias(context, live, shadow).await
}

/// Points the alias of the location at its live workspace: those who read by the location's name read that one from now on.
async fn point_alias(context: &Context, live: Generation, other: Generation) -> Result<Pair, Status> {
    let alias = live.location_id.as_str();
    let pointed = if alias == live.workspace.as_str() {
        context.bridge.remove_alias(alias).await
    } else {
        context.bridge.point_alias(alias, &live.workspace).await
    };
    pointed.map_err(|error| status_of_bridge(&error))?;
    Ok((answer(context, live).await?, answer(context, other).await?))
}

pub(crate) async fn retire(context: &Context, location_id: &LocationId, name: &str, who: &str) -> Result<api::Workspace, Status> {
    let chosen = context.workspace(location_id, name).await?;
    let retired = context.log.workspaces().retire(location_id, &chosen.workspace, who).await.map_err(|error| {
        if matches!(error, eventlog::Error::AlreadyResolved) {
            Status::failed_precondition("the workspace is live; promote another one first")
        } else {
            status_of_log(error)
        }
    })?;
    match context.bridge.retire(&retired.workspace).await {
        Ok(_) | Err(pagico::Error::WorkspaceUnknown) => Ok(answers::workspace(retired, 0)),
        Err(error) => Err(status_of_bridge(&error)),
    }
}

pub(crate) async fn list(context: &Context, location_id: &LocationId) -> Result<Vec<api::Workspace>, Status> {
    let mut all = context.log.workspaces().list(location_id).await.map_err(status_of_log)?;
    all.sort_by_key(|one| one.role);
    let mut answered = Vec::with_capacity(all.len());
    for one in all {
        answered.push(answer(context, one).await?);
    }
    Ok(answered)
}

async fn answer(context: &Context, one: Generation) -> Result<api::Workspace, Status> {
    let objects = context.log.ledger().count(&one.location_id, &one.workspace).await.map_err(status_of_log)?;
    Ok(answers::workspace(one, objects))
}
