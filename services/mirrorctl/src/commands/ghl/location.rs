//! `location`: which locations are mirrored.

use std::io::Read as _;
use std::path::Path;

use proto::erasure::v1 as erasure_api;
use proto::source::v1 as api;

use crate::cli::{Connection, LocationAddArgs, LocationArgs, LocationCommand, LocationPurgeArgs};
use crate::commands::files::text_of;
use crate::output::progress::bar;
use crate::output::table::{Table, printable};
use crate::output::{Output, format};
use crate::problem::Problem;

/// The longest token file that is read, in bytes.
const TOKEN_BYTES_MAX: u64 = 4096;

pub(crate) async fn execute(connection: &Connection, command: LocationCommand, output: &mut Output<'_>) -> Result<(), Problem> {
    match command {
        LocationCommand::List => list(connection, output).await,
        LocationCommand::Add(arguments) => add(connection, arguments, output).await,
        LocationCommand::Pause(arguments) => pause(connection, arguments, output).await,
        LocationCommand::Resume(arguments) => resume(connection, arguments, output).await,
        LocationCommand::Retire(arguments) => retire(connection, arguments, output).await,
        LocationCommand::Purge(arguments) => purge(connection, arguments, output).await,
    }
}

async fn list(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let locations = connection.source().await?.list_locations(api::ListLocationsRequest {}).await?.into_inner().locations;
    if output.json {
        return locations.iter().try_for_each(|location| output.answer(location));
    }
    if locations.is_empty() {
        return Ok(writeln!(output.out, "no location is mirrored yet; see `mirrorctl location add`")?);
    }
    let mut table = Table::new(&["LOCATION", "STATE", "SINCE", "TOKEN", "IN SETTINGS", "BY", "REASON"]);
    for location in &locations {
        table.row([
            location.location_id.clone(),
            location.state.clone(),
            format::second(location.since.as_ref()),
            format::or_dash(&location.token),
            if location.listed { "yes" } else { "no" }.to_owned(),
            format::or_dash(&location.who),
            format::or_dash(&location.reason),
        ]);
    }
    Ok(table.write(output.out)?)
}

async fn add(connection: &Connection, arguments: LocationAddArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let LocationAddArgs { ghl_token_file, why } = arguments;
    let token = ghl_token_file.as_deref().map(token_in).transpose()?.unwrap_or_default();
    let request = api::AddLocationRequest { location_id: named(connection)?, token, who: connection.who(), reason: why.reason };
    let added = connection.source().await?.add_location(request).await?.into_inner();
    if output.json {
        return output.answer(&added);
    }
    if !added.verdict.is_empty() {
        writeln!(output.out, "{}", printable(&added.verdict))?;
    }
    let next = match added.location.as_ref().map(|location| (location.state.as_str(), location.token.as_str())) {
        Some(("paused", _)) => "; `mirrorctl location resume` ends that",
        Some((_, "")) => {
            "; it has no token yet: install the app there by /oauth/start of the poller, or give a token with --ghl-token-file"
        }
        _ => "; `mirrorctl status` shows how far its first reading is",
    };
    show(added.location, next, output)
}

async fn pause(connection: &Connection, arguments: LocationArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::PauseLocationRequest { location_id: named(connection)?, who: connection.who(), reason: arguments.reason };
    let paused = connection.source().await?.pause_location(request).await?.into_inner();
    if output.json {
        return output.answer(&paused);
    }
    show(paused.location, "; GHL is asked nothing for it until `mirrorctl location resume`", output)
}

async fn resume(connection: &Connection, arguments: LocationArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::ResumeLocationRequest { location_id: named(connection)?, who: connection.who(), reason: arguments.reason };
    let resumed = connection.source().await?.resume_location(request).await?.into_inner();
    if output.json {
        return output.answer(&resumed);
    }
    show(resumed.location, "; a sweep finds what changed meanwhile", output)
}

async fn retire(connection: &Connection, arguments: LocationArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::RetireLocationRequest { location_id: named(connection)?, who: connection.who(), reason: arguments.reason };
    let retired = connection.source().await?.retire_location(request).await?.into_inner();
    if output.json {
        return output.answer(&retired);
    }
    show(retired.location, "; its token is destroyed, what was mirrored stays", output)
}

async fn purge(connection: &Connection, arguments: LocationPurgeArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let LocationPurgeArgs { confirm, reason, leave_plain_events } = arguments;
    let location_id = named(connection)?;
    if confirm != location_id {
        return Err(Problem::Usage("--confirm must be the id of the location again; nothing was purged".to_owned()));
    }
    let request = erasure_api::PurgeLocationRequest { location_id, confirm, reason, who: connection.who(), leave_plain_events };
    let mut answers = connection.without_deadline().erasure().await?.purge_location(request).await?.into_inner();
    let bar = bar(0);
    let mut last = erasure_api::PurgeLocationResponse::default();
    while let Some(progress) = answers.message().await? {
        if output.json {
            output.answer(&progress)?;
        } else {
            bar.set_length(progress.keys + progress.rows);
            bar.set_position(progress.keys + progress.rows);
        }
        last = progress;
    }
    bar.finish_and_clear();
    if !output.json {
        show_purge(&last, output)?;
    }
    match last.finished_at {
        Some(_) => Ok(()),
        None => Err(Problem::Unfinished("the purge is not finished and goes on by itself; the same command says how far it is".to_owned())),
    }
}

fn show_purge(purge: &erasure_api::PurgeLocationResponse, output: &mut Output<'_>) -> Result<(), Problem> {
    let name = printable(&purge.location_id);
    writeln!(output.out, "location {name}: its log ends at position {}, {}", purge.seq, format::second(purge.begun_at.as_ref()))?;
    writeln!(output.out, "  {} keys of contacts are destroyed, {} rows beside the log removed", purge.keys, purge.rows)?;
    if purge.plain_events > 0 {
        writeln!(output.out, "  {} events from before there was a key stay readable in the log", purge.plain_events)?;
    }
    if purge.log_left {
        writeln!(output.out, "  still to do: keys and rows in the log's database")?;
    }
    for workspace in &purge.workspaces_left {
        writeln!(output.out, "  still to do: workspace {}", printable(workspace))?;
    }
    if purge.bus_left {
        writeln!(output.out, "  still to do: messages on the bus")?;
    }
    if purge.finished_at.is_some() {
        writeln!(output.out, "  nothing is left to do")?;
    }
    Ok(())
}

/// The location, which has to be named: what changes one is never guessed.
fn named(connection: &Connection) -> Result<String, Problem> {
    match connection.location_id() {
        id if id.is_empty() => Err(Problem::Usage("name the location: --location ID; `mirrorctl location list` lists them".to_owned())),
        id => Ok(id),
    }
}

fn token_in(file: &Path) -> Result<String, Problem> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().take(TOKEN_BYTES_MAX).read_to_string(&mut text)?;
        text
    } else {
        text_of(file)?
    };
    match text.trim() {
        "" => Err(Problem::Usage(format!("there is no token in {}", file.display()))),
        token => Ok(token.to_owned()),
    }
}

fn show(location: Option<api::MirroredLocation>, next: &str, output: &mut Output<'_>) -> Result<(), Problem> {
    let location = location.unwrap_or_default();
    let since = format::second(location.since.as_ref());
    Ok(writeln!(output.out, "location {} is {} since {since}{next}", printable(&location.location_id), location.state)?)
}
