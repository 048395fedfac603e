//! Is typed: the command line over the admin API and the services' control; tables for people, one JSON object on each line for programs.
//!
//! Knows neither the log nor the bus: whatever it shows, a service has answered.

mod cli;
mod commands;
mod connection;
mod output;
mod problem;
mod prompt;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use clap::Parser as _;

use cli::Cli;
use output::colour::Style;
use problem::Problem;

/// All of `main`: answers go to standard output, errors to standard error.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let variable = |name| std::env::var(name).ok();
    let style = Style::new(std::io::stdout().is_terminal(), variable("NO_COLOR").as_deref(), variable("TERM").as_deref());
    ExitCode::from(run_styled(arguments, style, &mut std::io::stdout(), &mut std::io::stderr()).await)
}

/// Runs a command without colours and writes to the given writers; returns an exit code that `--help` lists.
pub async fn run_into(arguments: impl IntoIterator<Item = OsString>, out: &mut (dyn Write + Send), errors: &mut (dyn Write + Send)) -> u8 {
    run_styled(arguments, Style::default(), out, errors).await
}

async fn run_styled(
    arguments: impl IntoIterator<Item = OsString>,
    style: Style,
    out: &mut (dyn Write + Send),
    errors: &mut (dyn Write + Send),
) -> u8 {
    let outcome = match Cli::try_parse_from(arguments) {
        Ok(cli) => commands::execute(cli, style, out).await,
        Err(error) => {
            // If even this cannot be written, nothing is left to do.
            drop(if error.use_stderr() { write!(errors, "{}", error.render()) } else { write!(out, "{}", error.render()) });
            return u8::try_from(error.exit_code()).unwrap_or(problem::USAGE);
        }
    };
    let flushed = out.flush().map_err(Problem::from);
    match outcome.and(flushed) {
        Ok(()) => 0,
        // The reader has closed the pipe: it has seen enough.
        Err(Problem::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(Problem::Different) => problem::DIFFERENT,
        Err(Problem::Reported(exit_code)) => exit_code,
        Err(problem) => {
            drop(writeln!(errors, "mirrorctl: {problem}"));
            problem.exit_code()
        }
    }
}
