//! `log`: proof that the log is what was written.

mod checkpoints;
mod transfer;
mod verify;

use crate::cli::{Connection, LogCommand};
use crate::output::Output;
use crate::problem::Problem;

pub(crate) async fn execute(connection: &Connection, command: LogCommand, output: &mut Output<'_>) -> Result<(), Problem> {
    match command {
        LogCommand::Verify(arguments) => verify::verify(connection, &arguments, output).await,
        LogCommand::Checkpoints => checkpoints::checkpoints(connection, output).await,
        LogCommand::Export(arguments) => transfer::export(connection, &arguments, output).await,
        LogCommand::Import(arguments) => transfer::import(connection, &arguments, output).await,
        LogCommand::Key => checkpoints::key(connection, output).await,
    }
}
