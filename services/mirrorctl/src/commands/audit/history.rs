//! `history`: what happened to a contact, and where it went.

use std::io;

use proto::admin::v1 as api;

use crate::cli::time::By;
use crate::cli::{Connection, FilterArgs, Format, HistoryArgs};
use crate::commands::pages::Pages;
use crate::output::table::printable;
use crate::output::{Output, csv, format};
use crate::problem::Problem;

/// The largest page of the API.
const PAGE_MAX: u32 = 500;

pub(crate) async fn history(connection: &Connection, arguments: &HistoryArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let format = if output.json { Format::Jsonl } else { arguments.format };
    let mut admin = connection.admin().await?;
    let mut pages = Pages::new(arguments.limit, arguments.all);
    if format == Format::Csv {
        output.out.write_all(&csv::head()?)?;
    }
    while let Some((page_size, page_token)) = pages.next() {
        let request = api::GetHistoryRequest {
            location_id: connection.location_id(),
            contact_id: arguments.contact_id.clone(),
            // Each page costs a look through the deliveries: few large pages read a whole history faster.
            page_size: if arguments.all { PAGE_MAX } else { page_size },
            page_token,
            filter: Some(filter(&arguments.filter)),
        };
        let page = admin.get_history(request).await?.into_inner();
        for event in &pages.take(page.events, page.next_page_token) {
            match format {
                Format::Table => write_event(event, output)?,
                Format::Jsonl => output.answer(event)?,
                Format::Csv => output.out.write_all(&csv::event(event)?)?,
            }
        }
    }
    if format == Format::Table && pages.has_more() {
        writeln!(output.out, "… and more; --all shows the whole history")?;
    }
    Ok(())
}

pub(crate) fn filter(arguments: &FilterArgs) -> api::EventFilter {
    let mut filter = api::EventFilter {
        fields: arguments.fields.clone(),
        kinds: arguments.kinds.clone(),
        causes: arguments.causes.clone(),
        types: arguments.types.clone(),
        ..api::EventFilter::default()
    };
    let (since, until) = (arguments.since.map(Into::into), arguments.until.map(Into::into));
    match arguments.by {
        By::Recorded => (filter.recorded_from, filter.recorded_until) = (since, until),
        By::Occurred => (filter.occurred_from, filter.occurred_until) = (since, until),
    }
    filter
}

/// One event, for `history` and `watch`.
pub(crate) fn show(event: &api::Event, output: &mut Output<'_>) -> Result<(), Problem> {
    if output.json { output.answer(event) } else { Ok(write_event(event, output)?) }
}

fn write_event(event: &api::Event, output: &mut Output<'_>) -> io::Result<()> {
    let style = output.style;
    let kind = printable(&event.r#type);
    let kind = match event.r#type.rsplit('.').next() {
        Some("appeared" | "returned") => style.new_text(&kind),
        Some("vanished" | "parked" | "refused") => style.gone(&kind),
        Some("changed") => style.changed(&kind),
        Some(_) | None => kind,
    };
    let subject = match (event.record_id.is_empty(), event.contact_id.is_empty()) {
        (false, _) => format!("  {}/{}", event.record_kind, event.record_id),
        (true, false) => format!("  contact/{}", event.contact_id),
        (true, true) => String::new(),
    };
    let (position, when) = (style.bold(&format!("#{}", event.seq)), format::second(event.recorded_at.as_ref()));
    let because = style.faint(&printable(&format::because(event.cause.as_ref(), &event.trace_id)));
    writeln!(output.out, "{position}  {when}  {kind}{}{because}", printable(&subject))?;
    for change in &event.changes {
        writeln!(output.out, "      {}", output.change(&change.field, &change.before_json, &change.after_json))?;
    }
    for delivery in &event.deliveries {
        let api::Delivery { workspace, kind: _, object, revision, answer } = delivery;
        writeln!(output.out, "      {}", printable(&format!("{object} at {revision} in {workspace}: {answer}")))?;
    }
    for arrival in &event.arrivals {
        writeln!(output.out, "      {}", style.faint(&printable(&format!("→ {}", described(event, arrival)))))?;
    }
    if event.erased {
        writeln!(output.out, "      erased")?;
    }
    if !event.unreadable.is_empty() {
        writeln!(output.out, "      {}", printable(&format!("cannot be read: {}", event.unreadable)))?;
    }
    Ok(())
}

fn described(event: &api::Event, arrival: &api::Arrival) -> String {
    let delivery = arrival.delivery.clone().unwrap_or_default();
    let own = format!("{}.{}", event.epoch, event.seq);
    let with = if delivery.revision == own { String::new() } else { format!(" with {}", delivery.revision) };
    let (when, api::Delivery { workspace, object, answer, .. }) = (format::second(arrival.recorded_at.as_ref()), delivery);
    format!("{object} in {workspace}{with}, {when}: {} ({answer})", arrival.outcome)
}
