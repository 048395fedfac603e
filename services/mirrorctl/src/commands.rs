//! What each command does.

mod contacts;
mod log;
mod parked;
mod services;
mod status;
mod watch;

use std::io::Write;

use clap::CommandFactory as _;
use serde_json::Value;

use crate::cli::{Cli, Command, Connection};
use crate::problem::Problem;

/// Where answers go, and in which form.
pub(crate) struct Output<'a> {
    pub(crate) out: &'a mut (dyn Write + Send),
    pub(crate) json: bool,
}

impl Output<'_> {
    pub(crate) fn line(&mut self, value: &Value) -> Result<(), Problem> {
        Ok(writeln!(self.out, "{value}")?)
    }
}

pub(crate) async fn execute(cli: Cli, out: &mut (dyn Write + Send)) -> Result<(), Problem> {
    let Cli { connection, json, command } = cli;
    let output = &mut Output { out, json };
    match command {
        Command::Status => status::status(&connection, output).await,
        Command::Contacts(arguments) => contacts::list(&connection, &arguments, output).await,
        Command::Contact { contact_id } => contacts::one(&connection, contact_id, output).await,
        Command::History(arguments) => contacts::history(&connection, &arguments, output).await,
        Command::Watch(arguments) => watch::watch(&connection, &arguments, output).await,
        Command::Parked { limit } => parked::list(&connection, limit, output).await,
        Command::Redrive(arguments) => parked::redrive(&connection, arguments, output).await,
        Command::Pause(arguments) => services::pause(&connection, &arguments.services, output).await,
        Command::Resume(arguments) => services::resume(&connection, &arguments.services, output).await,
        Command::Drain(arguments) => services::drain(&connection, &arguments, output).await,
        Command::Log(command) => log::execute(&connection, command, output).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "mirrorctl", &mut script);
            Ok(output.out.write_all(&script)?)
        }
    }
}

/// How many rows to ask for: the other side's own page, or what is still wanted where that is less.
fn page_size(wanted: usize) -> u32 {
    const THEIRS: u32 = 0;
    match u32::try_from(wanted) {
        Ok(wanted) if wanted < 50 => wanted,
        Ok(_) | Err(_) => THEIRS,
    }
}

/// Several things were asked for: each failure was told of, the first one gives the exit code.
fn all_or(asked: usize, failures: &[Problem]) -> Result<(), Problem> {
    match failures.first() {
        None => Ok(()),
        Some(first) => Err(Problem::Some { failed: failures.len(), asked, exit_code: first.exit_code() }),
    }
}

impl Connection {
    pub(crate) fn location_id(&self) -> String {
        self.location.clone()
    }
}
