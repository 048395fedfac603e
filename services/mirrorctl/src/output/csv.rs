//! History as CSV that is safe to open in a spreadsheet: see OWASP on CSV injection.

use proto::admin::v1 as api;
use serde_json::Value;

use super::format;
use crate::problem::Problem;

const COLUMNS: [&str; 21] = [
    "location_id",
    "seq",
    "recorded_at",
    "occurred_at",
    "type",
    "contact_id",
    "record_kind",
    "record_id",
    "field",
    "before",
    "after",
    "cause",
    "who",
    "webhook_type",
    "asked_at",
    "ghl_trace_id",
    "trace_id",
    "delivered_at",
    "went",
    "unreadable",
    "erased",
];

pub(crate) fn head() -> Result<Vec<u8>, Problem> {
    row(&COLUMNS.map(str::to_owned))
}

/// A row for each field that changed; one for an event without any.
pub(crate) fn event(event: &api::Event) -> Result<Vec<u8>, Problem> {
    let nothing = [api::FieldChange::default()];
    let changes = if event.changes.is_empty() { nothing.as_slice() } else { &event.changes };
    let mut rows = Vec::new();
    for change in changes {
        rows.extend(row(&cells(event, change))?);
    }
    Ok(rows)
}

fn cells(event: &api::Event, change: &api::FieldChange) -> [String; COLUMNS.len()] {
    let cause = event.cause.clone().unwrap_or_default();
    let instant = |at: Option<&prost_types::Timestamp>| format::instant(at).unwrap_or_default();
    let delivered = event.arrivals.iter().find(|arrival| arrival.outcome == "delivered");
    let deliveries =
        event.deliveries.iter().map(described).chain(event.arrivals.iter().filter_map(|arrival| arrival.delivery.as_ref()).map(described));
    let text = |text: &str| safe(text);
    [
        text(&event.location_id),
        event.seq.to_string(),
        instant(event.recorded_at.as_ref()),
        instant(event.occurred_at.as_ref()),
        text(&event.r#type),
        text(&event.contact_id),
        text(&event.record_kind),
        text(&event.record_id),
        text(&change.field),
        value(&change.before_json),
        value(&change.after_json),
        text(&cause.by),
        text(&cause.who),
        text(&cause.webhook_type),
        instant(cause.asked_at.as_ref()),
        text(&cause.ghl_trace_id),
        text(&event.trace_id),
        instant(delivered.and_then(|arrival| arrival.recorded_at.as_ref())),
        text(&deliveries.collect::<Vec<_>>().join("; ")),
        text(&event.unreadable),
        if event.erased { "yes".to_owned() } else { String::new() },
    ]
}

fn described(delivery: &api::Delivery) -> String {
    let api::Delivery { workspace, kind: _, object, revision, answer } = delivery;
    format!("{object} at {revision} in {workspace}: {answer}")
}

/// Text without its quotes, a number as it is, everything else as JSON.
fn value(json: &str) -> String {
    match serde_json::from_str(json) {
        Ok(Value::String(text)) => safe(&text),
        Ok(Value::Number(number)) => number.to_string(),
        Ok(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | Err(_) => safe(json),
    }
}

/// Puts an apostrophe before what a spreadsheet would run as a formula, and replaces control characters other than line breaks and tabs.
fn safe(text: &str) -> String {
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) || text.starts_with(['\t', '\r', '\n']);
    let text = text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\r' | '\t') { '\u{fffd}' } else { c });
    if formula { std::iter::once('\'').chain(text).collect() } else { text.collect() }
}

fn row(cells: &[String]) -> Result<Vec<u8>, Problem> {
    let mut writer =
        csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells).map_err(std::io::Error::from)?;
    writer.flush()?;
    writer.into_inner().map_err(|error| Problem::Output(error.into_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_run_as_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "＝1"] {
            assert!(safe(formula).starts_with('\''), "{formula:?}");
        }
        assert_eq!(["a=b", "", "1-2"].map(safe), ["a=b", "", "1-2"]);
        assert_eq!(safe("a\u{1b}[2J"), "a\u{fffd}[2J");
        assert_eq!(["-5", "\"-5\"", "\"+1 555\"", "[1]", ""].map(value), ["-5", "'-5", "'+1 555", "[1]", ""]);
    }

    #[test]
    fn quotes_commas_and_line_breaks_stay_within_their_cell() {
        let change = api::FieldChange { field: "note".to_owned(), after_json: r#""=\"a\",\nb""#.to_owned(), ..Default::default() };
        let whole = api::Event { changes: vec![change.clone(), change], ..api::Event::default() };
        let text = String::from_utf8(event(&whole).unwrap()).unwrap();
        assert_eq!(text.matches("\"'=\"\"a\"\",\nb\"").count(), 2);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.iter().map(csv::StringRecord::len).collect::<Vec<_>>(), [COLUMNS.len(), COLUMNS.len()]);
        assert_eq!(rows[0].get(10), Some("'=\"a\",\nb"));
    }
}
