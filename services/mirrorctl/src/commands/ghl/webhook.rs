//! `webhook`: the secrets of a location's workflows.

use proto::source::v1 as api;

use crate::cli::{Connection, WebhookCommand};
use crate::output::table::Table;
use crate::output::{Output, format};
use crate::problem::Problem;

pub(crate) async fn execute(connection: &Connection, command: WebhookCommand, output: &mut Output<'_>) -> Result<(), Problem> {
    match command {
        WebhookCommand::Create => create(connection, output).await,
        WebhookCommand::List => list(connection, output).await,
        WebhookCommand::Revoke { secret_id } => revoke(connection, secret_id, output).await,
    }
}

async fn create(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::CreateWorkflowSecretRequest { location_id: connection.location_id() };
    let made = connection.source().await?.create_workflow_secret(request).await?.into_inner();
    if output.json {
        return output.answer(&made);
    }
    let secret_id = made.kept.map(|kept| kept.secret_id).unwrap_or_default();
    writeln!(output.out, "/webhooks/workflow/{}", made.secret)?;
    writeln!(output.out, "the path of secret {secret_id} at the poller's public address; it is not shown again")?;
    Ok(())
}

async fn list(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let secrets = connection.source().await?.list_workflow_secrets(api::ListWorkflowSecretsRequest {}).await?.into_inner().secrets;
    if output.json {
        return secrets.iter().try_for_each(|secret| output.answer(secret));
    }
    let mut table = Table::new(&["LOCATION", "SECRET", "CREATED", "REVOKED"]);
    for secret in &secrets {
        table.row([
            secret.location_id.clone(),
            secret.secret_id.clone(),
            format::second(secret.created_at.as_ref()),
            format::second(secret.revoked_at.as_ref()),
        ]);
    }
    Ok(table.write(output.out)?)
}

async fn revoke(connection: &Connection, secret_id: String, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::RevokeWorkflowSecretRequest { location_id: connection.location_id(), secret_id };
    let done = connection.source().await?.revoke_workflow_secret(request).await?.into_inner();
    if output.json {
        return output.answer(&done);
    }
    Ok(writeln!(output.out, "revoked")?)
}
