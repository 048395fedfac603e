//! Is typed: the command line over the admin API and the services' control; tables for people, one JSON object a line for programs.
//!
//! Knows neither the log nor the bus; everything it shows, a service answered.

mod cli;
mod commands;
mod json;
mod link;
mod problem;
mod progress;
mod table;
mod words;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser as _;

pub use cli::{Cli, Command};
use problem::Problem;

/// A whole `main`: the answer goes to standard output, what went wrong to standard error.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::from(run_into(arguments, &mut std::io::stdout(), &mut std::io::stderr()).await)
}

/// The same into given writers; gives the exit code that `--help` documents.
pub async fn run_into(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut (dyn Write + Send),
    complaints: &mut (dyn Write + Send),
) -> u8 {
    let outcome = match Cli::try_parse_from(arguments) {
        Ok(cli) => commands::execute(cli, out).await,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            drop(if error.use_stderr() { write!(complaints, "{}", error.render()) } else { write!(out, "{}", error.render()) });
            return u8::try_from(error.exit_code()).unwrap_or(problem::USAGE);
        }
    };
    match outcome.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => 0,
        // Whoever read along has seen enough.
        Err(Problem::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(problem) => {
            drop(writeln!(complaints, "mirrorctl: {problem}"));
            problem.exit_code()
        }
    }
}
