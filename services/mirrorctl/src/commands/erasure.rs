//! `erase`, `erasure`, `lift-erasure` and `keys rotate`.

use proto::erasure::v1 as api;

use crate::cli::{Connection, EraseArgs};
use crate::output::progress::bar;
use crate::output::table::printable;
use crate::output::{Output, format};
use crate::problem::Problem;
use crate::prompt::ask;

pub(crate) async fn erase(connection: &Connection, arguments: EraseArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let EraseArgs { contact_id, reason, leave_plain_events, yes } = arguments;
    let who = connection.who();
    if !yes {
        let typed = ask(&format!("Erasing cannot be undone. Type the contact's id to erase {}: ", printable(&contact_id)))?;
        if typed != contact_id {
            return Err(Problem::Usage("that is another id; nothing was erased".to_owned()));
        }
    }
    let request = api::EraseContactRequest { location_id: connection.location_id(), contact_id, reason, who, leave_plain_events };
    let answer = connection.erasure().await?.erase_contact(request).await?.into_inner();
    show_progress(&answer.erasure.unwrap_or_default(), output)
}

pub(crate) async fn status(connection: &Connection, contact_id: String, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::GetErasureRequest { location_id: connection.location_id(), contact_id };
    let answer = connection.erasure().await?.get_erasure(request).await?.into_inner();
    show_progress(&answer.erasure.unwrap_or_default(), output)
}

pub(crate) async fn lift(connection: &Connection, contact_id: String, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::LiftErasureRequest { location_id: connection.location_id(), contact_id: contact_id.clone(), who: connection.who() };
    let answer = connection.erasure().await?.lift_erasure(request).await?.into_inner();
    if output.json {
        return output.answer(&answer.erasure.unwrap_or_default());
    }
    Ok(writeln!(output.out, "{}: may be observed again; what was erased stays erased", printable(&contact_id))?)
}

/// Wraps the keys of all contacts and seals the app's tokens again, and shows how far that is.
pub(crate) async fn rotate(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut answers = connection.without_deadline().erasure().await?.rotate_kek(api::RotateKekRequest {}).await?.into_inner();
    let bar = bar(0);
    let mut last = api::RotateKekResponse::default();
    while let Some(progress) = answers.message().await? {
        if output.json {
            output.answer(&progress)?;
        } else {
            bar.set_length(progress.total.max(progress.seen));
            bar.set_position(progress.seen);
        }
        last = progress;
    }
    bar.finish_and_clear();
    if output.json {
        return Ok(());
    }
    let api::RotateKekResponse { seen, rewrapped, kek_id, credentials, .. } = last;
    writeln!(output.out, "{rewrapped} of {seen} keys of contacts were wrapped anew")?;
    writeln!(output.out, "tokens of {credentials} installations and locations were sealed anew")?;
    Ok(writeln!(output.out, "{} is the key of all of them now", printable(&kek_id))?)
}

fn show_progress(erasure: &api::ContactErasure, output: &mut Output<'_>) -> Result<(), Problem> {
    if output.json {
        output.answer(erasure)?;
    } else {
        let name = printable(&erasure.contact_id);
        writeln!(output.out, "{name}: erased at position {} on {}", erasure.seq, format::second(erasure.erased_at.as_ref()))?;
        if erasure.plain_events > 0 {
            writeln!(output.out, "  {} events from before there was a key stay readable in the log", erasure.plain_events)?;
        }
        for workspace in &erasure.workspaces_left {
            writeln!(output.out, "  still to do: workspace {}", printable(workspace))?;
        }
        if erasure.bus_left {
            writeln!(output.out, "  still to do: messages on the bus")?;
        }
        let word =
            if erasure.finished_at.is_some() { "nothing is left to do" } else { "it goes on by itself; `mirrorctl erasure` shows how far" };
        writeln!(output.out, "  {word}")?;
        if erasure.lifted_at.is_some() {
            writeln!(output.out, "  lifted on {}: observed again since", format::second(erasure.lifted_at.as_ref()))?;
        }
    }
    match erasure.finished_at {
        Some(_) => Ok(()),
        None => Err(Problem::Unfinished("the erasure is not finished; ask again in a moment".to_owned())),
    }
}
