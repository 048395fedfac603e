//! `replay verify`: whether a workspace holds what the log says.

use proto::replay::v1 as api;
use proto::replay::v1::verify_replay_response::Part;

use super::selection::locations;
use crate::cli::Connection;
use crate::cli::replay::VerifyArgs;
use crate::output::table::printable;
use crate::output::{Output, format, progress};
use crate::problem::Problem;

pub(super) async fn verify(connection: &Connection, arguments: VerifyArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut equal = true;
    for location_id in locations(connection, arguments.all_locations).await.map_err(Problem::of_comparison)? {
        let result = compare(connection, location_id, &arguments, output).await.map_err(Problem::of_comparison)?;
        equal &= result.equal || result.contacts_differing == 0;
    }
    if equal { Ok(()) } else { Err(Problem::Different) }
}

async fn compare(
    connection: &Connection,
    location_id: String,
    arguments: &VerifyArgs,
    output: &mut Output<'_>,
) -> Result<api::VerifyResult, Problem> {
    let request = api::VerifyReplayRequest {
        location_id: location_id.clone(),
        workspace: arguments.workspace.clone(),
        contact_id: arguments.contact.clone(),
        contacts_max: arguments.contacts,
    };
    let mut parts = connection.without_deadline().replay().await?.verify_replay(request).await?.into_inner();
    let bar = progress::bar(0);
    let mut result = None;
    while let Some(message) = parts.message().await? {
        if output.json && matches!(message.part, Some(Part::Difference(_) | Part::Result(_))) {
            output.answer(&message)?;
        }
        match message.part {
            Some(Part::Difference(_)) if output.json => {}
            Some(Part::Progress(progress)) => {
                bar.set_length(progress.contacts_total);
                bar.set_position(progress.contacts);
            }
            Some(Part::Difference(difference)) => bar.suspend(|| show(&difference, arguments.full, output))?,
            Some(Part::Result(last)) => result = Some(last),
            None => {}
        }
    }
    bar.finish_and_clear();
    let result = result.ok_or_else(|| tonic::Status::unavailable("the comparison ended early; verify again"))?;
    if !output.json {
        show_result(&result, &location_id, output)?;
    }
    Ok(result)
}

fn show(difference: &api::Difference, full: bool, output: &mut Output<'_>) -> Result<(), Problem> {
    let problem = match difference.problem.as_str() {
        "missing" => "is in the log, not in the workspace",
        "extra" => "is in the workspace, not in the log",
        "outdated" => "was written by another version of the mapping",
        _ => "differs",
    };
    let what = format!("{} {} {problem}", difference.kind, printable(&difference.object));
    let cause = if difference.cause_seq > 0 { format!(" (event {})", difference.cause_seq) } else { String::new() };
    let style = output.style;
    writeln!(output.out, "contact {}: {}{cause}", printable(&difference.contact_id), style.gone(&what))?;
    for change in &difference.changes {
        let value = |json: &str| printable(&if full && !json.is_empty() { json.to_owned() } else { format::shortened(json) });
        let (has, says) = (value(&change.before_json), value(&change.after_json));
        writeln!(output.out, "      {}: the workspace has {has}, the log says {says}", printable(&change.field))?;
    }
    Ok(())
}

fn show_result(result: &api::VerifyResult, location_id: &str, output: &mut Output<'_>) -> Result<(), Problem> {
    let style = output.style;
    let compared = format!(
        "workspace {} and the log up to event {}: {} contacts, {} objects compared",
        printable(&result.workspace),
        result.head_seq,
        format::grouped(result.contacts),
        format::grouped(result.objects)
    );
    if result.unreadable > 0 {
        let warning = format!("{} events cannot be read; what came before them was compared.", format::grouped(result.unreadable));
        writeln!(output.out, "{}", style.changed(&warning))?;
    }
    if result.equal {
        return Ok(writeln!(output.out, "{}: {compared}, root {}", style.new_text("equal"), result.log_root)?);
    }
    let location = if location_id.is_empty() { String::new() } else { format!("--location {} ", printable(location_id)) };
    if result.contacts_outdated > 0 {
        let outdated = format!(
            "Contacts that another version of the mapping has written: {}. Write them again: mirrorctl {location}replay apply --workspace {}",
            format::grouped(result.contacts_outdated),
            printable(&result.workspace)
        );
        writeln!(output.out, "{}", style.changed(&outdated))?;
    }
    if result.contacts_differing == 0 {
        return Ok(writeln!(output.out, "{}: {compared}, no other differences", style.changed("outdated"))?);
    }
    let differing = format::grouped(result.contacts_differing);
    writeln!(output.out, "{}: {compared}, {differing} contacts differ", style.gone("different"))?;
    writeln!(output.out, "root of the log        {}", result.log_root)?;
    writeln!(output.out, "root of the workspace  {}", result.workspace_root)?;
    Ok(writeln!(output.out, "Repair it: mirrorctl {location}replay apply --against live --workspace {}", printable(&result.workspace))?)
}
