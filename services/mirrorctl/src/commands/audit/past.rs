//! `blame`, `as-of`, `diff` and `export`.

use proto::audit::v1 as api;

use super::watch;
use crate::cli::time::Moment;
use crate::cli::{AsOfArgs, BlameArgs, Connection, DiffArgs, ExportArgs};
use crate::commands::pages::Pages;
use crate::output::table::printable;
use crate::output::{Output, format};
use crate::problem::Problem;

const ERASED: &str = "erased: what was known of it is gone; `mirrorctl erasure` and `mirrorctl history` show what is left";

pub(crate) async fn blame(connection: &Connection, arguments: &BlameArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut audit = connection.audit().await?;
    let (mut pages, mut shown) = (Pages::new(arguments.limit, arguments.all), 0);
    while let Some((page_size, page_token)) = pages.next() {
        let request = api::BlameRequest {
            location_id: connection.location_id(),
            contact_id: arguments.contact_id.clone(),
            field: arguments.field.clone(),
            record_kind: arguments.kind.clone(),
            record_id: arguments.record.clone(),
            page_size,
            page_token,
        };
        let page = audit.blame(request).await?.into_inner();
        for value in &pages.take(page.values, page.next_page_token) {
            if output.json {
                output.answer(value)?
            } else {
                show_value(value, output)?
            }
            shown += 1;
        }
        if !pages.has_more() {
            show_unreadable(&page.unreadable, output)?;
        }
    }
    if output.json {
        return Ok(());
    }
    if shown == 0 {
        writeln!(output.out, "it never had a value; `mirrorctl history` shows the names of fields")?;
    }
    if pages.has_more() {
        writeln!(output.out, "… and more; --all shows every value")?;
    }
    Ok(())
}

fn show_value(value: &api::Value, output: &mut Output<'_>) -> Result<(), Problem> {
    let style = output.style;
    let (position, when) = (style.bold(&format!("#{}", value.seq)), format::second(value.recorded_at.as_ref()));
    let label = if value.label.is_empty() { String::new() } else { format!(" ({})", printable(&value.label)) };
    let change = output.change(&value.field, &value.before_json, &value.after_json);
    writeln!(output.out, "{position}  {when}  {}/{}  {change}{label}", value.record_kind, printable(&value.record_id))?;
    let occurred = format::second(value.occurred_at.as_ref());
    let because = printable(format::because(value.cause.as_ref(), &value.trace_id).trim_start());
    writeln!(output.out, "      {}", style.faint(&format!("happened {occurred}, {because}")))?;
    for reached in &value.reached {
        let at = format::second(reached.at.as_ref());
        let text = format!("reached {} {at} with {}: {}", reached.workspace, reached.revision, reached.answer);
        writeln!(output.out, "      {}", style.new_text(&printable(&text)))?;
    }
    if value.reached.is_empty() {
        let missing = if value.replaced_seq == 0 { "not in Pagico yet" } else { "never in Pagico by itself" };
        writeln!(output.out, "      {}", style.gone(missing))?;
    }
    if value.replaced_seq > 0 {
        writeln!(output.out, "      {}", style.faint(&format!("replaced by #{}", value.replaced_seq)))?;
    }
    Ok(())
}

pub(crate) async fn as_of(connection: &Connection, arguments: AsOfArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut audit = connection.audit().await?;
    let at = Some(arguments.at.point(arguments.by));
    let request = api::GetContactAsOfRequest { location_id: connection.location_id(), contact_id: arguments.contact_id, at };
    let snapshot = audit.get_contact_as_of(request).await?.into_inner().contact.unwrap_or_default();
    if output.json {
        return output.answer(&snapshot);
    }
    if snapshot.erased {
        writeln!(output.out, "{ERASED}")?;
    } else if snapshot.records.is_empty() {
        writeln!(output.out, "nothing was known of it then")?;
    }
    let style = output.style;
    for record in &snapshot.records {
        let name = printable(&format!("{}/{}", record.kind, record.record_id));
        let name = if record.present { style.bold(&name) } else { style.gone(&format!("{name} (gone)")) };
        let since = format!("#{}  recorded {}", record.seq, format::second(record.recorded_at.as_ref()));
        writeln!(
            output.out,
            "{name}  {}",
            style.faint(&format!("as of {since}, happened {}", format::second(record.occurred_at.as_ref())))
        )?;
        for field in record.fields.iter().filter(|_| record.present) {
            let label = if field.label.is_empty() { String::new() } else { format!(" ({})", field.label) };
            writeln!(output.out, "      {}", printable(&format!("{}{label}: {}", field.field, format::shortened(&field.json))))?;
        }
    }
    show_unreadable(&snapshot.unreadable, output)
}

/// # Errors
/// `Different` when the contact is not the same at both moments.
pub(crate) async fn diff(connection: &Connection, arguments: DiffArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut audit = connection.audit().await?;
    let point = |moment: Option<Moment>| moment.map(|moment| moment.point(arguments.by));
    let (from, to) = (point(arguments.from), point(arguments.to));
    let request = api::DiffRequest { location_id: connection.location_id(), contact_id: arguments.contact_id, from, to };
    let difference = audit.diff(request).await?.into_inner().contact.unwrap_or_default();
    if output.json {
        output.answer(&difference)?;
    } else {
        show_difference(&difference, output)?;
    }
    if difference.records.is_empty() { Ok(()) } else { Err(Problem::Different) }
}

fn show_difference(difference: &api::Difference, output: &mut Output<'_>) -> Result<(), Problem> {
    let style = output.style;
    for record in &difference.records {
        let name = printable(&format!("{}/{}", record.kind, record.record_id));
        let name = match (record.before, record.after) {
            (false, _) => style.new_text(&format!("+ {name}")),
            (true, false) => style.gone(&format!("- {name}")),
            (true, true) => style.changed(&format!("~ {name}")),
        };
        writeln!(output.out, "{name}")?;
        for change in &record.changes {
            writeln!(output.out, "      {}", output.change(&change.field, &change.before_json, &change.after_json))?;
        }
    }
    if difference.erased {
        writeln!(output.out, "{ERASED}")?;
    } else if difference.records.is_empty() {
        writeln!(output.out, "it is the same at both moments")?;
    }
    show_unreadable(&difference.unreadable, output)
}

fn show_unreadable(positions: &[u64], output: &mut Output<'_>) -> Result<(), Problem> {
    if !positions.is_empty() && !output.json {
        let positions: Vec<String> = positions.iter().map(|position| format!("#{position}")).collect();
        writeln!(output.out, "not complete: {} cannot be read", positions.join(", "))?;
    }
    Ok(())
}

pub(crate) async fn export(connection: &Connection, arguments: ExportArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    // One moment for all contacts, even if the export is continued later.
    let (location_id, head) = watch::start_of(connection, None).await?;
    let point = |moment: Option<Moment>| Some(moment.unwrap_or(Moment::Position(head)).point(arguments.by));
    let mut audit = connection.without_deadline().audit().await?;
    let after_contact_id = arguments.after;
    if let Some(from) = arguments.from {
        let (from, to) = (point(Some(from)), point(arguments.to));
        let request = api::ExportDiffRequest { location_id, from, to, after_contact_id };
        let mut parts = audit.export_diff(request).await?.into_inner();
        while let Some(part) = parts.message().await? {
            output.answer(&part.contact.unwrap_or_default())?;
        }
    } else {
        let request = api::ExportAsOfRequest { location_id, at: point(arguments.at), after_contact_id };
        let mut parts = audit.export_as_of(request).await?.into_inner();
        while let Some(part) = parts.message().await? {
            output.answer(&part.contact.unwrap_or_default())?;
        }
    }
    Ok(())
}
