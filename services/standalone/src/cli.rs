//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use url::Url;

/// Mirrors GoHighLevel into Pagico's workspace, everything in one process.
#[derive(Debug, Parser)]
#[command(name = "standalone", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    stopped as asked; with --until-in-sync: the workspace equals GHL
  1    something failed while running; one line says what; of doctor: something is broken
  2    the command line is wrong, or there is no terminal to ask on
  3    the deadline of --until-in-sync passed; the differences are listed
  4    of init: GHL does not accept the token or the location, or a scope is missing without which nothing can be mirrored
  5    of init: nothing was written: a file exists already, or the answer was no
  64   the settings have mistakes; all of them are listed
  69   a port is taken, a program is missing, the data directory is in use, or GHL does not answer
  130  interrupted before --until-in-sync was fulfilled";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how it works: a simulated GHL with an agency's contacts, a backfill, then live changes.
    #[command(after_help = EXIT_CODES)]
    Demo(DemoArgs),
    /// Begin: try out a location's token, say what is missing, how large it is and how long the first reading takes, and write the settings.
    #[command(after_help = EXIT_CODES)]
    Init(InitArgs),
    /// Mirror real locations on this machine, with embedded or external servers.
    #[command(after_help = EXIT_CODES)]
    Up(UpArgs),
    /// Try out everything the mirror needs: token, scopes, clocks, servers, services, disk, webhook; and compare some contacts with GHL.
    #[command(after_help = EXIT_CODES)]
    Doctor(DoctorArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DoctorArgs {
    /// The settings file that `up` runs with
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Print a JSON object on each line: state (ok, warning or broken), what, says, cure
    #[arg(long)]
    pub(crate) json: bool,
    /// The address that GHL's webhooks are sent to, instead of `doctor.webhook_url`
    #[arg(long, value_name = "URL")]
    pub(crate) webhook_url: Option<Url>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// End as soon as the workspace equals GHL, object by object
    #[arg(long)]
    pub(crate) until_in_sync: bool,
    /// How long --until-in-sync waits at most, such as 90s or 10m
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(crate) deadline: Duration,
    /// Print the summary as one line of JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// The data directory; the next start continues from there
    #[arg(long, value_name = "DIRECTORY", default_value = ".local/demo")]
    pub(crate) data: PathBuf,
    /// First remove what an earlier demo left in the data directory
    #[arg(long)]
    pub(crate) fresh: bool,
    /// How many contacts the agency has at the beginning
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) contacts: u32,
    /// How many live changes follow the backfill
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) changes: u32,
    /// The same seed plays the same story
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The block of ports: 7200 moves 7101 to 7201, and so on
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1024..=65_000))]
    pub(crate) ports: Option<u16>,
    /// A file with settings that differ from the defaults
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct UpArgs {
    /// A file with settings that differ from the defaults; it must name a location
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Print the settings in force, with secrets hidden, and exit
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct InitArgs {
    /// The GHL location; asked for on a terminal when it is not given
    #[arg(long, value_name = "ID")]
    pub(crate) location: Option<String>,
    /// A file with the token of a private integration, or - for standard input; asked for unseen when it is not given
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The settings file to write; the token is written beside it as ghl-token
    #[arg(long, value_name = "FILE", default_value = "mirror.toml")]
    pub(crate) config: PathBuf,
    /// The data directory; by default `data` beside the settings file
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data: Option<PathBuf>,
    /// Write without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Overwrite a settings file and a token that are there
    #[arg(long)]
    pub(crate) force: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "must be a number and a unit, such as 90s".to_owned())?;
    match unit {
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        _ => Err("the unit must be s, m or h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{CommandFactory, Parser};

    use super::{Cli, Command, duration};

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["standalone", "demo", "--until-in-sync", "--json", "--deadline", "2m"]).expect("parsed");
        assert!(matches!(cli.command, Command::Demo(args) if args.until_in_sync && args.json && args.deadline == Duration::from_secs(120)));
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert!(duration("soon").is_err());
        assert!(duration("5d").is_err());
    }
}
