//! Creating, promoting and retiring workspaces: in the log first, then at the bridge, and again by the same call should one step have
//! been lost.

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
        Some(api::create_workspace_request::Rules::RulesText(text)) => Some(context.keep(text).await?.revision().clone()),
        Some(api::create_workspace_request::Rules::RulesRevision(revision)) => {
            let revision = domain::RulesRevision::from(revision.clone());
            let known = context.rules_texts().await.map_err(status_of_log)?.contains_key(&revision);
            Some(revision).filter(|_| known).map_or_else(
                || Err(Status::not_found("no rules of this revision are kept; give their text")),
                |revision| Ok(Some(revision)),
            )?
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

/// The live workspace, the one before.
type Pair = (api::Workspace, api::Workspace);

pub(crate) async fn promote(context: &Context, location_id: &LocationId, name: &str, who: &str) -> Result<Pair, Status> {
    let chosen = context.workspace(location_id, workspace_name(name)?.as_str()).await?;
    if chosen.role == Role::Live {
        // The step before was taken; whether the next one was is not known.
        let all = context.log.workspaces().list(location_id).await.map_err(status_of_log)?;
        let former = all.into_iter().find(|one| one.role == Role::Former);
        let former = former.ok_or_else(|| Status::failed_precondition("the workspace is live already"))?;
        return switched(context, chosen, former).await;
    }
    if chosen.role != Role::Shadow {
        return Err(Status::failed_precondition("only a shadow can be promoted; roll back to reach the former workspace"));
    }
    let (live, former) =
        context.log.workspaces().promote(location_id, &chosen.workspace, Role::Former, who).await.map_err(status_of_log)?;
    switched(context, live, former).await
}

pub(crate) async fn roll_back(context: &Context, location_id: &LocationId, who: &str) -> Result<Pair, Status> {
    let all = context.log.workspaces().list(location_id).await.map_err(status_of_log)?;
    let former = all.into_iter().find(|one| one.role == Role::Former);
    let former = former.ok_or_else(|| Status::failed_precondition("there is no former workspace to go back to"))?;
    let (live, shadow) =
        context.log.workspaces().promote(location_id, &former.workspace, Role::Shadow, who).await.map_err(status_of_log)?;
    switched(context, live, shadow).await
}

/// Whoever reads by the location's name reads the live workspace from now on.
async fn switched(context: &Context, live: Generation, other: Generation) -> Result<Pair, Status> {
    let alias = live.location_id.as_str();
    let pointed = if alias == live.workspace.as_str() {
        context.bridge.unpoint(alias).await
    } else {
        context.bridge.point(alias, &live.workspace).await
    };
    pointed.map_err(|error| status_of_bridge(&error))?;
    Ok((described(context, live).await?, described(context, other).await?))
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
    let mut described_all = Vec::with_capacity(all.len());
    for one in all {
        described_all.push(described(context, one).await?);
    }
    Ok(described_all)
}

async fn described(context: &Context, one: Generation) -> Result<api::Workspace, Status> {
    let objects = context.log.ledger().count(&one.location_id, &one.workspace).await.map_err(status_of_log)?;
    Ok(answers::workspace(one, objects))
}
