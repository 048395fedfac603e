//! `verify source`: what GHL holds against what the log says.

use proto::source::v1 as api;

use crate::cli::{Connection, VerifySourceArgs};
use crate::output::Output;
use crate::output::table::printable;
use crate::problem::Problem;

/// Exit code 1 when something differs.
pub(crate) async fn verify(connection: &Connection, arguments: VerifySourceArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let contact_id = arguments.contact.unwrap_or_default();
    let request = api::VerifySourceRequest { location_id: connection.location_id(), contact_id };
    let mut answers = connection.without_deadline().source().await?.verify_source(request).await?.into_inner();
    let mut last = api::VerifySourceResponse::default();
    while let Some(answer) = answers.message().await? {
        if output.json {
            output.answer(&answer)?;
        } else {
            answer.differences.iter().try_for_each(|difference| show(difference, output))?;
        }
        last = answer;
    }
    if !last.done {
        return Err(tonic::Status::unavailable("the comparison ended early; verify again").into());
    }
    if !output.json {
        let outcome = if last.differing == 0 { "the log says the same".to_owned() } else { format!("{} records differ", last.differing) };
        writeln!(output.out, "{} contacts compared with GHL: {outcome}", last.checked)?;
    }
    if last.differing == 0 { Ok(()) } else { Err(Problem::Different) }
}

fn show(difference: &api::RecordDifference, output: &mut Output<'_>) -> Result<(), Problem> {
    let what = match difference.difference.as_str() {
        "appeared" => "GHL has it, the log does not",
        "returned" => "GHL has it, the log says that it is gone",
        "vanished" => "the log has it, GHL does not",
        _ => "it differs",
    };
    let [kind, id, contact] = [&difference.kind, &difference.record_id, &difference.contact_id].map(|text| printable(text));
    writeln!(output.out, "{kind} {id} of contact {contact}: {what}")?;
    for field in &difference.fields {
        let change = output.change(&field.field, &field.log_json, &field.ghl_json);
        writeln!(output.out, "  {change}")?;
    }
    Ok(())
}
