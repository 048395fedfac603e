//! `credentials`: where the marketplace app is installed.

use proto::source::v1 as api;

use crate::cli::{Connection, CredentialsCommand};
use crate::commands::erasure;
use crate::output::table::Table;
use crate::output::{Output, format};
use crate::problem::Problem;

pub(crate) async fn credentials(connection: &Connection, command: &CredentialsCommand, output: &mut Output<'_>) -> Result<(), Problem> {
    match command {
        CredentialsCommand::List => list(connection, output).await,
        CredentialsCommand::RotateKek => erasure::rotate(connection, output).await,
    }
}

async fn list(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut source = connection.source().await?;
    let credentials = source.list_credentials(api::ListCredentialsRequest {}).await?.into_inner().credentials;
    if output.json {
        return credentials.iter().try_for_each(|credential| output.answer(credential));
    }
    if credentials.is_empty() {
        writeln!(output.out, "the app is not installed anywhere; open /oauth/start of the poller to install it")?;
        return Ok(());
    }
    let mut table = Table::new(&["LOCATION", "AGENCY", "STATE", "GRANTED", "EXPIRES", "KEY", "TO DO"]);
    for credential in &credentials {
        table.row([
            format::or_dash(&credential.location_id),
            format::or_dash(&credential.company_id),
            credential.state.clone(),
            format::second(credential.granted_at.as_ref()),
            format::second(credential.expires_at.as_ref()),
            format::or_dash(&credential.kek_id),
            format::or_dash(&credential.problem),
        ]);
    }
    Ok(table.write(output.out)?)
}
