//! `location`: which locations are mirrored.

use std::io::Read as _;
use std::path::Path;

use proto::source::v1 as api;

use crate::cli::{Connection, LocationAddArgs, LocationArgs, LocationCommand};
use crate::commands::files::text_of;
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
