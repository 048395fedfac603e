//! `workspace`: generations of a location's content.

use proto::replay::v1 as api;

use crate::cli::Connection;
use crate::cli::replay::WorkspaceCommand;
use crate::commands::files::text_of;
use crate::output::table::{Table, printable};
use crate::output::{Output, format};
use crate::problem::Problem;
use crate::prompt::confirm;

pub(crate) async fn execute(connection: &Connection, command: WorkspaceCommand, output: &mut Output<'_>) -> Result<(), Problem> {
    let location_id = connection.location_id();
    match command {
        WorkspaceCommand::List => list(connection, output).await,
        WorkspaceCommand::Create { workspace, rules_file, rules_revision } => {
            use api::create_workspace_request::Rules;
            let rules = match (rules_file, rules_revision) {
                (Some(file), _) => Some(Rules::RulesText(text_of(&file)?)),
                (None, Some(revision)) => Some(Rules::RulesRevision(revision)),
                (None, None) => None,
            };
            let request = api::CreateWorkspaceRequest { location_id, workspace, rules, who: connection.who() };
            let created = connection.replay().await?.create_workspace(request).await?.into_inner().workspace;
            show(&[("created", created)], output)
        }
        WorkspaceCommand::Promote(which) => {
            if !which.yes {
                confirm(&format!("Make {} the live workspace?", printable(&which.workspace)))?;
            }
            let request = api::PromoteWorkspaceRequest { location_id, workspace: which.workspace, who: connection.who() };
            let answer = connection.replay().await?.promote_workspace(request).await?.into_inner();
            show(&[("live", answer.live), ("former", answer.former)], output)
        }
        WorkspaceCommand::Rollback => {
            let request = api::RollBackWorkspaceRequest { location_id, who: connection.who() };
            let answer = connection.replay().await?.roll_back_workspace(request).await?.into_inner();
            show(&[("live", answer.live), ("shadow", answer.shadow)], output)
        }
        WorkspaceCommand::Retire(which) => {
            if !which.yes {
                confirm(&format!("Delete {} with everything in it?", printable(&which.workspace)))?;
            }
            let request = api::RetireWorkspaceRequest { location_id, workspace: which.workspace, who: connection.who() };
            let retired = connection.replay().await?.retire_workspace(request).await?.into_inner().workspace;
            show(&[("retired", retired)], output)
        }
    }
}

async fn list(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::ListWorkspacesRequest { location_id: connection.location_id() };
    let workspaces = connection.replay().await?.list_workspaces(request).await?.into_inner().workspaces;
    if output.json {
        return workspaces.iter().try_for_each(|workspace| output.answer(workspace));
    }
    let mut table = Table::new(&["LOCATION", "WORKSPACE", "ROLE", ">OBJECTS", "RULES", ">SINCE EVENT", "CREATED"]);
    for workspace in &workspaces {
        table.row([
            workspace.location_id.clone(),
            workspace.workspace.clone(),
            format::enumerated(workspace.role().as_str_name(), "WORKSPACE_ROLE_"),
            format::grouped(workspace.objects),
            if workspace.rules_revision.is_empty() { "the mapper's".to_owned() } else { workspace.rules_revision.clone() },
            workspace.created_seq.to_string(),
            format::second(workspace.created_at.as_ref()),
        ]);
    }
    Ok(table.write(output.out)?)
}

/// Shows what became of each workspace.
fn show(changed: &[(&str, Option<api::Workspace>)], output: &mut Output<'_>) -> Result<(), Problem> {
    for (what, workspace) in changed {
        let Some(workspace) = workspace else { continue };
        if output.json {
            output.answer(workspace)?;
        } else {
            writeln!(output.out, "{}: {what}", printable(&workspace.workspace))?;
        }
    }
    Ok(())
}
