//! What each command does.

mod access;
mod contacts;
mod credentials;
mod erase;
mod ghl;
mod history;
mod log;
mod parked;
mod past;
mod replay;
mod services;
mod source;
mod status;
mod watch;
mod workspaces;

use std::io::Write;
use std::path::Path;

use clap::CommandFactory as _;
use serde_json::Value;

use crate::cli::{Cli, Command, Connection, Export, Keys, VerifyCommand};
use crate::problem::Problem;
use crate::style::Style;
use crate::table::printable;
use crate::words;

/// Where answers go, and in which form.
pub(crate) struct Output<'a> {
    pub(crate) out: &'a mut (dyn Write + Send),
    pub(crate) json: bool,
    pub(crate) style: Style,
}

impl Output<'_> {
    /// What a service answered, as a line of JSON.
    pub(crate) fn answer(&mut self, message: &impl proto::Name) -> Result<(), Problem> {
        let value = proto::json(message)?;
        self.line(&value)
    }

    pub(crate) fn line(&mut self, value: &Value) -> Result<(), Problem> {
        Ok(writeln!(self.out, "{value}")?)
    }

    /// A field before and after, for people.
    pub(crate) fn change(&self, field: &str, before_json: &str, after_json: &str) -> String {
        let [field, before, after] = [field, &words::cut(before_json), &words::cut(after_json)].map(printable);
        format!("{field}: {} → {}", self.style.gone(&before), self.style.new_text(&after))
    }
}

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
        Command::Diff(arguments) => past::diff(&connection, arguments, output).await.map_err(Problem::of_diff),
        Command::Export(Export::Location(arguments)) => past::export(&connection, arguments, output).await,
        Command::AccessLog(arguments) => access::list(&connection, &arguments, output).await,
        Command::Watch(arguments) => watch::watch(&connection, &arguments, output).await,
        Command::Parked { limit } => parked::list(&connection, limit, output).await,
        Command::Redrive(arguments) => parked::redrive(&connection, arguments, output).await,
        Command::Credentials(command) => credentials::credentials(&connection, &command, output).await,
        Command::Ghl(arguments) => ghl::ghl(&connection, arguments, output).await,
        Command::Budget => source::budget(&connection, output).await,
        Command::Coverage => source::coverage(&connection, output).await,
        Command::Verify(VerifyCommand::Source(arguments)) => source::verify(&connection, arguments, output).await.map_err(Problem::of_diff),
        Command::Pause(arguments) => services::pause(&connection, &arguments.services, output).await,
        Command::Resume(arguments) => services::resume(&connection, &arguments.services, output).await,
        Command::Drain(arguments) => services::drain(&connection, &arguments, output).await,
        Command::Erase(arguments) => erase::erase(&connection, arguments, output).await,
        Command::Erasure { contact_id } => erase::show(&connection, contact_id, output).await,
        Command::LiftErasure { contact_id } => erase::lift(&connection, contact_id, output).await,
        Command::Keys(Keys::Rotate) => erase::rotate(&connection, output).await,
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

/// How many rows to ask for: the other side's own page, or what is still wanted where that is less.
fn page_size(wanted: usize) -> u32 {
    const THEIRS: u32 = 0;
    match u32::try_from(wanted) {
        Ok(wanted) if wanted < 50 => wanted,
        Ok(_) | Err(_) => THEIRS,
    }
}

/// What is in a file that was named.
fn text_of(file: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|error| Problem::Usage(format!("cannot read {}: {error}", file.display())))
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
