//! What each command does, by group: how far the mirror is, what needs a person, what happened, GHL, the services, erasing, the log, replays.

mod alerts;
mod audit;
mod erasure;
mod files;
mod ghl;
mod log;
mod pages;
mod replay;
mod services;
mod sync;

use std::io::Write;

use clap::CommandFactory as _;

use self::audit::{access, history, past, watch};
use self::ghl::{budget, credentials, location, operations, resync, verify, webhook};
use self::replay::workspaces;
use self::sync::{contacts, parked, status};
use crate::cli::{Cli, Command, Export, Keys, VerifyCommand};
use crate::output::Output;
use crate::output::colour::Style;
use crate::problem::Problem;

pub(crate) async fn execute(cli: Cli, style: Style, out: &mut (dyn Write + Send)) -> Result<(), Problem> {
    let Cli { connection, json, command } = cli;
    let output = &mut Output { out, json, style };
    match command {
        Command::Status => status::status(&connection, output).await,
        Command::Contacts(arguments) => contacts::list(&connection, &arguments, output).await,
        Command::Contact { contact_id } => contacts::one(&connection, contact_id, output).await,
        Command::History(arguments) => history::history(&connection, &arguments, output).await,
        Command::Blame(arguments) => past::blame(&connection, &arguments, output).await,
        Command::AsOf(arguments) => past::as_of(&connection, arguments, output).await,
        Command::Diff(arguments) => past::diff(&connection, arguments, output).await.map_err(Problem::of_comparison),
        Command::Export(Export::Location(arguments)) => past::export(&connection, arguments, output).await,
        Command::AccessLog(arguments) => access::list(&connection, &arguments, output).await,
        Command::Watch(arguments) => watch::watch(&connection, &arguments, output).await,
        Command::Parked { limit } => parked::list(&connection, limit, output).await,
        Command::Redrive(arguments) => parked::redrive(&connection, arguments, output).await,
        Command::Alerts(arguments) => alerts::execute(&connection, arguments, output).await,
        Command::Credentials(command) => credentials::credentials(&connection, &command, output).await,
        Command::Webhook(command) => webhook::execute(&connection, command, output).await,
        Command::Ghl(arguments) => operations::ghl(&connection, arguments, output).await,
        Command::Budget => budget::budget(&connection, output).await,
        Command::Coverage => budget::coverage(&connection, output).await,
        Command::Resync(arguments) => resync::resync(&connection, arguments, output).await,
        Command::Release => budget::release(&connection, output).await,
        Command::Location(command) => location::execute(&connection, command, output).await,
        Command::Verify(VerifyCommand::Source(arguments)) => {
            verify::verify(&connection, arguments, output).await.map_err(Problem::of_comparison)
        }
        Command::Pause(arguments) => services::pause(&connection, &arguments.services, output).await,
        Command::Resume(arguments) => services::resume(&connection, &arguments.services, output).await,
        Command::Drain(arguments) => services::drain(&connection, &arguments, output).await,
        Command::Erase(arguments) => erasure::erase(&connection, arguments, output).await,
        Command::Erasure { contact_id } => erasure::status(&connection, contact_id, output).await,
        Command::LiftErasure { contact_id } => erasure::lift(&connection, contact_id, output).await,
        Command::Keys(Keys::Rotate) => erasure::rotate(&connection, output).await,
        Command::Log(command) => log::execute(&connection, command, output).await,
        Command::Replay(command) => replay::execute(&connection, command, output).await,
        Command::Workspace(command) => workspaces::execute(&connection, command, output).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "mirrorctl", &mut script);
            Ok(output.out.write_all(&script)?)
        }
    }
}
